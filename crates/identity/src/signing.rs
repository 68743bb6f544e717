//! The private side of a token. Only users has a key to read; everybody else's tests make their own.

use std::{
    fmt, fs,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use api::{Claims, Role, TOKEN_AUDIENCE, TOKEN_ISSUER};
use aws_lc_rs::signature::Ed25519KeyPair;
use chassis::Error;
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};

/// What a PEM file with a PKCS#8 key calls it (RFC 7468, section 10).
const PEM_TAG: &str = "PRIVATE KEY";

/// An Ed25519 key pair that signs tokens.
///
/// Its name, the `kid`, is the thumbprint of the public key (RFC 7638): replicas that share the key agree on it without
/// talking to each other, and it survives a restart.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    kid: String,
    public: Jwk,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key.
    pub fn generate() -> Self {
        let pair = Ed25519KeyPair::generate().expect("the system gives random numbers");
        Self::new(&pair).expect("a key that was just made is one")
    }

    /// Reads a PKCS#8 key, as PEM or as DER.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else. The error says how to make one, and nothing of what it holds.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || {
            let bytes = fs::read(path)?;
            // What is not PEM may be DER.
            let der = pem::parse(&bytes).map_or(bytes, pem::Pem::into_contents);
            let pair = Ed25519KeyPair::from_pkcs8(&der)
                .map_err(|_| anyhow::anyhow!("not an Ed25519 key in PKCS#8"))?;
            Self::new(&pair)
        };
        read().with_context(|| {
            let path = path.display();
            format!(
                "read the signing key {path} (create one: openssl genpkey -algorithm ed25519 -out {path})"
            )
        })
    }

    fn new(pair: &Ed25519KeyPair) -> anyhow::Result<Self> {
        // Version 1 whatever was read: jsonwebtoken tells the curve by the length of the document.
        let key = EncodingKey::from_ed_der(pair.to_pkcs8v1()?.as_ref());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { key, kid, public })
    }

    /// The key as a PEM file holds it: a secret.
    pub fn to_pem(&self) -> String {
        pem::encode(&pem::Pem::new(PEM_TAG, self.key.as_bytes()))
    }

    /// What everybody may know of it: the set that `GET /.well-known/jwks.json` answers.
    pub fn public(&self) -> JwkSet {
        JwkSet {
            keys: vec![self.public.clone()],
        }
    }

    /// A token for `user_id` that is valid from now on, for `ttl`.
    pub fn issue(&self, user_id: &str, role: Role, ttl: Duration) -> Result<String, Error> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_err(|error| Error::Internal(error.into()))?;
        self.sign(&Claims {
            iss: TOKEN_ISSUER.into(),
            aud: TOKEN_AUDIENCE.into(),
            sub: user_id.to_owned(),
            role,
            iat: now.as_secs(),
            exp: now.saturating_add(ttl).as_secs(),
        })
    }

    /// Signs whatever `claims` say, true or not.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key)
            .map_err(|error| Error::Internal(anyhow::Error::new(error).context("sign a token")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_pem_and_from_der_and_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::generate();
        for (name, bytes) in [
            ("key.pem", key.to_pem().into_bytes()),
            ("key.der", key.key.as_bytes().to_vec()),
        ] {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            assert_eq!(SigningKey::read(&path).unwrap().public(), key.public());
        }
    }

    #[test]
    fn a_key_that_openssl_makes_is_taken_under_the_name_that_the_standard_gives_it() {
        // The key and its thumbprint are those of RFC 8037, appendices A.1 and A.3.
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                   -----END PRIVATE KEY-----\n";
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, pem).unwrap();
        let key = SigningKey::read(file.path()).unwrap();
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "hunter2").unwrap();
        let error = format!("{:#}", SigningKey::read(file.path()).unwrap_err());
        assert!(
            error.contains("openssl genpkey -algorithm ed25519"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
        let missing = SigningKey::read(Path::new("/nowhere/key.pem"));
        assert!(format!("{:#}", missing.unwrap_err()).contains("/nowhere/key.pem"));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = SigningKey::generate();
        let secret = key.to_pem();
        let secret = secret.lines().nth(1).unwrap();
        let shown = format!("{key:?} {:?}", key.public());
        assert!(
            !shown.contains(secret) && shown.contains(&key.kid),
            "{shown}"
        );
    }
}

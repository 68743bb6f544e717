//! Keys in files: X25519 as OpenSSL writes it (RFC 8410), in PEM.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use hpke::{Deserializable as _, Kem as _, Serializable as _};
use pem::Pem;
use sha2::{Digest as _, Sha256};

use crate::{Kem, PrivateKey, PublicKey};

/// What PEM calls a key in PKCS#8 (RFC 7468, section 10), ...
const PRIVATE: &str = "PRIVATE KEY";
/// ... and a public key (section 13).
const PUBLIC: &str = "PUBLIC KEY";
/// What stands before the 32 bytes of a private key of X25519 in PKCS#8, ...
const PRIVATE_HEAD: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20";
/// ... and of a public one.
const PUBLIC_HEAD: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00";
/// Bytes of a key's name: a hash of the public key. Names tell the few keys of one deployment apart.
const NAME_LENGTH: usize = 8;

/// Payments' public key, which card numbers are sealed for.
#[derive(Clone)]
pub struct SealingKey {
    pub(crate) id: String,
    pub(crate) key: PublicKey,
}

/// Payments' private keys, by name.
#[derive(Clone)]
pub struct OpeningKeys {
    pub(crate) keys: BTreeMap<String, PrivateKey>,
}

impl SealingKey {
    /// Reads one public key, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else; also a private key, which has no business there.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || Self::parse(&fs::read_to_string(path)?);
        read().with_context(|| {
            let path = path.display();
            format!(
                "read payments' public key {path} (create one: openssl pkey -pubout -in PRIVATE -out {path})"
            )
        })
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let [public] = <[Pem; 1]>::try_from(pem::parse_many(text)?)
            .ok()
            .context("not one key in PEM")?;
        let key = contents(&public, PUBLIC, PUBLIC_HEAD).context("not a public key of X25519")?;
        let key = PublicKey::from_bytes(key).context("not a public key of X25519")?;
        Ok(Self {
            id: name(&key),
            key,
        })
    }
}

impl OpeningKeys {
    /// Reads one private key, as `openssl genpkey -algorithm x25519` writes it, or several one after the other.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else. The error says nothing of what it holds.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || Self::parse(&fs::read_to_string(path)?);
        read().with_context(|| {
            let path = path.display();
            format!("read the card keys {path} (create one: openssl genpkey -algorithm x25519 -out {path})")
        })
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let all = pem::parse_many(text)?;
        let keys: anyhow::Result<BTreeMap<_, _>> = all
            .iter()
            .map(|it| private(it).map(|key| (name(&Kem::sk_to_pk(&key)), key)))
            .collect();
        let keys = keys?;
        anyhow::ensure!(!keys.is_empty(), "no key in PEM");
        Ok(Self { keys })
    }
}

/// A new private key, as PEM: a secret.
pub fn generate() -> String {
    let (private, _) = Kem::gen_keypair();
    let der = [PRIVATE_HEAD, &private.to_bytes()].concat();
    pem::encode(&Pem::new(PRIVATE, der))
}

/// The public key of the private one in `text`, both as PEM.
///
/// # Errors
/// A text that is no such key.
pub fn public_of(text: &str) -> anyhow::Result<String> {
    let public = Kem::sk_to_pk(&private(&pem::parse(text)?)?);
    let der = [PUBLIC_HEAD, &public.to_bytes()].concat();
    Ok(pem::encode(&Pem::new(PUBLIC, der)))
}

fn private(key: &Pem) -> anyhow::Result<PrivateKey> {
    let bytes = contents(key, PRIVATE, PRIVATE_HEAD).context("not a private key of X25519")?;
    PrivateKey::from_bytes(bytes).context("not a private key of X25519")
}

fn contents<'a>(key: &'a Pem, tag: &str, head: &[u8]) -> Option<&'a [u8]> {
    let contents = key.contents().strip_prefix(head)?;
    (key.tag() == tag).then_some(contents)
}

fn name(key: &PublicKey) -> String {
    let hash = Sha256::digest(key.to_bytes());
    let hexadecimal = |it: &u8| format!("{it:02x}");
    hash.iter().take(NAME_LENGTH).map(hexadecimal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl genpkey -algorithm x25519` and `openssl pkey -pubout`.
    const OPENSSLS: [&str; 2] = [
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIBhkqZVkEZOucoUBKZLp8wQ7hvBrZrwMA8YioPb89jVJ\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAxEkPsvcZxO72IIuImn1GCJjeebiLUxESuX5Uy5/d/WU=\n-----END PUBLIC KEY-----\n",
    ];

    #[test]
    fn openssl_makes_keys_that_we_read_and_write_the_same() {
        let [private, public] = OPENSSLS;
        let ours = public_of(private).unwrap();
        assert_eq!(ours.replace('\r', ""), public);
        let sealing = SealingKey::parse(public).unwrap();
        let opening = OpeningKeys::parse(private).unwrap();
        assert!(opening.keys.contains_key(&sealing.id));
    }

    #[test]
    fn what_is_no_such_key_is_refused_and_not_told() {
        let [private, public] = OPENSSLS;
        for bad in ["", "nonsense", private, &format!("{public}{public}")] {
            assert!(SealingKey::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "nonsense", public, &format!("{private}{public}")] {
            let refused = OpeningKeys::parse(bad).unwrap_err();
            assert!(!format!("{refused:?}").contains("MC4C"), "{refused:?}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = OpeningKeys::read(file.path()).unwrap_err();
        let told = format!("{refused:#}");
        assert!(told.contains("openssl genpkey -algorithm x25519"), "{told}");
    }
}

//! The hash of a password: argon2id (RFC 9106), written as a PHC string.
//!
//! 19 MiB, 2 passes, 1 lane: the default of the crate, and what OWASP's Password Storage Cheat Sheet asks for.

use anyhow::Context as _;
use argon2::{
    ARGON2ID_IDENT, Argon2, Block, Params, Version,
    password_hash::{
        phc::{Output, ParamsString, PasswordHash, Salt},
        try_generate_salt,
    },
};

/// A hash that no password has, with the costs of a real one: what the password of an unknown address is compared with.
pub(crate) const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Room for more than a hash needs. What glibc allocates above 32 MiB always comes straight from the system and goes straight
/// back; below, freeing 19 MiB once teaches it to keep them, for every thread that ever hashed. Pages that are not touched
/// cost nothing.
const RESERVED_BLOCKS: usize = 33 * 1024 * 1024 / Block::SIZE;

/// The hash of `password` with a salt of its own.
pub(crate) fn hash(password: &str) -> anyhow::Result<String> {
    let params = Params::DEFAULT;
    let salt = Salt::new(&try_generate_salt()?)?;
    let output = stretch(password, &salt, &params)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params)?,
        salt: Some(salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Whether `hash` is that of `password`, at the costs that `hash` names.
pub(crate) fn matches(password: &str, hash: &str) -> anyhow::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    anyhow::ensure!(
        hash.algorithm == ARGON2ID_IDENT,
        "password hash is not argon2id"
    );
    let salt = hash.salt.context("password hash has no salt")?;
    let expected = hash.hash.context("password hash has no output")?;
    // `Output` compares in constant time.
    Ok(stretch(password, &salt, &Params::try_from(&hash)?)? == expected)
}

fn stretch(password: &str, salt: &Salt, params: &Params) -> anyhow::Result<Output> {
    let count = params.block_count();
    let mut blocks = Vec::with_capacity(count.max(RESERVED_BLOCKS));
    blocks.resize(count, Block::new());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    Argon2::from(params).hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        &mut output,
        &mut blocks,
    )?;
    Ok(Output::new(&output)?)
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    const PASSWORD: &str = "correct horse battery";

    #[test]
    fn our_hashes_are_those_of_everybody_else() {
        let ours = hash(PASSWORD).unwrap();
        let usual = Argon2::default();
        usual
            .verify_password(PASSWORD.as_bytes(), ours.as_str())
            .unwrap();
        let theirs: PasswordHash = usual.hash_password(PASSWORD.as_bytes()).unwrap();
        assert!(matches(PASSWORD, &theirs.to_string()).unwrap());
        assert!(!matches("correct horse", &theirs.to_string()).unwrap());
    }

    #[test]
    fn the_same_password_has_another_hash_each_time() {
        assert_ne!(hash(PASSWORD).unwrap(), hash(PASSWORD).unwrap());
    }

    #[test]
    fn the_hash_of_nobody_costs_what_a_real_one_costs() {
        let real = hash(PASSWORD).unwrap();
        let cost = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(&real), cost(NOBODYS));
        assert_eq!(real.len(), NOBODYS.len());
        assert!(!matches("", NOBODYS).unwrap());
    }

    #[test]
    fn what_is_no_hash_of_ours_is_refused() {
        for bad in ["", "plain", &NOBODYS.replace("argon2id", "argon2i")] {
            assert!(matches(PASSWORD, bad).is_err(), "{bad}");
        }
    }
}

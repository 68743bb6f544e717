//! The secrets of a deployment, made for it alone: files in its run directory that only their owner can read.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rand::{TryRngCore as _, rngs::OsRng};

/// The admin's e-mail address.
pub(crate) const ADMIN_EMAIL: &str = "admin@shop.example";

/// Where the key is that signs tokens.
pub(super) fn signing_key(dir: &Path) -> PathBuf {
    dir.join("data/signing-key.pem")
}

/// Where the admin's password is.
pub(crate) fn admin_password(dir: &Path) -> PathBuf {
    dir.join("data/admin-password")
}

/// Where the key is that payments opens card numbers with, ...
pub(super) fn card_key(dir: &Path) -> PathBuf {
    dir.join("data/card-key.pem")
}

/// ... and its public half, which orders seals them for.
pub(super) fn public_card_key(dir: &Path) -> PathBuf {
    dir.join("data/card-key.pub.pem")
}

/// Where the secret is without which a fingerprint of a request tells nothing of it.
pub(super) fn fingerprint_key(dir: &Path) -> PathBuf {
    dir.join("data/fingerprint-key")
}

/// Makes all of them, but for what an earlier start of the same deployment made.
pub(super) fn make(dir: &Path) -> anyhow::Result<()> {
    write(&signing_key(dir), &users::generate_signing_key())?;
    write(&admin_password(dir), &password()?)?;
    write(&fingerprint_key(dir), &password()?)?;
    let card_key = card_key(dir);
    write(&card_key, &cards::generate())?;
    let made = fs::read_to_string(&card_key);
    let made = made.with_context(|| format!("read {}", card_key.display()))?;
    write(&public_card_key(dir), &cards::public_of(&made)?)
}

/// A password that nobody guesses: 32 hexadecimal digits of the operating system's randomness.
pub(crate) fn password() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    OsRng
        .try_fill_bytes(&mut bytes)
        .context("ask the operating system for random bytes")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

fn write(path: &Path, secret: &str) -> anyhow::Result<()> {
    let create = || -> io::Result<()> {
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        match file {
            Ok(mut file) => file.write_all(secret.as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    };
    create().with_context(|| format!("write {}", path.display()))
}

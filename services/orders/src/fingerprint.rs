//! What tells one request from another without saying what is in it.

use std::{fmt, fs, path::Path};

use anyhow::Context as _;
use api::NewOrder;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the shortest secret: half as many random ones, in hexadecimal.
const MIN_SECRET: usize = 32;

/// Makes fingerprints of orders: HMAC-SHA-256 (RFC 2104) with a secret. A mere hash would do to tell requests apart, but whoever
/// gets hold of it could try all card numbers.
#[derive(Clone)]
pub(crate) struct Fingerprints(Hmac<Sha256>);

impl Fingerprints {
    /// Reads the secret; surrounding white space is not part of it.
    ///
    /// # Errors
    /// A file that cannot be read, or whose secret is short.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let read = || Self::with(fs::read_to_string(path)?.trim());
        read().with_context(|| {
            let path = path.display();
            format!("read the fingerprint key {path} (create one: openssl rand -hex 32 > {path})")
        })
    }

    fn with(secret: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            secret.len() >= MIN_SECRET,
            "shorter than {MIN_SECRET} characters"
        );
        let keyed = Hmac::new_from_slice(secret.as_bytes());
        Ok(Self(keyed.context("use it as a key")?))
    }

    /// Names a body: two bodies with one fingerprint are the same order.
    pub(crate) fn of(&self, order: &NewOrder) -> String {
        let text = serde_json::to_vec(order).expect("an order is JSON");
        let code = self.0.clone().chain_update(text).finalize().into_bytes();
        let hexadecimal = |it: &u8| format!("{it:02x}");
        code.iter().map(hexadecimal).collect()
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints(…)")
    }
}

#[cfg(test)]
mod tests {
    use api::{CardNumber, DECLINED_CARD, GOOD_CARD, NewItem, product_id};

    use super::*;

    const SECRET: &str = "00112233445566778899aabbccddeeff";

    fn order(quantity: i64, card: &str) -> NewOrder {
        let product_id = product_id(1);
        NewOrder {
            items: vec![NewItem {
                product_id,
                quantity,
            }],
            card_number: CardNumber(card.into()),
        }
    }

    #[test]
    fn another_card_or_quantity_is_another_body_and_another_secret_another_fingerprint() {
        let fingerprints = Fingerprints::with(SECRET).unwrap();
        let one = fingerprints.of(&order(1, GOOD_CARD));
        assert_eq!(one, fingerprints.of(&order(1, GOOD_CARD)));
        assert_ne!(one, fingerprints.of(&order(2, GOOD_CARD)));
        assert_ne!(one, fingerprints.of(&order(1, DECLINED_CARD)));
        let elsewhere = Fingerprints::with(&SECRET.replace('0', "1")).unwrap();
        assert_ne!(one, elsewhere.of(&order(1, GOOD_CARD)));
        assert_eq!(one.len(), 64);
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        assert!(Fingerprints::with(&SECRET[1..]).is_err());
        let shown = format!("{:?}", Fingerprints::with(SECRET).unwrap());
        assert!(!shown.contains("0011"), "{shown}");
    }
}

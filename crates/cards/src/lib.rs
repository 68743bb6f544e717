//! Card numbers between orders and payments: sealed by the one before anything is written down, opened by the other when it asks
//! its provider. Whatever lies or travels in between (databases, brokers, dead letters) can be read by nobody else.
//!
//! The seal is HPKE (RFC 9180) in its base mode, with X25519, HKDF-SHA256 and ChaCha20-Poly1305. It is bound to the order, so
//! that nobody pays with the card of another one, and as long for short numbers as for long ones.
//!
//! A key has a name, which a sealed number says, so that keys can be changed one service after the other: payments is given the
//! new private key beside the old, then orders the new public key, and the old private key is taken away when nothing that is
//! sealed for it is on its way any more.

mod keys;

use std::fmt;

use api::{CardNumber, OrderId, SealedCard};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hpke::{
    Deserializable as _, OpModeR, OpModeS, Serializable as _, aead::ChaCha20Poly1305,
    kdf::HkdfSha256, kem::X25519HkdfSha256, single_shot_open, single_shot_seal,
};
pub use keys::{OpeningKeys, SealingKey, generate, public_of};

type Kem = X25519HkdfSha256;
type PublicKey = <Kem as hpke::Kem>::PublicKey;
type PrivateKey = <Kem as hpke::Kem>::PrivateKey;
type EncappedKey = <Kem as hpke::Kem>::EncappedKey;

/// What this use of the keys is called, which seals for others are not opened as (RFC 9180, section 8.1).
const INFO: &[u8] = b"windtunnel card number";
/// The digits of the longest card number (ISO/IEC 7812); shorter ones are filled up with spaces.
const LENGTH: usize = 19;
/// Bytes of an X25519 public key.
const KEY_LENGTH: usize = 32;

/// Why a sealed card number cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// It is sealed for a key that we do not have.
    #[error("card number is sealed for key {0}, which is not in the card key file")]
    UnknownKey(String),
    /// It is not what was sealed, or for another order.
    #[error("sealed card number is malformed or belongs to another order")]
    Broken,
}

impl SealingKey {
    /// Seals `card` for the order that it pays.
    pub fn seal(&self, card: &CardNumber, order: &OrderId) -> SealedCard {
        let plain = format!("{:LENGTH$}", card.0);
        let sealed = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &OpModeS::Base,
            &self.key,
            INFO,
            plain.as_bytes(),
            order.as_str().as_bytes(),
        );
        // A key that was read is a point, and a first message never overflows a counter.
        let (encapsulated, sealed) = sealed.expect("a good key seals");
        let bytes = [&*encapsulated.to_bytes(), &sealed].concat();
        SealedCard {
            key_id: self.id.clone(),
            sealed: BASE64.encode(bytes),
        }
    }
}

impl OpeningKeys {
    /// The card number that was sealed for `order`.
    ///
    /// # Errors
    /// It was sealed for a key that is not ours, for another order, or not at all.
    pub fn open(&self, card: &SealedCard, order: &OrderId) -> Result<CardNumber, NotOpened> {
        let key = self.keys.get(&card.key_id);
        let key = key.ok_or_else(|| NotOpened::UnknownKey(card.key_id.clone()))?;
        let plain = unseal(key, card, order).ok_or(NotOpened::Broken)?;
        Ok(CardNumber(plain.trim_end().to_owned()))
    }
}

fn unseal(key: &PrivateKey, card: &SealedCard, order: &OrderId) -> Option<String> {
    let bytes = BASE64.decode(&card.sealed).ok()?;
    let (encapsulated, sealed) = bytes.split_at_checked(KEY_LENGTH)?;
    let encapsulated = EncappedKey::from_bytes(encapsulated).ok()?;
    let plain = single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &OpModeR::Base,
        key,
        &encapsulated,
        INFO,
        sealed,
        order.as_str().as_bytes(),
    );
    String::from_utf8(plain.ok()?).ok()
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealingKey").field(&self.id).finish()
    }
}

impl fmt::Debug for OpeningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use api::{DECLINED_CARD, GOOD_CARD};

    use super::*;

    fn order(id: &str) -> OrderId {
        id.parse().unwrap()
    }

    fn card(number: &str) -> CardNumber {
        CardNumber(number.into())
    }

    /// The two sides of a new key.
    fn pair() -> (SealingKey, OpeningKeys) {
        let private = generate();
        let public = public_of(&private).unwrap();
        (
            SealingKey::parse(&public).unwrap(),
            OpeningKeys::parse(&private).unwrap(),
        )
    }

    #[test]
    fn what_is_sealed_is_opened_for_its_order_and_no_other() {
        let (sealing, opening) = pair();
        for number in [GOOD_CARD, "123456789012", "1234567890123456789"] {
            let sealed = sealing.seal(&card(number), &order("o-1"));
            assert_eq!(opening.open(&sealed, &order("o-1")), Ok(card(number)));
            let other = opening.open(&sealed, &order("o-2"));
            assert_eq!(other, Err(NotOpened::Broken));
        }
    }

    #[test]
    fn a_seal_tells_neither_the_number_nor_its_length_nor_whether_it_is_the_same() {
        let (sealing, _) = pair();
        let seal = |number| sealing.seal(&card(number), &order("o-1"));
        let (one, again, short) = (seal(GOOD_CARD), seal(GOOD_CARD), seal("123456789012"));
        assert_ne!(one.sealed, again.sealed);
        assert_eq!(one.sealed.len(), short.sealed.len());
        let written = format!("{one:?}{}{:?}", one.sealed, BASE64.decode(&one.sealed));
        assert!(!written.contains(GOOD_CARD));
    }

    #[test]
    fn what_was_changed_on_its_way_is_not_opened() {
        let (sealing, opening) = pair();
        let good = sealing.seal(&card(DECLINED_CARD), &order("o-1"));
        let bytes = BASE64.decode(&good.sealed).unwrap();
        let mut bad: Vec<_> = (0..bytes.len())
            .map(|position| {
                let mut bytes = bytes.clone();
                bytes[position] ^= 1;
                BASE64.encode(bytes)
            })
            .collect();
        bad.extend([String::new(), "!".into(), good.sealed[..40].to_owned()]);
        for sealed in bad {
            let card = SealedCard {
                sealed,
                ..good.clone()
            };
            let opened = opening.open(&card, &order("o-1"));
            assert_eq!(opened, Err(NotOpened::Broken));
        }
    }

    #[test]
    fn a_key_is_changed_while_cards_sealed_for_the_old_one_are_on_their_way() {
        let (old, new) = (generate(), generate());
        let seal = |private: &str| {
            let key = SealingKey::parse(&public_of(private).unwrap()).unwrap();
            key.seal(&card(GOOD_CARD), &order("o-1"))
        };
        let (before, after) = (seal(&old), seal(&new));
        assert_ne!(before.key_id, after.key_id);
        let both = OpeningKeys::parse(&format!("{old}{new}")).unwrap();
        for sealed in [&before, &after] {
            assert_eq!(both.open(sealed, &order("o-1")), Ok(card(GOOD_CARD)));
        }
        let only_new = OpeningKeys::parse(&new).unwrap();
        let opened = only_new.open(&before, &order("o-1"));
        assert_eq!(opened, Err(NotOpened::UnknownKey(before.key_id)));
    }
}

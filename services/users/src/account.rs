//! The rules of accounts. No I/O here.

use std::ops::RangeInclusive;

use icu_normalizer::ComposingNormalizer;
use icu_properties::{CodePointMapData, props::GeneralCategory};

/// The longest address that can receive mail (RFC 5321, section 4.5.3.1.3, less its brackets).
const MAX_EMAIL: usize = 254;
/// Long enough to withstand guessing, and no longer than anyone types.
const PASSWORD: RangeInclusive<usize> = 12..=128;

/// Credentials that nobody can register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCredentials {
    #[error(
        "e-mail address must have one @ with text on both sides, no spaces, and at most {MAX_EMAIL} bytes"
    )]
    Email,
    #[error("password must have {} to {} characters", PASSWORD.start(), PASSWORD.end())]
    Password,
}

/// Whether `email` could be an address. Whether it is one, only a mail to it could tell.
pub(crate) fn check_email(email: &str) -> Result<(), BadCredentials> {
    let shown = |it: char| !it.is_whitespace() && !it.is_control();
    let good = match email.split_once('@') {
        Some((name, host)) => !name.is_empty() && !host.is_empty() && !host.contains('@'),
        None => false,
    };
    let good = good && email.len() <= MAX_EMAIL && email.chars().all(shown);
    good.then_some(()).ok_or(BadCredentials::Email)
}

/// Whether `password`, which is [`opaque`], is one to register with.
pub(crate) fn check_password(password: &str) -> Result<(), BadCredentials> {
    let good = PASSWORD.contains(&password.chars().count());
    good.then_some(()).ok_or(BadCredentials::Password)
}

/// A password in the one form of all in which it could be typed: with plain spaces, and composed (the profile `OpaqueString` of
/// RFC 8265). Keyboards and browsers differ in how they send an `ä`.
pub(crate) fn opaque(password: &str) -> String {
    let spaces = CodePointMapData::<GeneralCategory>::new();
    let plain = |it: char| match spaces.get(it) {
        GeneralCategory::SpaceSeparator => ' ',
        _ => it,
    };
    let plain: String = password.chars().map(plain).collect();
    ComposingNormalizer::new_nfc()
        .normalize(&plain)
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_something_on_both_sides_of_one_at() {
        let longest = format!("{}@b", "a".repeat(252));
        for good in ["a@b", "ada@shop.example", "ädä+1@shop.example", &longest] {
            assert_eq!(check_email(good), Ok(()), "{good}");
        }
        let long = format!("{}@b", "a".repeat(253));
        let bad = [
            "", "@", "a@", "@b", "ab", "a@b@c", "a b@c", "a@b\n", "a\0@b", &long,
        ];
        for bad in bad {
            assert_eq!(check_email(bad), Err(BadCredentials::Email), "{bad}");
        }
    }

    #[test]
    fn a_password_is_counted_in_characters() {
        for (count, good) in [
            (0, false),
            (11, false),
            (12, true),
            (128, true),
            (129, false),
        ] {
            assert_eq!(check_password(&"ü".repeat(count)).is_ok(), good, "{count}");
        }
    }

    #[test]
    fn a_password_is_the_same_however_its_characters_are_composed() {
        let set = opaque("pässwörd 한 ΐ");
        for typed in [
            "pa\u{308}sswo\u{308}rd \u{1112}\u{1161}\u{11ab} \u{3b9}\u{308}\u{301}",
            "pässwörd\u{a0}한\u{3000}ΐ",
        ] {
            assert_eq!(opaque(typed), set, "{typed}");
        }
        for other in [
            "passwörd 한 ΐ",
            "Pässwörd 한 ΐ",
            "pässwörd  한 ΐ",
            " pässwörd 한 ΐ",
        ] {
            assert_ne!(opaque(other), set, "{other}");
        }
        // Its width and its ligatures are its owner's choice.
        for kept in ["ｐａｓｓ", "ﬁ", "①"] {
            assert_eq!(opaque(kept), kept);
        }
        let apart = "u\u{308}".repeat(12);
        assert_eq!(
            check_password(&opaque(&apart[..apart.len() - 3])),
            Err(BadCredentials::Password)
        );
        assert_eq!(check_password(&opaque(&apart)), Ok(()));
    }
}

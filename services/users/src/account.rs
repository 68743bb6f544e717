//! The rules of accounts. No I/O here.

use std::ops::RangeInclusive;

/// The longest address that can receive mail (RFC 5321, section 4.5.3.1.3, less its brackets).
const MAX_EMAIL: usize = 254;
/// Long enough to withstand guessing, and no longer than anyone types.
const PASSWORD: RangeInclusive<usize> = 12..=128;

/// Credentials that nobody can register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCredentials {
    #[error(
        "e-mail address must have one @ with text on both sides, no spaces, and at most {MAX_EMAIL} characters"
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

/// Whether `password` is one to register with.
pub(crate) fn check_password(password: &str) -> Result<(), BadCredentials> {
    let good = PASSWORD.contains(&password.chars().count());
    good.then_some(()).ok_or(BadCredentials::Password)
}

/// What tells one address from another: mail servers that mind the case of a name are extinct, people who do not remember it
/// are not.
pub(crate) fn email_key(email: &str) -> String {
    email.to_lowercase()
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
    fn addresses_are_compared_without_regard_to_case() {
        assert_eq!(email_key("Ada@Shop.Example"), email_key("ada@shop.example"));
        assert_ne!(email_key("ada@shop.example"), email_key("bob@shop.example"));
    }
}

//! Who is asking: accounts, sessions, and what a token says.

use std::fmt;

use icu_normalizer::ComposingNormalizer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{UserId, objects::objects};

objects!(Credentials);

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buys.
    Shopper,
    /// Changes the catalogue too.
    Admin,
}

/// An e-mail address and a password: to register, and to log in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Credentials {
    /// At most 254 bytes with one `@`; compared without regard to case, and to how its characters are composed.
    #[schema(
        max_length = 254,
        pattern = r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^@\s\x00-\x1f\x7f-\x9f]+$",
        example = "ada@shop.example"
    )]
    pub email: String,
    /// 12 to 128 characters, composed (Unicode's NFC).
    #[schema(min_length = 12, max_length = 128, example = "correct horse battery")]
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// What tells one e-mail address from another: lower case, and composed (Unicode's NFC). Mail servers that mind the case of a name
/// are extinct, people who do not remember it are not; and which way an `ä` is written nobody sees.
pub fn email_key(email: &str) -> String {
    let composed = |text: &str| ComposingNormalizer::new_nfc().normalize(text).into_owned();
    // Lower case may leave marks apart that belong together.
    composed(&composed(email).to_lowercase())
}

/// That a registration was taken; it says the same whether or not the address had an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// What to do next.
    #[schema(example = "log in with POST /sessions")]
    pub next: String,
}

/// A successful log-in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Send it as `Authorization: Bearer …` (RFC 6750).
    pub token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: String,
    /// Seconds until the token expires.
    #[schema(example = 900)]
    pub expires_in: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// An account, as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Names it for ever; the `sub` of its tokens.
    pub id: UserId,
    /// As it was registered.
    pub email: String,
    /// What it may do.
    pub role: Role,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// What a token of the shop says (RFC 7519): signed with Ed25519 (`alg` is `EdDSA`, RFC 8037), named by `kid`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// [`TOKEN_ISSUER`].
    pub iss: String,
    /// [`TOKEN_AUDIENCE`].
    pub aud: String,
    /// The account's id.
    pub sub: String,
    /// What it may do.
    pub role: Role,
    /// Seconds since 1970.
    pub iat: u64,
    /// Seconds since 1970.
    pub exp: u64,
}

/// Who issues tokens.
pub const TOKEN_ISSUER: &str = "windtunnel/users";
/// Whom tokens are for.
pub const TOKEN_AUDIENCE: &str = "windtunnel/shop";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_without_regard_to_case_and_composition() {
        let key = email_key("ädä@shop.example");
        for twin in [
            "Ädä@Shop.Example",
            "a\u{308}da\u{308}@shop.example",
            "A\u{308}DÄ@SHOP.EXAMPLE",
        ] {
            assert_eq!(email_key(twin), key, "{twin}");
        }
        assert_eq!(email_key(&key), key);
        for other in ["ada@shop.example", "ädä@shop.test"] {
            assert_ne!(email_key(other), key, "{other}");
        }
    }
}

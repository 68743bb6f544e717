//! What names a thing: a prefix that says of which kind it is, a dash, and letters and digits, checked wherever it comes in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text that is no id of the kind that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdError(&'static str);

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for IdError {}

/// Kinds of ids, which differ in prefix and length alone. A type parameter would do as well, and every error, schema and
/// signature would show it.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $min:literal to $max:literal, $pattern:literal, $example:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, pattern = $pattern, example = $example)]
        pub struct $name(String);

        impl $name {
            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                let tail = text.strip_prefix($prefix).unwrap_or_default();
                let known = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
                let good = ($min..=$max).contains(&tail.len()) && tail.bytes().all(known);
                good.then_some(Self(text)).ok_or(IdError($expected))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// Names a product: `p-` and 6 to 32 lower-case letters or digits.
    ///
    /// Ids sort as text, and pages are cut by them: the id of the last product on a page is the cursor to the next.
    ProductId, "p-", 6 to 32, "^p-[a-z0-9]{6,32}$", "p-000042",
    "a product id is `p-` and 6 to 32 lower-case letters or digits"
}

id! {
    /// Names an order: `o-` and 1 to 32 lower-case letters or digits. Ids sort by the time of the order.
    OrderId, "o-", 1 to 32, "^o-[a-z0-9]{1,32}$", "o-0006421f3c5a1d2e9b8c7d6e",
    "an order id is `o-` and 1 to 32 lower-case letters or digits"
}

id! {
    /// Names an account: `u-` and 1 to 32 lower-case letters or digits. It is the `sub` of the account's tokens.
    UserId, "u-", 1 to 32, "^u-[a-z0-9]{1,32}$", "u-0006421f3c5a1d2e9b8c7d6e",
    "a user id is `u-` and 1 to 32 lower-case letters or digits"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_id_is_checked_wherever_it_comes_in() {
        for good in ["p-000042", "p-abcdef0123456789"] {
            assert_eq!(good.parse::<ProductId>().unwrap().as_str(), good);
        }
        let long = format!("p-{}", "a".repeat(33));
        for bad in [
            "", "p-", "p-12345", "x-000042", "p-00004Z", "p-0000/4", &long,
        ] {
            assert!(bad.parse::<ProductId>().is_err(), "{bad}");
            assert!(serde_json::from_value::<ProductId>(bad.into()).is_err());
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused_and_the_error_says_what_is_expected() {
        let made = "0006421f3c5a1d2e9b8c7d6e";
        let (order, user) = (format!("o-{made}"), format!("u-{made}"));
        assert_eq!(order.parse::<OrderId>().unwrap().to_string(), order);
        assert_eq!(user.parse::<UserId>().unwrap().to_string(), user);
        let refused = user.parse::<OrderId>().unwrap_err().to_string();
        assert!(refused.starts_with("an order id is `o-`"), "{refused}");
        assert!(order.parse::<UserId>().is_err());
        assert!("o-".parse::<OrderId>().is_err() && "u-A".parse::<UserId>().is_err());
    }

    #[test]
    fn an_id_is_a_plain_text_in_json() {
        let id: OrderId = "o-1".parse().unwrap();
        assert_eq!(serde_json::to_value(&id).unwrap(), "o-1");
        assert_eq!(serde_json::from_str::<OrderId>("\"o-1\"").unwrap(), id);
    }
}

//! Money.

use std::{
    fmt,
    iter::Sum,
    num::ParseIntError,
    ops::{Add, Mul, Neg, Sub},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::whole::whole;

/// An amount of money in EUR cents; what is owed to somebody else is negative. On the wire it is a number.
///
/// What a price may be is the business of who sets it. Amounts are far from what 64 bits hold: arithmetic panics beyond.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cents(#[serde(deserialize_with = "whole")] pub i64);

impl Cents {
    /// Nothing.
    pub const ZERO: Self = Self(0);
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<i64> for Cents {
    fn from(cents: i64) -> Self {
        Self(cents)
    }
}

impl FromStr for Cents {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

impl Add for Cents {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.checked_add(other.0).expect("amounts are small"))
    }
}

impl Sub for Cents {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Neg for Cents {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.checked_neg().expect("amounts are small"))
    }
}

/// So many times the amount.
impl Mul<i64> for Cents {
    type Output = Self;

    fn mul(self, times: i64) -> Self {
        Self(self.0.checked_mul(times).expect("amounts are small"))
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_up_and_are_numbers_on_the_wire() {
        let lines = [Cents(250) * 2, Cents(1) * 3];
        let total: Cents = lines.into_iter().sum();
        assert_eq!((total, total - Cents(504)), (Cents(503), Cents(-1)));
        assert_eq!(serde_json::to_value(total).unwrap(), 503);
        assert_eq!(serde_json::from_str::<Cents>("503").unwrap(), total);
        assert!(serde_json::from_str::<Cents>("5.03").is_err());
        assert_eq!(
            (total.to_string(), "503".parse()),
            ("503".into(), Ok(total))
        );
    }
}

//! Whole numbers as JSON may write them.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// Beyond this a float does not tell one whole number from the next.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads an integer, also where it is written with a fraction of zero: to JSON Schema, and so to whoever follows our OpenAPI
/// document, `5.0` is the integer 5.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    struct Whole;

    impl Visitor<'_> for Whole {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an integer")
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
            number
                .try_into()
                .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
        }

        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and within what is exact"
        )]
        fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
            let exact = number.fract() == 0.0 && number.abs() <= EXACT;
            exact
                .then_some(number as i64)
                .ok_or_else(|| E::invalid_type(Unexpected::Float(number), &self))
        }
    }

    deserializer.deserialize_i64(Whole)
}

#[cfg(test)]
mod tests {
    use crate::{Cents, NewItem};

    #[test]
    fn a_whole_number_may_have_a_fraction_of_zero_and_no_other() {
        for (text, cents) in [("5", 5), ("5.0", 5), ("5e2", 500), ("-0.0", 0)] {
            assert_eq!(
                serde_json::from_str::<Cents>(text).unwrap(),
                Cents(cents),
                "{text}"
            );
        }
        for text in ["5.03", "1e300", "18446744073709551615", "\"5\"", "null"] {
            assert!(serde_json::from_str::<Cents>(text).is_err(), "{text}");
        }
        let item = r#"{"product_id": "p-000001", "quantity": 2.0}"#;
        assert_eq!(serde_json::from_str::<NewItem>(item).unwrap().quantity, 2);
    }
}

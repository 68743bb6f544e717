//! Where a page ended, as a text that callers hand back.

use api::ProductId;

/// The last hit of a page. The next page starts after it, whatever has come or gone in between.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Position {
    /// Less is better.
    pub(crate) score: f64,
    /// Hits of the same score are in the order of their ids.
    pub(crate) id: ProductId,
}

/// A text that is no cursor, or one of another search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadCursor;

impl Position {
    /// This position in the results of the search with this fingerprint: 16 hexadecimal digits of it, 16 of the score, the id.
    pub(crate) fn encode(&self, fingerprint: u64) -> String {
        format!("{fingerprint:016x}{:016x}{}", self.score.to_bits(), self.id)
    }

    /// Reads what [`Position::encode`] wrote for the same search.
    pub(crate) fn decode(text: &str, fingerprint: u64) -> Result<Self, BadCursor> {
        let (_, rest) = text.split_at_checked(16).ok_or(BadCursor)?;
        let (score, id) = rest.split_at_checked(16).ok_or(BadCursor)?;
        let score = u64::from_str_radix(score, 16).map_err(|_| BadCursor)?;
        let position = Self {
            score: f64::from_bits(score),
            id: id.parse().map_err(|_| BadCursor)?,
        };
        // The detour tells another search's cursor, and every spelling that we would not use.
        let ours = position.score.is_finite() && position.encode(fingerprint) == text;
        ours.then_some(position).ok_or(BadCursor)
    }
}

/// A number that tells one text from another, the same in every process and release (64-bit FNV-1a).
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written_and_only_for_its_search() {
        let position = Position {
            score: -3.25,
            id: api::product_id(42),
        };
        let cursor = position.encode(7);
        assert_eq!(Position::decode(&cursor, 7), Ok(position));
        assert_eq!(Position::decode(&cursor, 8), Err(BadCursor));
    }

    #[test]
    fn other_texts_are_no_cursors() {
        let of = |score: f64| {
            let id = api::product_id(1);
            Position { score, id }.encode(7)
        };
        let good = of(0.0);
        for bad in [
            String::new(),
            "x".into(),
            "ü".repeat(20),
            good[..32].to_owned(),
            good.to_uppercase(),
            format!("{good}/"),
            good.replacen("0000000000000000", "+000000000000000", 2),
            of(f64::NAN),
            of(f64::INFINITY),
        ] {
            assert_eq!(Position::decode(&bad, 7), Err(BadCursor), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_never_changes() {
        assert_eq!(fingerprint(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint("a"), 0xaf63_dc4c_8601_ec8c);
    }
}

//! What is asked for, once it is known to make sense. No I/O here.

use api::{Cents, SearchQuery};

use crate::{
    text::cursor::{Position, fingerprint},
    text::words::words,
};

const MAX_TEXT: usize = 200;
const MAX_CATEGORY: usize = 50;
const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// Words that say nothing of a product. Every description has some of them, so looking for them costs most and finds all.
const FILLERS: [&str; 20] = [
    "a", "an", "and", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "s",
    "that", "the", "this", "to", "with",
];

/// A search that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadQuery {
    #[error("q must have at most {MAX_TEXT} characters")]
    Text,
    #[error("category must be 1 to {MAX_CATEGORY} lower-case letters, digits or dashes")]
    Category,
    #[error("prices must be at least 0 cents, and min_price at most max_price")]
    Price,
    #[error("limit must be from 1 to {MAX_LIMIT}")]
    Limit,
    #[error("cursor must be a next_cursor of the same search")]
    Cursor,
}

/// A search.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    pub(crate) text: Text,
    pub(crate) category: Option<String>,
    pub(crate) min_price: Cents,
    pub(crate) max_price: Cents,
    pub(crate) limit: u32,
    /// Where the page before ended.
    pub(crate) after: Option<Position>,
    /// Tells this search, whatever the page, from others.
    pub(crate) fingerprint: u64,
}

/// The part of a search that is looked up in the texts of products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// Nothing was typed, which every product matches.
    Blank,
    /// These words, each once. None if all that was typed are signs, which no product matches.
    Words(Vec<String>),
}

impl TryFrom<SearchQuery> for Query {
    type Error = BadQuery;

    fn try_from(asked: SearchQuery) -> Result<Self, BadQuery> {
        let typed = asked.q.as_deref().unwrap_or_default();
        if typed.chars().count() > MAX_TEXT {
            return Err(BadQuery::Text);
        }
        if !asked.category.as_deref().is_none_or(is_category) {
            return Err(BadQuery::Category);
        }
        let min_price = asked.min_price.unwrap_or(Cents::ZERO);
        let max_price = asked.max_price.unwrap_or(Cents(i64::MAX));
        if min_price < Cents::ZERO || max_price < min_price {
            return Err(BadQuery::Price);
        }
        let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(BadQuery::Limit);
        }
        let text = Text::of(typed);
        let category = asked.category.as_deref().unwrap_or_default();
        let words = text.words().join(" ");
        let fingerprint = fingerprint(&format!("{words}/{category}/{min_price}/{max_price}"));
        let after = asked
            .cursor
            .map(|it| Position::decode(&it, fingerprint).map_err(|_| BadQuery::Cursor))
            .transpose()?;
        Ok(Self {
            text,
            category: asked.category,
            min_price,
            max_price,
            limit,
            after,
            fingerprint,
        })
    }
}

impl Text {
    fn of(typed: &str) -> Self {
        if typed.trim().is_empty() {
            return Self::Blank;
        }
        let mut distinct = Vec::new();
        for word in words(typed) {
            if !distinct.contains(&word) {
                distinct.push(word);
            }
        }
        let filler = |it: &String| FILLERS.contains(&it.as_str());
        // Who types nothing else may mean it.
        if !distinct.iter().all(filler) {
            distinct.retain(|it| !filler(it));
        }
        Self::Words(distinct)
    }

    fn words(&self) -> &[String] {
        match self {
            Self::Blank => &[],
            Self::Words(words) => words,
        }
    }
}

fn is_category(text: &str) -> bool {
    let known = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    (1..=MAX_CATEGORY).contains(&text.len()) && text.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(change: impl FnOnce(&mut SearchQuery)) -> Result<Query, BadQuery> {
        let mut asked = SearchQuery::default();
        change(&mut asked);
        asked.try_into()
    }

    fn text(typed: &str) -> Text {
        query(|it| it.q = Some(typed.into())).unwrap().text
    }

    fn some(words: &[&str]) -> Text {
        Text::Words(words.iter().map(|&it| it.to_owned()).collect())
    }

    #[test]
    fn the_words_that_matter_are_kept_each_once() {
        assert_eq!(text("Lamp for THE desk, lamp"), some(&["lamp", "desk"]));
        assert_eq!(text("chef's knife"), some(&["chef", "knife"]));
        assert_eq!(text("to the"), some(&["to", "the"]), "nothing else");
    }

    #[test]
    fn blank_is_everything_and_signs_are_nothing() {
        assert_eq!(text(" \t "), Text::Blank);
        assert_eq!(query(|_| ()).unwrap().text, Text::Blank);
        assert_eq!(text("\"*\0🎉"), some(&[]));
    }

    #[test]
    fn every_rule_is_checked() {
        let long = |length| query(|it| it.q = Some("ü".repeat(length))).err();
        assert_eq!((long(200), long(201)), (None, Some(BadQuery::Text)));
        for category in ["", "Toys", "a b", &"x".repeat(51)] {
            let bad = query(|it| it.category = Some(category.into()));
            assert_eq!(bad, Err(BadQuery::Category), "{category}");
        }
        let prices = |min: Option<i64>, max: Option<i64>| {
            let (min, max) = (min.map(Cents), max.map(Cents));
            query(|it| (it.min_price, it.max_price) = (min, max)).err()
        };
        assert_eq!(prices(Some(5), Some(5)), None);
        assert_eq!(prices(Some(6), Some(5)), Some(BadQuery::Price));
        assert_eq!(prices(Some(-1), None), Some(BadQuery::Price));
        for limit in [0, 101] {
            assert_eq!(query(|it| it.limit = Some(limit)), Err(BadQuery::Limit));
        }
        let bad = query(|it| it.cursor = Some("zzz".into()));
        assert_eq!(bad, Err(BadQuery::Cursor));
    }

    #[test]
    fn searches_that_differ_have_different_fingerprints_and_pages_of_one_have_the_same() {
        let mark = |change: fn(&mut SearchQuery)| query(change).unwrap().fingerprint;
        let lamp = mark(|it| it.q = Some("lamp".into()));
        assert_eq!(lamp, mark(|it| it.q = Some(" LAMP ".into())));
        assert_eq!(
            lamp,
            mark(|it| (it.q, it.limit) = (Some("lamp".into()), Some(5)))
        );
        for other in [
            mark(|_| ()),
            mark(|it| it.q = Some("lamps".into())),
            mark(|it| (it.q, it.category) = (Some("lamp".into()), Some("toys".into()))),
            mark(|it| (it.q, it.min_price) = (Some("lamp".into()), Some(Cents(1)))),
            mark(|it| (it.q, it.max_price) = (Some("lamp".into()), Some(Cents(1)))),
        ] {
            assert_ne!(lamp, other);
        }
    }
}

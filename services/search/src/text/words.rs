//! Words of a text, as people would compare them: without case, accents and punctuation.

use std::collections::BTreeSet;

use api::Product;
use icu_normalizer::DecomposingNormalizer;

/// Accents and other marks, once they stand apart from their letters.
const MARKS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// The words of `text` in their order; FTS5 cuts it in the same places.
pub(crate) fn words(text: &str) -> Vec<String> {
    let apart = DecomposingNormalizer::new_nfd().normalize(text);
    let bare: String = apart.chars().filter(|it| !MARKS.contains(it)).collect();
    bare.to_lowercase()
        .split(|it: char| !it.is_alphanumeric())
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Nobody completes or mistypes a single letter, or what is longer than any word.
const WORD_LENGTHS: std::ops::RangeInclusive<usize> = 2..=40;

/// The words of `texts` that are offered as completions and corrections, each once.
pub(crate) fn distinct(texts: &str) -> BTreeSet<String> {
    let mut words: BTreeSet<_> = words(texts).into_iter().collect();
    words.retain(|it| WORD_LENGTHS.contains(&it.chars().count()));
    words
}

/// All texts of `product` as one.
pub(crate) fn texts(product: &Product) -> String {
    let Product {
        name,
        category,
        description,
        ..
    } = product;
    format!("{name} {category} {description}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_do_not_count() {
        assert_eq!(words("Chef's KNIFE, blue"), ["chef", "s", "knife", "blue"]);
        assert_eq!(words("Crème brûlée"), ["creme", "brulee"]);
        assert_eq!(words("cre\u{300}me"), ["creme"]);
    }

    #[test]
    fn what_has_no_letter_or_digit_has_no_word() {
        for text in ["", "   ", "\0", "\"*()^-:", "🎉"] {
            assert!(words(text).is_empty(), "{text:?}");
        }
    }
}

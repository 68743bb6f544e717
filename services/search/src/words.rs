//! Words of a text, as people would compare them: without case, accents and punctuation.

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

//! Which word was meant. No I/O here.

use std::cmp::Reverse;

/// How many typing errors are forgiven: a short word becomes another too easily.
pub(crate) fn tolerance(word: &str) -> usize {
    match word.chars().count() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

/// Where to look for what was meant: words of about this length that have one end in common with it.
///
/// One error always leaves one of the ends as it was. Of two, one may hit each end; that word is not found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Neighbourhood {
    /// How the words begin.
    pub(crate) start: String,
    /// How they end, read backwards.
    pub(crate) end: String,
    /// The length of the shortest, in characters.
    pub(crate) shortest: usize,
    /// The length of the longest.
    pub(crate) longest: usize,
}

impl Neighbourhood {
    /// Of a word that may be mistyped; a short one has none.
    pub(crate) fn of(word: &str) -> Option<Self> {
        let (length, tolerance) = (word.chars().count(), tolerance(word));
        // Exchanging the middle letters of four leaves only one at each end.
        let kept = if length == 4 { 1 } else { 2 };
        (tolerance > 0).then(|| Self {
            start: word.chars().take(kept).collect(),
            end: word.chars().rev().take(kept).collect(),
            shortest: length - tolerance,
            longest: length + tolerance,
        })
    }
}

/// What was meant by `typed`: of the words that are near enough the nearest, then the most frequent.
pub(crate) fn nearest(typed: &str, words: Vec<(String, i64)>) -> Option<String> {
    let tolerance = tolerance(typed);
    words
        .into_iter()
        .map(|(word, count)| (distance(typed, &word), Reverse(count), word))
        .filter(|(distance, ..)| *distance <= tolerance)
        .min()
        .map(|(.., word)| word)
}

/// The singular of "knives", which the stemmer does not see in it.
pub(crate) fn singulars(word: &str) -> Option<[String; 2]> {
    word.strip_suffix("ves")
        .map(|stem| [format!("{stem}f"), format!("{stem}fe")])
}

/// How many letters are missing, too many, wrong or exchanged with their neighbour (Damerau and Levenshtein's distance, in
/// which no letter is touched twice).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    // Of a table with a row for each letter of `left`, only the last three are needed.
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &other) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if column > 0 && previous == Some(other) && letter == right[column - 1] {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = last;
        last = current;
        previous = Some(letter);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_letter_missing_added_wrong_or_exchanged() {
        for (typed, meant, errors) in [
            ("kettle", "kettle", 0),
            ("ketle", "kettle", 1),
            ("kettlle", "kettle", 1),
            ("kettla", "kettle", 1),
            ("kettel", "kettle", 1),
            ("ektle", "kettle", 2),
            ("größe", "grösse", 2),
            ("", "mug", 3),
            ("mug", "", 3),
        ] {
            assert_eq!(distance(typed, meant), errors, "{typed} {meant}");
        }
    }

    #[test]
    fn the_nearest_word_is_meant_and_of_equals_the_most_frequent() {
        let words = |all: &[(&str, i64)]| {
            let owned = all.iter().map(|&(word, count)| (word.to_owned(), count));
            owned.collect::<Vec<_>>()
        };
        let near = words(&[("lamp", 10), ("lamb", 90), ("lump", 20)]);
        assert_eq!(nearest("lamq", near.clone()).as_deref(), Some("lamb"));
        assert_eq!(nearest("lmap", near).as_deref(), Some("lamp"));
        let tied = words(&[("lamps", 5), ("lampa", 5)]);
        assert_eq!(nearest("lampx", tied).as_deref(), Some("lampa"));
        assert_eq!(nearest("cta", words(&[("cat", 9)])), None, "too short");
        assert_eq!(nearest("tabel", words(&[("turntable", 9)])), None);
    }

    #[test]
    fn one_error_leaves_an_end_as_it_was() {
        let word = "chair";
        for typed in ["hcair", "cahir", "chiar", "chari", "chai", "cair", "chairs"] {
            let near = Neighbourhood::of(typed).unwrap();
            let backwards: String = word.chars().rev().collect();
            assert!(
                word.starts_with(&near.start) || backwards.starts_with(&near.end),
                "{typed}"
            );
            assert!((near.shortest..=near.longest).contains(&word.len()));
        }
        assert_eq!(Neighbourhood::of("mgu"), None);
    }
}

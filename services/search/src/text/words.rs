//! Words of a text, as people would compare them: the same cut for texts that are searched and for texts that are asked for,
//! whatever the engine. Engines only split what they are given at spaces and stem it.

use std::{collections::BTreeSet, mem};

use icu_properties::{props::Script, script::ScriptWithExtensions};

use crate::text::folding::{fold, is_letter_or_number, is_mark};

/// The form of the words in an index. It is raised when [`indexed`] or [`distinct`] say something else of any text: an index of
/// another form is written anew.
pub(crate) const FORM: i64 = 2;

/// Nobody completes or mistypes a single letter, or what is longer than any word.
const WORD_LENGTHS: std::ops::RangeInclusive<usize> = 2..=40;
/// Of a longer word only the beginning counts. Engines have limits of their own, which differ.
const MAX_WORD: usize = 64;

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// What stands between spaces and signs.
    Word(String),
    /// Letters, each with its marks, of a writing that has no spaces between words.
    Run(Vec<String>),
}

/// What to look for: the words of `text` in their order, and of writings without spaces every two neighbours.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Run(letters) if letters.len() == 1 => words.extend(letters),
            Piece::Run(letters) => words.extend(letters.windows(2).map(<[String]>::concat)),
        }
    }
    words
}

/// What `text` is found by: its [`words`], and of writings without spaces every single letter too.
pub(crate) fn indexed(text: &str) -> String {
    let mut indexed = words(text);
    for piece in pieces(text) {
        if let Piece::Run(letters) = piece
            && letters.len() > 1
        {
            indexed.extend(letters);
        }
    }
    indexed.join(" ")
}

/// The words of `texts` that are offered as completions and corrections, each once. Two neighbours are none.
pub(crate) fn distinct(texts: &str) -> BTreeSet<String> {
    let words = pieces(texts).into_iter().filter_map(|it| match it {
        Piece::Word(word) => Some(word),
        Piece::Run(_) => None,
    });
    words
        .filter(|it| WORD_LENGTHS.contains(&it.chars().count()))
        .collect()
}

/// All texts of a product as one.
pub(crate) fn texts(name: &str, category: &str, description: &str) -> String {
    format!("{name} {category} {description}")
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut word, mut run, mut writing) = (String::new(), Vec::<String>::new(), None);
    for it in fold(text).chars() {
        if is_mark(it) {
            // It belongs to the letter before it; without one it is a sign.
            if let Some(letter) = run.last_mut() {
                letter.push(it);
            } else if !word.is_empty() {
                word.push(it);
            }
            continue;
        }
        let known = is_letter_or_number(it);
        let unspaced = unspaced(it).filter(|_| known);
        if unspaced.is_some() || !known {
            end_word(&mut word, &mut pieces);
        }
        if unspaced != writing {
            end_run(&mut run, &mut pieces);
            writing = unspaced;
        }
        if unspaced.is_some() {
            run.push(it.into());
        } else if known {
            word.push(it);
        }
    }
    end_word(&mut word, &mut pieces);
    end_run(&mut run, &mut pieces);
    pieces
}

fn end_word(word: &mut String, pieces: &mut Vec<Piece>) {
    if !word.is_empty() {
        let word = mem::take(word);
        pieces.push(Piece::Word(word.chars().take(MAX_WORD).collect()));
    }
}

fn end_run(run: &mut Vec<String>, pieces: &mut Vec<Piece>) {
    if !run.is_empty() {
        pieces.push(Piece::Run(mem::take(run)));
    }
}

/// The writing that `letter` belongs to, if it has no spaces between words. Japanese is one, in all its letters, and Chinese the
/// same.
fn unspaced(letter: char) -> Option<Script> {
    const ALONE: [Script; 4] = [Script::Thai, Script::Lao, Script::Khmer, Script::Myanmar];
    const TOGETHER: [Script; 4] = [
        Script::Han,
        Script::Hiragana,
        Script::Katakana,
        Script::Bopomofo,
    ];
    if letter.is_ascii() {
        return None;
    }
    let scripts = ScriptWithExtensions::new();
    let has = |script: &Script| scripts.has_script(letter, *script);
    if TOGETHER.iter().any(has) {
        return Some(Script::Han);
    }
    ALONE.into_iter().find(has)
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
        for text in ["", "   ", "\0", "\"*()^-:", "🎉", "☕\u{fe0f}", "\u{301}"] {
            assert!(words(text).is_empty(), "{text:?}");
            assert!(indexed(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn a_word_keeps_the_marks_that_make_its_letters() {
        assert_eq!(words("हिन्दी में"), ["हिन्दी", "में"]);
        assert_eq!(words("전기 주전자"), ["전기", "주전자"]);
        assert_eq!(words("Їжак ўверх"), ["їжак", "ўверх"]);
    }

    #[test]
    fn writings_without_spaces_are_cut_into_neighbours_each_with_its_marks() {
        assert_eq!(words("東京タワー"), ["東京", "京タ", "タワ", "ワー"]);
        assert_eq!(words("茶"), ["茶"]);
        assert_eq!(words("中文、茶壶"), ["中文", "茶壶"]);
        assert_eq!(words("น้ำชา"), ["น\u{e49}\u{e4d}า", "าช", "ชา"]);
        assert_eq!(words("時々"), ["時々"]);
        assert_eq!(words("か゚き"), ["か゚き"]);
    }

    #[test]
    fn a_change_of_writing_ends_a_word() {
        assert_eq!(
            words("USBケーブル3本"),
            ["usb", "ケー", "ーブ", "ブル", "3", "本"]
        );
        assert_eq!(words("카페カフェ"), ["카페", "カフ", "フェ"]);
        assert_eq!(words("茶ชา"), ["茶", "ชา"]);
    }

    #[test]
    fn single_letters_of_such_writings_are_found_too_and_nothing_of_them_is_completed() {
        assert_eq!(indexed("緑茶 tea"), "緑茶 tea 緑 茶");
        assert_eq!(indexed("茶"), "茶");
        assert_eq!(distinct("緑茶 tea"), BTreeSet::from(["tea".to_owned()]));
    }

    #[test]
    fn of_what_is_longer_than_a_word_the_beginning_counts() {
        let long = "x".repeat(200);
        assert_eq!(words(&long), [long[..MAX_WORD].to_owned()]);
    }
}

//! What is the same to whoever reads and searches: one way of writing it.

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, Script},
};

/// `text` in the one way of all in which it could be written: NFKC, case folded, without what shows nothing (soft hyphens,
/// joiners, variation selectors, as in Unicode's `NFKC_Casefold`), and without the marks that people leave out.
///
/// Those are the marks of Latin, Greek, Arabic and Hebrew letters: accents, hamza, vowel points. Elsewhere a mark makes another
/// letter: й is not и, ї not і, が not か, and a Hangul syllable is nothing without its parts. Of Cyrillic letters, only ё
/// is written without its dots.
pub(super) fn fold(text: &str) -> String {
    // Most texts of a large catalogue, in a fraction of the time.
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let apart = DecomposingNormalizer::new_nfkd().normalize(text);
    let mut bare = String::with_capacity(apart.len());
    let mut letter = ' ';
    for it in apart.chars().filter(|it| !shows_nothing(*it)) {
        if !is_mark(it) {
            letter = it;
        } else if is_left_out(it, letter) {
            continue;
        }
        bare.push(it);
    }
    let folded = CaseMapper::new().fold_string(&bare);
    ComposingNormalizer::new_nfc()
        .normalize(&folded)
        .into_owned()
}

pub(super) fn is_mark(it: char) -> bool {
    !it.is_ascii() && GeneralCategoryGroup::Mark.contains(category(it))
}

pub(super) fn is_letter_or_number(it: char) -> bool {
    if it.is_ascii() {
        return it.is_ascii_alphanumeric();
    }
    let category = category(it);
    GeneralCategoryGroup::Letter.contains(category)
        || GeneralCategoryGroup::Number.contains(category)
}

fn category(it: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(it)
}

fn shows_nothing(it: char) -> bool {
    /// It only makes an Arabic word longer.
    const TATWEEL: char = '\u{640}';
    it == TATWEEL || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(it)
}

/// Whether people leave out `mark` where it stands on `letter`.
fn is_left_out(mark: char, letter: char) -> bool {
    const DIAERESIS: char = '\u{308}';
    match CodePointMapData::<Script>::new().get(letter) {
        Script::Latin | Script::Greek | Script::Arabic | Script::Hebrew => true,
        Script::Cyrillic => mark == DIAERESIS && matches!(letter, 'е' | 'Е'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way in which `text` may come: composed, and with its marks apart.
    fn written(text: &str) -> [String; 2] {
        let (nfc, nfd) = (
            ComposingNormalizer::new_nfc(),
            DecomposingNormalizer::new_nfd(),
        );
        [nfc.normalize(text), nfd.normalize(text)].map(std::borrow::Cow::into_owned)
    }

    #[test]
    fn one_text_has_one_form_however_it_is_written() {
        for (form, ways) in [
            ("주전자", &["주전자"][..]),
            ("한", &["한", "\u{1112}\u{1161}\u{11ab}"]),
            ("чайник", &["чайник", "ЧАЙНИК"]),
            ("елка", &["ёлка", "Ёлка", "елка"]),
            ("їжак", &["Їжак"]),
            ("ў", &["Ў"]),
            ("ѓ", &["Ѓ"]),
            ("τσαγιερα", &["Τσαγιέρα", "ΤΣΑΓΙΕΡΑ", "τσαγιερα"]),
            ("οδοσ", &["ΟΔΟΣ", "οδός"]),
            ("ι", &["ΐ", "ϊ", "Ί"]),
            ("ω", &["ᾧ"]),
            ("ابريق", &["إبريق", "أبريق", "ابريق", "إِبْرِيق", "ابــريق"]),
            ("سوال", &["سؤال"]),
            ("שלום", &["שָׁלוֹם", "שלום"]),
            ("ガラス", &["ガラス", "ｶﾞﾗｽ"]),
            ("がら", &["がら"]),
            ("creme brulee", &["Crème Brûlée"]),
            ("strasse", &["Straße", "STRASSE", "STRAẞE"]),
            ("istanbul", &["İstanbul", "ISTANBUL"]),
            ("viet", &["Việt"]),
            (
                "kettle",
                &["ket\u{ad}tle", "ket\u{200b}tle", "ｋｅｔｔｌｅ"],
            ),
            ("file 12", &["ﬁle ①②", "FILE １２"]),
        ] {
            for way in ways.iter().flat_map(|it| written(it)) {
                assert_eq!(fold(&way), form, "{way}");
            }
        }
    }

    #[test]
    fn a_mark_that_makes_another_letter_stays() {
        for (one, other) in [
            ("й", "и"),
            ("ї", "і"),
            ("ў", "у"),
            ("ё", "о"),
            ("が", "か"),
            ("ぱ", "ば"),
            ("ガ", "カ"),
            ("ko", "кo"),
            ("हिन्दी", "हनद"),
            ("น้ำ", "นา"),
        ] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn every_character_has_a_form_that_is_its_own_form() {
        // Beside another letter, so that ASCII is tried both as it is and among others.
        for it in '\0'..='\x7f' {
            assert_eq!(
                fold(&format!("{it}茶")),
                fold(&it.to_string()) + "茶",
                "{it:?}"
            );
        }
        // Beyond these planes there are ideographs, which have no other form, and nothing.
        for it in '\0'..='\u{1ffff}' {
            let form = fold(&it.to_string());
            assert_eq!(fold(&form), form, "{it:?}");
            for way in written(&it.to_string()) {
                assert_eq!(fold(&way), form, "{it:?}");
            }
        }
    }
}

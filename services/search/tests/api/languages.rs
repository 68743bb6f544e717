//! What the seed calls in other languages is found however it is typed, on every engine.

use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

use crate::{Search, ids, on_every_engine};

on_every_engine! {
    korean_is_found_and_nothing_else
    japanese_chinese_and_thai_are_found_without_spaces_between_words
    arabic_and_hebrew_are_found_with_marks_and_without
    russian_ukrainian_and_belarusian_keep_their_letters
    greek_french_and_german_are_found_without_accents_and_in_capitals
    what_shows_nothing_does_not_count
    another_letter_is_another_word
}

/// Looks for each text as it stands, composed and with its marks apart. It finds the first product and not the second.
async fn find(search: &Search, cases: &[(&str, &str, &str)]) {
    let (nfc, nfd) = (
        ComposingNormalizer::new_nfc(),
        DecomposingNormalizer::new_nfd(),
    );
    for (text, is, is_not) in cases {
        for typed in [(*text).into(), nfc.normalize(text), nfd.normalize(text)] {
            let found = search.find_text(&typed).await;
            let found_ids = ids(&found.hits);
            assert!(found_ids.contains(is), "{typed} finds {found_ids:?}");
            assert!(!found_ids.contains(is_not), "{typed} finds {is_not}");
            assert_eq!(found.corrections, [], "{typed}");
        }
    }
}

async fn korean_is_found_and_nothing_else(search: &Search) {
    let (kettle, lamp, headphones) = ("p-000205", "p-000206", "p-000211");
    find(
        search,
        &[
            ("주전자", kettle, lamp),
            ("전기 주전자", kettle, headphones),
            ("검정", kettle, lamp),
            ("책상 조명", lamp, kettle),
            ("무선 헤드폰", headphones, kettle),
            // Not typed to its end.
            ("헤드", headphones, lamp),
            ("물이", kettle, headphones),
        ],
    )
    .await;
}

async fn japanese_chinese_and_thai_are_found_without_spaces_between_words(search: &Search) {
    let (kettle, lamp, tent) = ("p-000215", "p-000216", "p-000218");
    let (teapot, shelf) = ("p-000225", "p-000223");
    let (thai_teapot, thai_lamp) = ("p-000235", "p-000236");
    find(
        search,
        &[
            ("やかん", kettle, lamp),
            ("ステンレス", kettle, tent),
            ("デスクランプ", lamp, kettle),
            ("ダブルテント", tent, kettle),
            ("ﾀﾞﾌﾞﾙﾃﾝﾄ", tent, lamp),
            ("銀", kettle, lamp),
            ("読書", lamp, tent),
            ("茶壶", teapot, shelf),
            ("茶", teapot, shelf),
            ("书架", shelf, teapot),
            ("กาน้ำชา", thai_teapot, thai_lamp),
            ("โคมไฟ", thai_lamp, thai_teapot),
        ],
    )
    .await;
}

async fn arabic_and_hebrew_are_found_with_marks_and_without(search: &Search) {
    let (teapot, lamp) = ("p-000245", "p-000246");
    let (kettle, shelf) = ("p-000255", "p-000253");
    find(
        search,
        &[
            ("إبريق", teapot, lamp),
            ("ابريق", teapot, lamp),
            ("أبريق", teapot, lamp),
            ("إِبْرِيق", teapot, lamp),
            ("ابـــريق", teapot, lamp),
            ("هدية", teapot, lamp),
            ("مصباح مكتب", lamp, teapot),
            ("קומקום", kettle, shelf),
            ("קוּמְקוּם", kettle, shelf),
            ("מדף ספרים", shelf, kettle),
        ],
    )
    .await;
}

async fn russian_ukrainian_and_belarusian_keep_their_letters(search: &Search) {
    let (kettle, lights) = ("p-000265", "p-000266");
    let (hedgehog, blanket) = ("p-000270", "p-000273");
    find(
        search,
        &[
            ("чайник", kettle, lights),
            ("МЕДНЫЙ ЧАЙНИК", kettle, lights),
            ("ёлочная", lights, kettle),
            ("елочная", lights, kettle),
            ("поет", kettle, lights),
            ("їжак", hedgehog, kettle),
            ("Їжачок", hedgehog, blanket),
            ("ваўняная коўдра", blanket, hedgehog),
        ],
    )
    .await;
}

async fn greek_french_and_german_are_found_without_accents_and_in_capitals(search: &Search) {
    let (teapot, lamp) = ("p-000285", "p-000286");
    let (theiere, atlas) = ("p-000295", "p-000292");
    find(
        search,
        &[
            ("τσαγιέρα", teapot, lamp),
            ("ΤΣΑΓΙΕΡΑ", teapot, lamp),
            ("τσάι", teapot, lamp),
            ("φωτιστικο γραφειου", lamp, teapot),
            ("ΦΩΣ", lamp, teapot),
            ("theiere", theiere, atlas),
            ("THÉIÈRE", theiere, atlas),
            ("STRASSENATLAS", atlas, theiere),
            ("Straßenatlas", atlas, theiere),
            ("grun", atlas, theiere),
        ],
    )
    .await;
}

async fn what_shows_nothing_does_not_count(search: &Search) {
    let plain = search.find_text("kettle").await;
    assert!(plain.total > 0);
    for typed in ["ket\u{ad}tle", "ket\u{200b}tle\u{feff}", "ｋｅｔｔｌｅ"] {
        assert_eq!(search.find_text(typed).await, plain, "{typed:?}");
    }
}

async fn another_letter_is_another_word(search: &Search) {
    for (typed, read) in [("чаиник", "чайник"), ("коудра", "коўдра")] {
        let found = search.find_text(typed).await;
        let corrections: Vec<_> = found
            .corrections
            .iter()
            .map(|it| (it.typed.as_str(), it.read.as_str()))
            .collect();
        assert_eq!(corrections, [(typed, read)]);
    }
    // Too short to be a typing error.
    assert_eq!(search.find_text("чаи").await.total, 0);
}

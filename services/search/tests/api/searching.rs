//! Search as its callers see it, over HTTP, on every engine.

use std::collections::{BTreeMap, BTreeSet};

use api::{Correction, SearchQuery};
use serde_json::Value;

use crate::{SEEDED, Search, ids, on_every_engine, problem, text_query};

on_every_engine! {
    words_in_the_name_come_before_words_in_the_description
    all_words_are_needed_unless_no_product_has_all
    filters_narrow_and_facets_count_every_category_but_only_what_else_is_wanted
    pages_follow_each_other_without_a_gap_or_a_repeat
    no_words_list_everything_by_id
    a_typing_error_is_forgiven_and_said
    the_last_word_may_be_a_beginning_and_endings_and_accents_do_not_count
    hostile_input_finds_something_or_nothing_and_breaks_nothing
    what_makes_no_sense_is_refused_with_a_problem
    a_cursor_is_good_for_its_own_search_only
    the_description_names_every_route
}

async fn words_in_the_name_come_before_words_in_the_description(search: &Search) {
    let found = search.find_text("oak desk").await;
    let hits: Vec<_> = found.hits.iter().map(|it| it.name.as_str()).collect();
    assert!(hits[0].contains("oak desk,"), "{hits:?}");
    assert!(found.total > 1, "others only say desk in the description");
    assert_eq!(found.corrections, []);
}

async fn all_words_are_needed_unless_no_product_has_all(search: &Search) {
    let both = search.find_text("desk lamp").await;
    assert!(both.hits.iter().all(|it| it.name.contains("lamp")));
    let some = search.find_text("gift for children").await;
    assert!(some.total > 0, "nothing is called a gift");
    let mugs = search.find_text("blue mug").await;
    let first = &mugs.hits[0];
    assert!(first.name.contains("mug"), "the rarer word: {first:?}");
    assert!(mugs.total > 10, "and blue things after them");
}

async fn filters_narrow_and_facets_count_every_category_but_only_what_else_is_wanted(
    search: &Search,
) {
    let mut query = SearchQuery {
        min_price: Some(api::Cents(5_000)),
        max_price: Some(api::Cents(15_099)),
        limit: Some(100),
        ..text_query("light")
    };
    let everywhere = search.find_all(query.clone()).await;
    assert!(
        everywhere
            .iter()
            .all(|it| (5_000..=15_099).contains(&it.price_cents.0))
    );
    let mut expected = BTreeMap::new();
    for hit in &everywhere {
        *expected.entry(hit.category.clone()).or_insert(0_u64) += 1;
    }
    query.category = Some("lighting".into());
    let lighting = search.find(&query).await;
    assert!(lighting.hits.iter().all(|it| it.category == "lighting"));
    assert_eq!(lighting.total, expected["lighting"]);
    let counts: BTreeMap<_, _> = lighting
        .categories
        .iter()
        .map(|it| (it.category.clone(), it.count))
        .collect();
    assert_eq!(counts, expected);
    assert!(lighting.categories.is_sorted_by(|a, b| a.count >= b.count));
    query.category = Some("no-such".into());
    let none = search.find(&query).await;
    assert_eq!((none.total, none.hits.len()), (0, 0));
    assert_eq!(none.categories, lighting.categories);
}

async fn pages_follow_each_other_without_a_gap_or_a_repeat(search: &Search) {
    for (text, limit) in [("", 99), ("light", 7), ("sturdy backpack", 50)] {
        let paged = SearchQuery {
            limit: Some(limit),
            ..text_query(text)
        };
        let hits = search.find_all(paged).await;
        let distinct: BTreeSet<_> = hits.iter().map(|it| &it.id).collect();
        assert_eq!(distinct.len(), hits.len(), "{text}");
        let wide = SearchQuery {
            limit: Some(100),
            ..text_query(text)
        };
        assert_eq!(search.find_all(wide).await, hits, "{text}");
    }
}

async fn no_words_list_everything_by_id(search: &Search) {
    for text in [None, Some(String::new()), Some("  ".into())] {
        let query = SearchQuery {
            q: text,
            ..SearchQuery::default()
        };
        let found = search.find(&query).await;
        assert_eq!(found.total, SEEDED);
        assert_eq!(ids(&found.hits)[..2], ["p-000001", "p-000002"]);
        assert_eq!(found.categories.len(), api::CATEGORIES.len());
    }
}

async fn a_typing_error_is_forgiven_and_said(search: &Search) {
    for (typed, read) in [
        ("coffe grinder", vec![("coffe", "coffee")]),
        (
            "vintge turntabel",
            vec![("vintge", "vintage"), ("turntabel", "turntable")],
        ),
        ("lmap", vec![("lmap", "lamp")]),
        ("knives", vec![("knives", "knife")]),
    ] {
        let found = search.find_text(typed).await;
        let read: Vec<_> = read
            .into_iter()
            .map(|(typed, read)| Correction {
                typed: typed.into(),
                read: read.into(),
            })
            .collect();
        assert_eq!(found.corrections, read);
        assert!(found.total > 0, "{typed}");
    }
    let found = search.find_text("xylophone").await;
    assert_eq!((found.total, found.corrections), (0, Vec::new()));
}

async fn the_last_word_may_be_a_beginning_and_endings_and_accents_do_not_count(search: &Search) {
    for (typed, inside) in [
        ("desk org", "desk organizer"),
        ("turntab", "turntable"),
        ("foldab", "Foldable"),
        ("mugs", "mug"),
        ("camp stove", "camping stove"),
        ("TÉNT", "tent"),
    ] {
        let found = search.find_text(typed).await;
        assert_eq!(found.corrections, [], "{typed}");
        let first = &found.hits[0].name;
        assert!(first.contains(inside), "{typed} found {first}");
    }
    let pens = search.find_text("pen").await;
    assert!(
        pens.hits.iter().all(|it| it.name.contains("fountain pen")),
        "no pendant lights"
    );
}

async fn hostile_input_finds_something_or_nothing_and_breaks_nothing(search: &Search) {
    for text in [
        "\"",
        "'; DROP TABLE products; --",
        "oak AND NOT (desk OR",
        "name:oak",
        "NEAR(oak desk, 2)",
        "^oak*",
        "\0",
        "oak\0desk",
        "🎉",
        "हिन्दी ﷽ ẞ İ",
        &"a ".repeat(100),
        &"\u{301}".repeat(200),
        &"x".repeat(200),
        &" ".repeat(200),
    ] {
        search.find_text(text).await;
    }
    let signs = search.find_text("!?").await;
    assert_eq!((signs.total, signs.hits.len()), (0, 0));
    for text in [" ".repeat(10_000), "ü".repeat(201)] {
        let refused = search.ask(&text_query(&text)).await;
        assert_eq!(
            problem(refused, 400).await,
            "q must have at most 200 characters"
        );
    }
}

async fn what_makes_no_sense_is_refused_with_a_problem(search: &Search) {
    for path in [
        "/search?limit=0",
        "/search?limit=101",
        "/search?limit=-1",
        "/search?min_price=-1",
        "/search?min_price=2&max_price=1",
        "/search?max_price=99999999999999999999",
        "/search?category=",
        "/search?category=Toys",
        "/search?colour=red",
        "/search?q=a&q=b",
        "/search?cursor=",
        "/search?cursor=p-000001",
    ] {
        assert!(!problem(search.get(path).await, 400).await.is_empty());
    }
    assert_eq!(
        problem(search.get("/nowhere").await, 404).await,
        "route not found"
    );
}

async fn a_cursor_is_good_for_its_own_search_only(search: &Search) {
    let lights = search.find_text("light").await;
    let mut query = text_query("tent");
    query.cursor = lights.next_cursor.clone();
    let refused = search.ask(&query).await;
    assert!(problem(refused, 400).await.contains("cursor"));
    let mut query = text_query("light");
    query.cursor = lights.next_cursor.map(|it| it.replace("p-", "q-"));
    problem(search.ask(&query).await, 400).await;
}

async fn the_description_names_every_route(search: &Search) {
    let document: Value = search
        .get("/openapi.json")
        .await
        .json()
        .await
        .expect("JSON");
    let paths: Vec<_> = document["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .collect();
    assert_eq!(paths, ["/search"]);
}

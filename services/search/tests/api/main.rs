//! Search as its callers see it, over HTTP, and as the catalogue's events change it.

mod following;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use api::{Correction, SearchQuery, SearchResults};
use chassis::{Limits, public};
use clap::Parser as _;
use reqwest::{Client, Response, StatusCode, header};
use search::{Config, Store, app};
use serde_json::Value;
use telemetry::Caller;
use tempfile::TempDir;

const SEEDED: u64 = 1_000;

struct Search {
    address: SocketAddr,
    client: Client,
    store: Store,
    data: TempDir,
}

impl Search {
    async fn serve() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let index = format!("--search-url=sqlite:{}/search.db", data.path().display());
        let config = Config::parse_from(["search", &index]);
        let store = Store::open(&config.search_url, config.seed_products)
            .await
            .expect("a store");
        let limits = Limits::from(&config.chassis);
        let app = public(app(store.clone()), limits, Caller::Trusted);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            client: Client::builder().no_proxy().build().expect("a client"),
            store,
            data,
        }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("http://{}{path}", self.address));
        request.send().await.expect("an answer")
    }

    async fn ask(&self, query: &SearchQuery) -> Response {
        let url = format!("http://{}/search", self.address);
        let request = self.client.get(url).query(query);
        request.send().await.expect("an answer")
    }

    async fn find(&self, query: &SearchQuery) -> SearchResults {
        let answer = self.ask(query).await;
        assert_eq!(answer.status(), StatusCode::OK, "{query:?}");
        answer.json().await.expect("results")
    }

    async fn find_text(&self, text: &str) -> SearchResults {
        self.find(&text_query(text)).await
    }

    /// Everything `query` finds, page by page.
    async fn find_all(&self, mut query: SearchQuery) -> Vec<api::Hit> {
        let mut hits = Vec::new();
        loop {
            let page = self.find(&query).await;
            assert!(page.hits.len() <= query.limit.unwrap_or(20) as usize);
            hits.extend(page.hits);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                assert_eq!(hits.len() as u64, page.total);
                return hits;
            }
        }
    }
}

fn text_query(text: &str) -> SearchQuery {
    SearchQuery {
        q: Some(text.into()),
        ..SearchQuery::default()
    }
}

/// Checks that an answer is a problem of this status and returns its detail.
async fn problem(response: Response, status: u16) -> String {
    assert_eq!(response.status().as_u16(), status);
    let kind = &response.headers()[header::CONTENT_TYPE];
    assert_eq!(kind, "application/problem+json");
    let problem: Value = response.json().await.expect("JSON");
    problem["detail"].as_str().expect("a detail").to_owned()
}

fn ids(hits: &[api::Hit]) -> Vec<&str> {
    hits.iter().map(|it| it.id.as_str()).collect()
}

#[tokio::test]
async fn words_in_the_name_come_before_words_in_the_description() {
    let search = Search::serve().await;
    let found = search.find_text("oak desk").await;
    let hits: Vec<_> = found.hits.iter().map(|it| it.name.as_str()).collect();
    assert!(hits[0].contains("oak desk,"), "{hits:?}");
    assert!(found.total > 1, "others only say desk in the description");
    assert_eq!(found.corrections, []);
}

#[tokio::test]
async fn all_words_are_needed_unless_no_product_has_all() {
    let search = Search::serve().await;
    let both = search.find_text("desk lamp").await;
    assert!(both.hits.iter().all(|it| it.name.contains("lamp")));
    let some = search.find_text("gift for children").await;
    assert!(some.total > 0, "nothing is called a gift");
    let mugs = search.find_text("blue mug").await;
    let first = &mugs.hits[0];
    assert!(first.name.contains("mug"), "the rarer word: {first:?}");
    assert!(mugs.total > 10, "and blue things after them");
}

#[tokio::test]
async fn filters_narrow_and_facets_count_every_category_but_only_what_else_is_wanted() {
    let search = Search::serve().await;
    let mut query = SearchQuery {
        min_price: Some(5_000),
        max_price: Some(15_099),
        limit: Some(100),
        ..text_query("light")
    };
    let everywhere = search.find_all(query.clone()).await;
    assert!(
        everywhere
            .iter()
            .all(|it| (5_000..=15_099).contains(&it.price_cents))
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

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_or_a_repeat() {
    let search = Search::serve().await;
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

#[tokio::test]
async fn no_words_list_everything_by_id() {
    let search = Search::serve().await;
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

#[tokio::test]
async fn a_typing_error_is_forgiven_and_said() {
    let search = Search::serve().await;
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

#[tokio::test]
async fn the_last_word_may_be_a_beginning_and_endings_and_accents_do_not_count() {
    let search = Search::serve().await;
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

#[tokio::test]
async fn hostile_input_finds_something_or_nothing_and_breaks_nothing() {
    let search = Search::serve().await;
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
        assert_eq!(problem(refused, 400).await, "q has at most 200 characters");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_a_problem() {
    let search = Search::serve().await;
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

#[tokio::test]
async fn a_cursor_is_good_for_its_own_search_only() {
    let search = Search::serve().await;
    let lights = search.find_text("light").await;
    let mut query = text_query("tent");
    query.cursor = lights.next_cursor.clone();
    let refused = search.ask(&query).await;
    assert!(problem(refused, 400).await.contains("cursor"));
    let mut query = text_query("light");
    query.cursor = lights.next_cursor.map(|it| it.replace("p-", "q-"));
    problem(search.ask(&query).await, 400).await;
}

#[tokio::test]
async fn the_description_names_every_route() {
    let search = Search::serve().await;
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

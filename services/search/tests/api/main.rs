//! Search as its callers see it, and as the catalogue's events and a rebuild change it. One suite for every engine.

#[cfg(feature = "elasticsearch")]
mod crowded;
#[cfg(feature = "elasticsearch")]
mod elastic;
mod following;
mod languages;
#[cfg(feature = "elasticsearch")]
mod lost_answer;
#[cfg(feature = "elasticsearch")]
mod queries;
mod rebuilding;
mod renewing;
mod searching;

use std::{net::SocketAddr, path::Path};

use api::{SearchQuery, SearchResults};
use chassis::{Host, Limits, public};
use clap::Parser as _;
use reqwest::{Client, Response, StatusCode, header};
use search::{Config, State, Store, app};
use serde_json::Value;
use tempfile::TempDir;

const SEEDED: u64 = 1_000;

/// Runs each of the tests named on every engine, with an index of its own.
macro_rules! on_every_engine {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(&crate::Search::sqlite().await).await;
            })*
        }

        #[cfg(feature = "elasticsearch")]
        mod elasticsearch {
            $(#[tokio::test]
            #[ignore = "needs Elasticsearch: scripts/backends up"]
            async fn $test() {
                let search = crate::Search::elasticsearch().await;
                super::$test(&search).await;
                search.clear().await;
            })*
        }
    };
}
pub(crate) use on_every_engine;

struct Search {
    address: SocketAddr,
    client: Client,
    store: Store,
    #[cfg(feature = "elasticsearch")]
    url: String,
    /// Files of the test.
    data: TempDir,
}

impl Search {
    async fn sqlite() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}/search.db", data.path().display());
        Self::serve(data, &url, SEEDED).await
    }

    async fn serve(data: TempDir, url: &str, seed: u64) -> Self {
        let (engine, seed) = flags(url, seed);
        let broker = format!("--broker-url={}", heard(data.path()));
        let config = Config::parse_from(["search", &engine, &seed, &broker]);
        let state = State::open(&config, &Host::default()).await;
        let state = state.expect("what it needs");
        let store = state.store.clone();
        announce(&store.engine().await.expect("a version"));
        let app = public(app(state), Limits::from(&config.chassis));
        let address = testbed::serve(app).await;
        Self {
            address,
            client: Client::builder().no_proxy().build().expect("a client"),
            store,
            #[cfg(feature = "elasticsearch")]
            url: url.to_owned(),
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

/// Where whoever is tested hears of changes.
fn heard(data: &Path) -> String {
    format!("sqlite:{}/heard.db", data.display())
}

fn flags(url: &str, seed: u64) -> (String, String) {
    (
        format!("--search-url={url}"),
        format!("--seed-products={seed}"),
    )
}

/// An index at `url`, which begins with `seed` products.
#[cfg(feature = "elasticsearch")]
async fn open(url: &str, seed: u64) -> Store {
    let (url, seed) = flags(url, seed);
    let config = Config::parse_from(["search", &url, &seed]);
    Store::open(&config, &Host::default())
        .await
        .expect("a store")
}

#[cfg(not(feature = "elasticsearch"))]
#[tokio::test]
async fn a_build_without_elasticsearch_says_so() {
    let config = Config::parse_from(["search", "--search-url=http://127.0.0.1:9200"]);
    let error = Store::open(&config, &Host::default())
        .await
        .expect_err("no such engine");
    let expected = "this build has no Elasticsearch client: build with --features elasticsearch";
    assert_eq!(error.to_string(), expected);
}

#[expect(clippy::print_stdout, reason = "a suite says what it ran on")]
fn announce(engine: &str) {
    println!("on {engine}");
}

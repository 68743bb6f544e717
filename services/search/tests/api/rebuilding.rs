//! The index rebuilt from a real catalogue, while it is searched and changed.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use api::{Role, SearchQuery};
use axum::http::{Request, StatusCode};
use chassis::{Host, Limits, public};
use clap::Parser as _;
use identity::SigningKey;
use reqwest::Client;
use search::{Outcome, Rebuilder, State, Status, admin};
use serde_json::json;
use tower::ServiceExt as _;

use crate::{SEEDED, Search, heard, on_every_engine, text_query};

/// A rebuild that has not ended by then never will.
const PATIENCE: Duration = Duration::from_mins(3);

/// The real catalogue.
pub(crate) struct Catalog {
    pub(crate) address: SocketAddr,
    client: Client,
    key: SigningKey,
}

impl Catalog {
    /// A catalogue whose changes nobody hears of.
    pub(crate) async fn serve(data: &Path, products: u64) -> Self {
        let broker = format!("sqlite:{}/unheard.db", data.display());
        Self::telling(data, products, &broker).await
    }

    /// A catalogue that `search` hears of.
    pub(crate) async fn heard_by(search: &Search, products: u64) -> Self {
        let data = search.data.path();
        Self::telling(data, products, &heard(data)).await
    }

    async fn telling(data: &Path, products: u64, broker: &str) -> Self {
        let key = SigningKey::generate();
        let config = catalog::Config::parse_from([
            "catalog",
            &format!("--database-url=sqlite:{}/catalog.db", data.display()),
            &format!("--broker-url={broker}"),
            &format!("--seed-products={products}"),
            &format!("--users-addr={}", testbed::publish(key.public()).await),
        ]);
        let state = catalog::State::open(&config, &Host::default()).await;
        let app = catalog::app(state.expect("a catalogue"));
        let app = public(app, Limits::from(&config.chassis));
        let address = testbed::serve(app).await;
        Self {
            address,
            client: Client::builder().no_proxy().build().expect("a client"),
            key,
        }
    }

    /// Calls a product something else.
    pub(crate) async fn rename(&self, id: &str, name: &str) {
        let token = self.key.issue("u-1", Role::Admin, Duration::from_mins(5));
        let url = format!("http://{}/products/{id}", self.address);
        let change = self
            .client
            .patch(url)
            .bearer_auth(token.expect("a token"))
            .json(&json!({ "name": name }));
        let answer = change.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }

    pub(crate) fn rebuilder(&self, search: &Search) -> Rebuilder {
        let address = format!("http://{}", self.address);
        let address = address.parse().expect("an address");
        Rebuilder::start(&Host::default(), search.store.clone(), &address)
    }
}

/// Waits until `rebuilder` has ended what was begun.
pub(crate) async fn ended(rebuilder: &Rebuilder) -> Status {
    let ended = async {
        while rebuilder.status().outcome == Outcome::Running {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        rebuilder.status()
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the end of a rebuild")
}

/// Searches without a pause until it is told to stop, and says how often. A search that fails, or finds nothing, is the end.
pub(crate) async fn search_until(search: &Search, stop: Arc<AtomicBool>) -> u64 {
    let mut searches = 0;
    while !stop.load(Ordering::Relaxed) {
        for text in ["oak desk", "coffe grinder", "light", ""] {
            let found = search.find_text(text).await;
            assert!(found.total > 0, "{text:?} after {searches} searches");
            searches += 1;
        }
    }
    searches
}

/// Every hit of some searches.
pub(crate) async fn all_of(search: &Search) -> Vec<(String, i64, String)> {
    let mut hits = Vec::new();
    for text in ["", "oak desk", "light"] {
        let query = SearchQuery {
            limit: Some(100),
            ..text_query(text)
        };
        let found = search.find_all(query).await.into_iter();
        let mut found: Vec<_> = found
            .map(|it| (it.id.to_string(), it.version, it.name))
            .collect();
        found.sort();
        hits.extend(found);
    }
    hits
}

on_every_engine! {
    a_rebuild_fails_no_search_and_misses_no_change
    a_rebuild_finds_what_no_event_told_of
    a_rebuild_that_fails_leaves_the_index_as_it_was
    only_one_rebuild_is_under_way
}

async fn a_rebuild_fails_no_search_and_misses_no_change(search: &Search) {
    let catalog = Catalog::heard_by(search, SEEDED).await;
    let before = all_of(search).await;
    let rebuilder = catalog.rebuilder(search);
    let stop = Arc::new(AtomicBool::new(false));
    let change = async {
        rebuilder.begin().expect("a rebuild");
        for number in 1..=20 {
            let id = format!("p-{:06}", number * 50);
            catalog.rename(&id, &format!("Dulcimer {number}")).await;
        }
        let status = ended(&rebuilder).await;
        assert_eq!((status.outcome, status.products), (Outcome::Done, SEEDED));
        let heard = async { while search.find_text("dulcimer").await.total < 20 {} };
        tokio::time::timeout(PATIENCE, heard)
            .await
            .expect("all changes");
        stop.store(true, Ordering::Relaxed);
    };
    let (searches, ()) = tokio::join!(search_until(search, Arc::clone(&stop)), change);
    assert!(searches > 0);
    assert!(before.iter().all(|it| it.1 == 1));
    let after = all_of(search).await;
    let changed: Vec<_> = after.iter().filter(|it| it.1 == 2).collect();
    assert!(changed.len() >= 20);
    assert!(changed.iter().all(|it| it.2.starts_with("Dulcimer")));
    let found = search.find(&SearchQuery::default()).await;
    assert_eq!(found.total, SEEDED);
}

async fn a_rebuild_finds_what_no_event_told_of(search: &Search) {
    let catalog = Catalog::serve(search.data.path(), SEEDED + 5).await;
    catalog.rename("p-000007", "Dulcimer").await;
    assert_eq!(search.find_text("dulcimer").await.total, 0);
    let rebuilder = catalog.rebuilder(search);
    rebuilder.begin().expect("a rebuild");
    assert_eq!(ended(&rebuilder).await.outcome, Outcome::Done);
    let found = search.find_text("dulcimer").await;
    assert_eq!((found.total, found.hits[0].version), (1, 2));
    let all = search.find(&SearchQuery::default()).await;
    assert_eq!(all.total, SEEDED + 5);
}

async fn a_rebuild_that_fails_leaves_the_index_as_it_was(search: &Search) {
    let before = all_of(search).await;
    let empty = Catalog::serve(search.data.path(), 0).await;
    let rebuilder = empty.rebuilder(search);
    rebuilder.begin().expect("a rebuild");
    let status = ended(&rebuilder).await;
    let reason = status.error.as_deref();
    assert_eq!(
        (status.outcome, reason),
        (Outcome::Failed, Some("the catalogue has no products"))
    );
    // Nobody listens there.
    let away = "http://127.0.0.1:9".parse().expect("an address");
    let rebuilder = Rebuilder::start(&Host::default(), search.store.clone(), &away);
    rebuilder.begin().expect("a rebuild");
    let status = ended(&rebuilder).await;
    let reason = status.error.as_deref();
    assert_eq!(
        (status.outcome, reason),
        (Outcome::Failed, Some("catalog is unavailable"))
    );
    assert_eq!(all_of(search).await, before);
}

async fn only_one_rebuild_is_under_way(search: &Search) {
    let catalog = Catalog::serve(search.data.path(), SEEDED).await;
    let rebuilder = catalog.rebuilder(search);
    let ask = async |method: &str| {
        let request = Request::builder().method(method).uri("/index/rebuild");
        let request = request.body(String::new()).expect("a request");
        let state = State {
            store: search.store.clone(),
            rebuilder: rebuilder.clone(),
        };
        let Ok(answer) = admin(state).oneshot(request).await;
        answer.status().as_u16()
    };
    assert_eq!(ask("POST").await, 202);
    assert_eq!(ask("POST").await, 409);
    assert_eq!(ask("GET").await, 200);
    assert_eq!(ended(&rebuilder).await.outcome, Outcome::Done);
    assert_eq!(ask("POST").await, 202, "and then another");
    ended(&rebuilder).await;
}

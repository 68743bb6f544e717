//! The index put in use by a call whose answer gets lost on the way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use api::SearchQuery;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use reqwest::{Client, StatusCode, Url, header::CONTENT_TYPE};
use search::Outcome;

use crate::{
    SEEDED, Search,
    elastic::{directory, url},
    rebuilding::{Catalog, all_of, ended},
};

/// What stands between the service and the server.
#[derive(Clone)]
struct Proxy {
    client: Client,
    server: Url,
    /// Whether an answer was lost already; one is.
    lost: Arc<AtomicBool>,
}

/// A call that puts a rebuilt index in the place of another takes two aliases away.
fn exchanges(path: &str, body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    path == "/_aliases" && body.matches("\"must_exist\":true").count() == 2
}

async fn pass_on(State(proxy): State<Proxy>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 24).await.expect("a request");
    let target = parts.uri.path_and_query().expect("a path").as_str();
    let target = proxy.server.join(target).expect("a URL");
    let mut call = proxy.client.request(parts.method, target);
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        call = call.header(CONTENT_TYPE, kind);
    }
    let answer = call.body(body.clone()).send().await.expect("an answer");
    if exchanges(parts.uri.path(), &body) && !proxy.lost.swap(true, Ordering::Relaxed) {
        assert_eq!(answer.status(), StatusCode::OK, "it was done");
        let gone = Response::builder().status(StatusCode::BAD_GATEWAY);
        return gone.body(Body::empty()).expect("a response");
    }
    let mut response = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get(CONTENT_TYPE) {
        response = response.header(CONTENT_TYPE, kind);
    }
    let body = answer.bytes().await.expect("a body");
    response.body(body.into()).expect("a response")
}

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn a_rebuild_that_does_not_hear_it_is_done_leaves_the_index_in_use() {
    let direct: Url = url().parse().expect("a URL");
    let proxy = Proxy {
        client: Client::builder().no_proxy().build().expect("a client"),
        server: direct.join("/").expect("a URL"),
        lost: Arc::default(),
    };
    let app = Router::new().fallback(pass_on).with_state(proxy.clone());
    let address = testbed::serve(app).await;
    let through = format!("http://{address}{}", direct.path());
    let search = Search::serve(directory(), &through, SEEDED).await;
    // Five more, so that it can be seen which index is searched.
    let catalog = Catalog::serve(search.data.path(), SEEDED + 5).await;
    let rebuilder = catalog.rebuilder(&search);
    rebuilder.begin().expect("a rebuild");
    let status = ended(&rebuilder).await;
    let reason = "the search engine is unavailable";
    assert_eq!(
        (status.outcome, status.error.as_deref()),
        (Outcome::Failed, Some(reason))
    );
    assert!(proxy.lost.load(Ordering::Relaxed));
    let all = search.find(&SearchQuery::default()).await;
    assert_eq!(all.total, SEEDED + 5, "the new one is in use, and there");
    let before = all_of(&search).await;
    rebuilder.begin().expect("another rebuild");
    assert_eq!(ended(&rebuilder).await.outcome, Outcome::Done);
    assert_eq!(all_of(&search).await, before);
    search.clear().await;
}

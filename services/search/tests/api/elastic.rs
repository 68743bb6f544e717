//! What only a server can do: be rebuilt at full size and by several replicas, go away, and ask for a password.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use api::{ProductPage, SearchQuery};
use axum::{Json, Router, routing::get};
use chassis::Host;
use clap::Parser as _;
use reqwest::StatusCode;
use search::{Config, Outcome, Rebuilder, Store};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
};

use crate::{
    SEEDED, Search, announce, open,
    queries::QUERIES,
    rebuilding::{Catalog, all_of, ended, search_until},
    text_query,
};

/// What has not come to pass by then never will.
const PATIENCE: Duration = Duration::from_mins(1);

/// A URL at the server that `scripts/backends env` names, for one test.
pub(crate) fn url() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let server =
        env::var("ELASTICSEARCH_URL").expect("ELASTICSEARCH_URL: eval \"$(scripts/backends env)\"");
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{server}/test-{}-{number}", now.as_nanos())
}

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

impl Search {
    pub(crate) async fn elasticsearch() -> Self {
        Self::serve(directory(), &url(), SEEDED).await
    }

    /// Leaves nothing of the test at the server.
    pub(crate) async fn clear(self) {
        remove(&self.url).await;
    }
}

async fn remove(url: &str) {
    let url = url.parse().expect("a URL");
    Store::remove(&url).await.expect("an empty server");
}

async fn rebuild_under_searches(products: u64) {
    let search = Search::serve(directory(), &url(), products).await;
    let catalog = Catalog::serve(search.data.path(), products).await;
    let before = all_of(&search).await;
    let rebuilder = catalog.rebuilder(&search);
    let stop = Arc::new(AtomicBool::new(false));
    let rebuild = async {
        let begun = Instant::now();
        rebuilder.begin().expect("a rebuild");
        let status = ended(&rebuilder).await;
        stop.store(true, Ordering::Relaxed);
        (status, begun.elapsed())
    };
    let (searches, (status, all)) = tokio::join!(search_until(&search, Arc::clone(&stop)), rebuild);
    assert_eq!((status.outcome, status.products), (Outcome::Done, products));
    announce(&format!(
        "{products} products rebuilt in {:.1} s, {all:.1?} with the wait for old searches; {searches} searches, none failed",
        status.seconds
    ));
    assert!(searches > 0, "somebody searched meanwhile");
    assert!(all_of(&search).await == before, "the same as before");
    search.clear().await;
}

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn a_thousand_products_are_rebuilt_without_a_failed_search() {
    rebuild_under_searches(1_000).await;
}

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn a_hundred_thousand_products_are_rebuilt_without_a_failed_search() {
    rebuild_under_searches(100_000).await;
}

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn both_engines_find_the_same() {
    let (file, server) = (Search::sqlite().await, Search::elasticsearch().await);
    let (mut first, mut queries) = (0, 0);
    let others = [
        "",
        "3.5mm 中文 it's",
        "zzzzzz",
        "전기 주전자",
        "やかん",
        "茶",
        "กาน้ำชา",
        "إبريق",
        "чаиник",
        "ΤΣΑΓΙΕΡΑ",
        "émaillée",
        "Øs løs ıs",
    ];
    for text in QUERIES.into_iter().chain(others) {
        for (category, max_price) in [(None, None), (Some("lighting"), None), (None, Some(5_000))] {
            let query = SearchQuery {
                category: category.map(str::to_owned),
                max_price: max_price.map(api::Cents),
                limit: Some(100),
                ..text_query(text)
            };
            let (here, there) = (file.find(&query).await, server.find(&query).await);
            assert_eq!(here.total, there.total, "{query:?}");
            assert_eq!(here.categories, there.categories, "{query:?}");
            assert_eq!(here.corrections, there.corrections, "{query:?}");
            let mut all = [
                file.find_all(query.clone()).await,
                server.find_all(query.clone()).await,
            ];
            for it in &mut all {
                it.sort_by(|a, b| a.id.cmp(&b.id));
            }
            assert_eq!(all[0], all[1], "{query:?}");
            if let (Some(best), Some(other)) = (here.hits.first(), there.hits.first()) {
                queries += 1;
                first += u32::from(best.id == other.id);
                let near = here.hits.iter().take(10).any(|it| it.id == other.id);
                assert!(near, "{query:?}: {other:?} is far from {best:?}");
            }
        }
    }
    announce(&format!(
        "the best hit is the same for {first} of {queries} queries"
    ));
    // Those that have the words in the same fields are told apart by how long their texts are: here the words of all fields
    // are counted, there a word of the name counts ten times.
    assert!(first * 4 >= queries * 3, "{first} of {queries}");
    server.clear().await;
}

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn replicas_that_start_together_make_one_index() {
    let url = url();
    let (a, b, c) = tokio::join!(open(&url, SEEDED), open(&url, SEEDED), open(&url, SEEDED));
    for replica in [&a, &b, &c] {
        let found = replica.search(SearchQuery::default()).await;
        assert_eq!(found.expect("results").total, SEEDED);
    }
    remove(&url).await;
}

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn of_two_replicas_that_rebuild_the_later_one_does() {
    let search = Search::elasticsearch().await;
    let (early, early_over) = endless_rebuild(&search).await;
    let (late, late_over) = endless_rebuild(&search).await;
    early_over.store(true, Ordering::Relaxed);
    let status = ended(&early).await;
    let reason = "superseded by another rebuild";
    assert_eq!(
        (status.outcome, status.error.as_deref()),
        (Outcome::Failed, Some(reason))
    );
    let found = search.find(&SearchQuery::default()).await;
    assert_eq!(found.total, SEEDED, "as it was");
    late_over.store(true, Ordering::Relaxed);
    let status = ended(&late).await;
    assert_eq!(status.outcome, Outcome::Done);
    let found = search.find(&SearchQuery::default()).await;
    assert!(found.total >= status.products, "what the later one read");
    assert!(found.total < SEEDED, "and not what was there before");
    search.clear().await;
}

/// A rebuild that is under way until its catalogue is said to be over.
async fn endless_rebuild(search: &Search) -> (Rebuilder, Arc<AtomicBool>) {
    let (begun, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let catalog = endless_catalog(Arc::clone(&begun), Arc::clone(&over)).await;
    let rebuilder = Rebuilder::start(&Host::default(), search.store.clone(), &catalog);
    rebuilder.begin().expect("a rebuild");
    let reading = tokio::time::timeout(PATIENCE, begun.notified());
    reading.await.expect("a reader");
    (rebuilder, over)
}

/// A catalogue that says when it is read, and has a product on every page until it is `over`.
async fn endless_catalog(begun: Arc<Notify>, over: Arc<AtomicBool>) -> client::Address {
    let pages = Arc::new(AtomicU32::new(0));
    let list = async move || {
        begun.notify_one();
        tokio::time::sleep(Duration::from_millis(10)).await;
        let page = pages.fetch_add(1, Ordering::Relaxed);
        let items: Vec<_> = api::seed(page + 1).skip(page as usize).collect();
        let more = !over.load(Ordering::Relaxed);
        let next_cursor = items.first().filter(|_| more).map(|it| it.id.clone());
        Json(ProductPage { items, next_cursor })
    };
    let address = testbed::serve(Router::new().route("/products", get(list))).await;
    format!("http://{address}").parse().expect("an address")
}

/// A node that only one test uses, since it is killed.
struct Node {
    directory: TempDir,
    port: u16,
}

impl Node {
    fn script(&self, verb: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/backends");
        let status = Command::new(script)
            .args([verb, "elasticsearch"])
            .env("BACKENDS_DIR", self.directory.path())
            .env("BACKENDS_ELASTICSEARCH_PORT", self.port.to_string())
            .status();
        assert!(status.expect("scripts/backends").success(), "{verb}");
    }

    fn pid_file(&self) -> PathBuf {
        self.directory.path().join("elasticsearch/pid")
    }

    fn kill(&self) {
        let pid = fs::read_to_string(self.pid_file()).expect("its id");
        let killed = Command::new("kill").args(["-9", pid.trim()]).status();
        assert!(killed.expect("kill").success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.script("down");
    }
}

#[tokio::test]
#[ignore = "needs Elasticsearch: scripts/backends up"]
async fn what_changes_while_the_server_is_away_is_found_when_it_is_back() {
    let node = Node {
        directory: directory(),
        port: 29_300,
    };
    node.script("up");
    let url = format!("http://127.0.0.1:{}", node.port);
    let search = Search::serve(directory(), &url, SEEDED).await;
    let catalog = Catalog::heard_by(&search, SEEDED).await;
    catalog.rename("p-000007", "Dulcimer").await;
    search.eventually_finds("dulcimer", 2).await;

    node.kill();
    let refused = search.ask(&text_query("dulcimer")).await;
    let problem = crate::problem(refused, 503).await;
    assert_eq!(problem, "the search engine is unavailable");
    catalog.rename("p-000007", "Zither").await;
    node.script("up");
    search.eventually_finds("zither", 3).await;
    let all = search.find(&SearchQuery::default()).await;
    assert_eq!(all.total, SEEDED, "nothing is lost");
}

impl Search {
    /// Waits until the only product called `name` is there in this version.
    async fn eventually_finds(&self, name: &str, version: i64) {
        let found = async {
            loop {
                let answer = self.ask(&text_query(name)).await;
                if answer.status() == StatusCode::OK {
                    let found: api::SearchResults = answer.json().await.expect("results");
                    if found.hits.iter().any(|it| it.version == version) {
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect(name);
    }
}

#[tokio::test]
async fn a_password_goes_to_the_server_and_nowhere_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let url = format!("--search-url=http://shop:s3cret@127.0.0.1:{port}/products");
    let config = Config::try_parse_from(["search", &url]).expect("a configuration");
    assert!(!format!("{config:?}").contains("s3cret"));
    let opening =
        tokio::spawn(async move { Store::open(&config, &Host::default()).await.map(drop) });
    let (mut stream, _) = listener.accept().await.expect("a call");
    let mut head = String::new();
    while !head.contains("\r\n\r\n") {
        let mut bytes = [0; 1024];
        let length = stream.read(&mut bytes).await.expect("a request");
        assert!(length > 0, "{head}");
        head += &String::from_utf8_lossy(&bytes[..length]);
    }
    let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(answer).await.expect("an answer");
    let head = head.to_lowercase();
    assert!(
        head.contains("authorization: basic c2hvcdpzm2nyzxq="),
        "{head}"
    );
    assert!(head.starts_with("get /_nodes?"), "not in the URL: {head}");
    opening.abort();
}

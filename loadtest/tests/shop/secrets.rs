//! What people entrust to the shop stays out of everything it writes down, but for its databases.

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use reqwest::{Client, Method, RequestBuilder, header};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use crate::{PATIENCE, Scratch, Up, send};

const EMAIL: &str = "grace.hopper-7c1@shop.example";
const PASSWORD: &str = "whisper-7c1-correct-horse";
const WRONG_PASSWORD: &str = "whisper-7c1-wrong-horse";
const CARD: &str = "5105105105105100";
const KEY: &str = "idempotent-7c1-key";
const SEARCH: &str = "whisper7c1 lamp";

/// Spans as text, with all their attributes and events.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<String>>);

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let text = format!("{:?}\n", request.into_inner());
        self.0.lock().expect("no panic").push_str(&text);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Every file below `dir` but databases and secrets, with its name.
fn files(dir: &Path, found: &mut Vec<(String, String)>) {
    files_but(dir, Some("data"), found);
}

fn files_but(dir: &Path, left_out: Option<&str>, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().and_then(OsStr::to_str) != left_out {
                files_but(&path, left_out, found);
            }
        } else {
            let bytes = fs::read(&path).expect("a file");
            let text = String::from_utf8_lossy(&bytes).into_owned();
            found.push((path.display().to_string(), text));
        }
    }
}

#[track_caller]
fn tell_nothing(sources: &[(String, String)], secrets: &[&str]) {
    for (source, text) in sources {
        for secret in secrets {
            if let Some(line) = text.lines().find(|it| it.contains(secret)) {
                panic!("{source} tells {secret:?}: {line}");
            }
        }
    }
}

struct Shopper {
    client: Client,
    gateway: String,
}

impl Shopper {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.gateway);
        self.client.request(method, url).timeout(PATIENCE)
    }

    async fn ask(&self, request: RequestBuilder, status: u16) -> Value {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status);
        answer.json().await.expect("JSON")
    }

    fn order(&self, token: &str, card: &str, key: &str) -> RequestBuilder {
        let items = json!([{ "product_id": "p-000001", "quantity": 1 }]);
        let body = json!({ "items": items, "card_number": card });
        let request = self.request(Method::POST, "/orders").json(&body);
        request.bearer_auth(token).header("idempotency-key", key)
    }

    /// Does what shoppers do, well and badly, and returns the tokens used.
    async fn visit(&self) -> [String; 2] {
        let post = |path: &str, body: Value| self.request(Method::POST, path).json(&body);
        let account = |password: &str| json!({ "email": EMAIL, "password": password });
        self.ask(post("/users", account(PASSWORD)), 202).await;
        self.ask(post("/users", account("short")), 422).await;
        let wrong = post("/sessions", account(WRONG_PASSWORD));
        self.ask(wrong, 401).await;
        // Texts where others belong: what cannot be read must not be quoted either.
        let odd = json!({ "email": { "is": EMAIL }, "password": PASSWORD, PASSWORD: 1 });
        self.ask(post("/sessions", odd), 422).await;
        let session = self.ask(post("/sessions", account(PASSWORD)), 201).await;
        let token = session["token"].as_str().expect("a token").to_owned();
        let forged = format!("{token}x");
        let me = |token: &str| self.request(Method::GET, "/users/me").bearer_auth(token);
        self.ask(me(&token), 200).await;
        self.ask(me(&forged), 401).await;
        let search = self.request(Method::GET, "/search");
        self.ask(search.query(&[("q", SEARCH)]), 200).await;
        let search = self.request(Method::GET, "/search");
        self.ask(search.query(&[("min_price", SEARCH)]), 400).await;

        let order = |card: &str, key: &str| self.order(&token, card, key);
        let placed = self.ask(order(CARD, KEY), 202).await;
        self.ask(order(api::DECLINED_CARD, KEY), 422).await;
        self.ask(order(&format!("{CARD} "), "other"), 422).await;
        let body = format!("{{\"card_number\": \"{CARD}\", \"items\": [");
        let broken = self.request(Method::POST, "/orders").bearer_auth(&token);
        let broken = broken.header(header::CONTENT_TYPE, "application/json");
        self.ask(broken.body(body), 400).await;
        // These fail on their way: one at the bank, five times.
        self.ask(order(api::DECLINED_CARD, "declined"), 202).await;
        self.ask(order(api::BROKEN_CARD, "broken"), 202).await;
        let path = format!("/orders/{}", placed["id"].as_str().expect("an id"));
        let mut poll = tokio::time::interval(std::time::Duration::from_millis(20));
        let confirmed = async {
            loop {
                poll.tick().await;
                let asked = self.request(Method::GET, &path).bearer_auth(&token);
                if self.ask(asked, 200).await["status"] == "confirmed" {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, confirmed).await;
        in_time.expect("the order is confirmed");
        [token, forged]
    }

    /// Waits until the event that the bank breaks down over is given up, and its every failure told.
    async fn dead_letter(&self, up: &Up<'_>) {
        let payments = up.target("payments").expect("payments runs");
        let mut poll = tokio::time::interval(std::time::Duration::from_millis(50));
        let given_up = async {
            loop {
                poll.tick().await;
                let url = format!("http://{}/dead-letters", payments.admin);
                if self.ask(self.client.get(url), 200).await != json!([]) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, given_up).await;
        in_time.expect("a dead letter");
    }

    /// Everything that a scraper can read, in both formats.
    async fn metrics(&self, up: &Up<'_>) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for target in up.targets() {
            for format in ["text/plain", "application/openmetrics-text"] {
                let url = format!("http://{}/metrics", target.admin);
                let scrape = self.client.get(&url).header(header::ACCEPT, format);
                let answer = scrape.send().await.expect("an answer");
                let text = answer.text().await.expect("text");
                assert!(text.contains("_bucket"), "{text}");
                found.push((format!("{} of {}", url, target.service), text));
            }
        }
        found
    }
}

#[test]
fn no_signal_tells_what_shoppers_entrust_to_the_shop() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let spans = Spans::default();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = tonic::service::Routes::new(TraceServiceServer::new(spans.clone()));
    runtime.spawn(async { axum::serve(listener, service.into_axum_router()).await });

    let scratch = Scratch::new();
    let mut up = scratch.up_with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}")),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("NO_PROXY", "127.0.0.1"),
        ("RUST_LOG", "debug"),
    ]);
    let shopper = Shopper {
        client: Client::builder().no_proxy().build().expect("a client"),
        gateway: up.gateway(),
    };
    let tokens = runtime.block_on(shopper.visit());
    runtime.block_on(shopper.dead_letter(&up));
    let mut sources = runtime.block_on(shopper.metrics(&up));
    up.signal(rustix::process::Signal::INT);
    up.child.wait().expect("it ends");
    files(&up.run_dir(), &mut sources);
    let debug = "\"log.level\":\"debug\"";
    assert!(sources.iter().any(|it| it.1.contains(debug)));
    let spans = spans.0.lock().expect("no panic").clone();
    for name in ["POST /sessions", "process stock.reserved", "GET /search"] {
        assert!(spans.contains(name), "spans of {name} came");
    }
    sources.push(("a span".to_owned(), spans));

    let signatures = tokens.each_ref().map(|it| it.rsplit('.').next());
    let mut secrets = vec![
        EMAIL,
        PASSWORD,
        WRONG_PASSWORD,
        CARD,
        KEY,
        "whisper7c1",
        api::DECLINED_CARD,
        api::BROKEN_CARD,
        "eyJ",
        "argon2id",
    ];
    secrets.extend(signatures.into_iter().flatten());
    tell_nothing(&sources, &secrets);
    hold_no_card(&up.run_dir());
}

/// Checks every file of a shop whose bank broke down over an order, its databases and their logs too: orders are there, and no
/// card.
fn hold_no_card(dir: &Path) {
    let mut files = Vec::new();
    files_but(dir, None, &mut files);
    for (database, known) in [("orders.db", KEY), ("broker.db", "\"key_id\"")] {
        let there = |it: &(String, String)| it.0.contains(database) && it.1.contains(known);
        assert!(files.iter().any(there), "{known} in {database}");
    }
    tell_nothing(&files, &[CARD, api::DECLINED_CARD, api::BROKEN_CARD]);
}

#[test]
fn a_shop_that_is_killed_leaves_no_card_behind() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let scratch = Scratch::new();
    let up = scratch.up();
    let shopper = Shopper {
        client: Client::builder().no_proxy().build().expect("a client"),
        gateway: up.gateway(),
    };
    runtime.block_on(async {
        let [token, _] = shopper.visit().await;
        shopper.dead_letter(&up).await;
        // What is on its way at that moment: the deaths come before the end of most of these.
        for number in 0..50 {
            let order = shopper.order(&token, CARD, &format!("last-{number}"));
            shopper.ask(order, 202).await;
        }
    });
    // Nobody starts them again, or tells them to stop.
    up.signal(rustix::process::Signal::STOP);
    for service in up.services() {
        send(service, rustix::process::Signal::KILL);
    }
    up.signal(rustix::process::Signal::KILL);
    hold_no_card(&up.run_dir());
}

#[test]
fn a_run_writes_no_secret_down() {
    let scratch = Scratch::new();
    let mut run = scratch.loadtest(&["run", "baseline", "--duration", "2", "--rate", "100"]);
    let output = run.output().expect("run loadtest");
    let told = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    let run = scratch.runs().join("latest");
    let mut sources = vec![("its output".to_owned(), told.concat())];
    files(&run, &mut sources);
    for name in [
        "verdict.json",
        "junit.xml",
        "report.html",
        "attempts.jsonl",
        "engine.log",
    ] {
        assert!(sources.iter().any(|it| it.0.ends_with(name)), "{name}");
    }
    // Each arm has a shop of its own.
    let passwords = ["nominal", "errors"].map(|arm| {
        let file = run.join("baseline").join(arm).join("data/admin-password");
        fs::read_to_string(file).expect("a password")
    });
    let secrets = [
        "@shop.example",
        passwords[0].as_str(),
        passwords[1].as_str(),
        api::GOOD_CARD,
        api::DECLINED_CARD,
        "eyJ",
        "argon2id",
        "PRIVATE KEY",
    ];
    tell_nothing(&sources, &secrets);
}

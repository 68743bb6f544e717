//! The engine against a server whose stall is known.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Json, Router, routing::get};
use loadtest::{
    engine::{
        Attempt,
        mix::{Mix, NOBODY},
        plan::{Arrivals, Phase, Plan},
    },
    recording::Recording,
};
use tokio::time::{Instant, sleep_until};

const LIST: &str = "GET /products";

/// Answers at once, but from `from` to `until` after its first request not at all: who comes then is answered at `until`.
async fn stalling_server(from: Duration, until: Duration) -> std::net::SocketAddr {
    let first = Arc::new(OnceLock::new());
    let stall = async move |first: Arc<OnceLock<Instant>>| {
        let began = *first.get_or_init(Instant::now);
        if Instant::now() >= began + from {
            sleep_until(began + until).await;
        }
    };
    let product = || api::seed(1).next().expect("one product");
    let of_list = Arc::clone(&first);
    let list = async move || {
        stall(of_list).await;
        Json(serde_json::json!({ "items": [product()] }))
    };
    let page = async move || {
        let mut page = serde_json::to_value(product()).expect("JSON");
        page["availability"] = "in_stock".into();
        Json(page)
    };
    let app = Router::new()
        .route("/products", get(list))
        .route("/products/{id}", get(page));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Runs the engine's process to its end.
fn run(
    target: std::net::SocketAddr,
    arrivals: Arrivals,
    seconds: f64,
    starve_ms: u64,
) -> Recording {
    let output = tempfile::tempdir().expect("a directory");
    let plan = Plan {
        name: "test".into(),
        target: format!("http://{target}"),
        seed: 1,
        users: 200,
        products: 1,
        mix: Mix {
            browser: 1,
            ..NOBODY
        },
        tokens: Vec::new(),
        admin: None,
        timeout_ms: 5000,
        deadline_ms: None,
        phases: vec![Phase {
            name: "only".into(),
            seconds,
            arrivals,
        }],
        output: output.path().to_owned(),
        starve_ms,
    };
    let (mut ours, theirs) = UnixStream::pair().expect("a socket pair");
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .arg("engine")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .expect("start the engine");
    let mut line = serde_json::to_vec(&plan).expect("JSON");
    line.push(b'\n');
    ours.write_all(&line).expect("hand the plan over");
    // The engine ends at once when its parent's end closes, so that stays open until it has ended.
    let events: Vec<_> = BufReader::new(&ours)
        .lines()
        .collect::<Result<_, _>>()
        .expect("events");
    assert!(child.wait().expect("it ends").success());
    let last = events.last().expect("a last event");
    assert!(
        last.contains("\"done\"") && last.contains("\"dropped\":[0]"),
        "{last}"
    );
    let attempts = std::fs::read_to_string(output.path().join("attempts.jsonl")).expect("attempts");
    let attempts: Vec<Attempt> = attempts
        .lines()
        .map(|it| serde_json::from_str(it).expect("an attempt"))
        .collect();
    assert_eq!(attempts.iter().find(|it| it.error.is_some()), None);
    for report in ["goose.json", "goose.md"] {
        assert!(output.path().join(report).is_file(), "{report}");
    }
    Recording::of(&attempts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_is_seen_by_everyone_who_came_during_it() {
    let stall = (Duration::from_secs(2), Duration::from_secs(3));
    let server = stalling_server(stall.0, stall.1).await;
    let recording =
        tokio::task::block_in_place(|| run(server, Arrivals::Constant { rate: 50.0 }, 10.0, 0));
    let seconds = recording.seconds(0, &[LIST]);
    let mut all = loadtest::recording::histogram();
    for cell in seconds.values() {
        all.add(&cell.latency).expect("the same bounds");
    }
    assert_eq!(all.len(), 500, "every arrival sent one");
    // One in ten arrivals came during the second of the stall and waited for its rest, evenly spread from 1 s to 0: half of
    // them, a twentieth of all, more than 500 ms, and a tenth of them more than 900 ms. A closed loop would show one.
    // A machine that is busy with something else makes the engine late, which it knows and which can only lengthen a wait.
    let late = recording.lag().max() / 1000;
    for (quantile, millis) in [(0.95, 500), (0.99, 900)] {
        let seen = all.value_at_quantile(quantile) / 1000;
        assert!(
            (millis - 80..=millis + 80 + late).contains(&seen),
            "p{quantile} is {seen} ms, not {millis}, with an engine up to {late} ms late"
        );
    }
    let slower_than = |millis: u64| all.len() - all.count_between(0, millis * 1000);
    let (least, most) = (slower_than(250), slower_than(250 + late));
    assert!(
        least >= 32 && most <= 43,
        "{least} of 50 waited longer than 250 ms, {most} longer than the engine was late on top of that, not 37"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starved_engine_knows_that_it_is_late() {
    let never = Duration::from_hours(1);
    let server = stalling_server(never, never).await;
    let recording =
        tokio::task::block_in_place(|| run(server, Arrivals::Poisson { rate: 50.0 }, 3.0, 60));
    let lag = recording.lag().value_at_quantile(0.99);
    assert!(lag > 20_000, "the 99th percentile of the lag is {lag} us");
}

//! When calls end, what callees are told of it, and what is tried again where nobody counts.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use super::*;

/// An upstream at a server of `app`, whose address has these parameters.
async fn upstream_with(app: Router, parameters: &str) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}?{parameters}", listener.local_addr().unwrap());
    let (door, stop, drain) = (Door::inner(64), CancellationToken::new(), Duration::ZERO);
    tokio::spawn(chassis::serve(listener, app, door, stop, drain));
    Upstream::new("peer", &address.parse().unwrap(), SOON)
}

#[tokio::test]
async fn a_callee_is_told_how_much_time_is_left_unless_that_is_off() {
    let told = async |headers: HeaderMap| {
        let told = headers.get("x-request-timeout-ms");
        told.map_or_else(String::new, |it| it.to_str().unwrap().to_owned())
    };
    let told = async |parameters: &str| {
        let app = Router::new().route("/", get(told));
        let upstream = upstream_with(app, parameters).await;
        let until = Instant::now() + Duration::from_secs(10);
        let answer = deadline::within(until, ask(&upstream)).await.unwrap();
        String::from_utf8(answer.unwrap().into_body().into()).unwrap()
    };
    let millis = told("").await.parse::<u64>().unwrap();
    assert!(millis <= 10_000, "{millis}: no more than the request has");
    let millis = told("try=1s").await.parse::<u64>().unwrap();
    assert!(millis <= 1_000, "{millis}: no more than the try has");
    assert_eq!(told("deadline=off").await, "");
}

/// A server whose one route works until it is let go on. It tells what becomes of each request.
fn worker() -> (
    Router,
    Arc<Semaphore>,
    mpsc::UnboundedReceiver<&'static str>,
) {
    struct Tells(mpsc::UnboundedSender<&'static str>, &'static str);
    impl Drop for Tells {
        fn drop(&mut self) {
            // Nobody listens once a test is over.
            let _ = self.0.send(self.1);
        }
    }
    let (tell, told) = mpsc::unbounded_channel();
    let go_on = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go_on);
    let work = async move || {
        tell.send("begun").unwrap();
        let mut end = Tells(tell.clone(), "dropped");
        gate.acquire().await.unwrap().forget();
        end.1 = "done";
    };
    (Router::new().route("/", get(work)), go_on, told)
}

#[tokio::test]
async fn work_for_a_caller_who_has_gone_stops_unless_that_is_off() {
    for (parameters, end) in [
        ("deadline=off", "dropped"),
        ("deadline=off&cancel=off", "done"),
    ] {
        let (app, go_on, mut told) = worker();
        let upstream = upstream_with(app, parameters).await;
        let caller = tokio::spawn(async move { ask(&upstream).await });
        let mut next = async || tokio::time::timeout(SOON, told.recv()).await.unwrap();
        assert_eq!(next().await, Some("begun"));
        caller.abort();
        assert!(caller.await.is_err(), "it has gone");
        if end == "done" {
            go_on.add_permits(1);
        }
        assert_eq!(next().await, Some(end), "{parameters}");
    }
}

#[tokio::test]
async fn a_call_whose_deadline_is_off_does_not_end_with_the_time_of_its_request() {
    let (app, go_on, mut told) = worker();
    let upstream = upstream_with(app, "deadline=off&cancel=off").await;
    let until = Instant::now() + Duration::from_millis(20);
    let answer = deadline::within(until, ask(&upstream)).await;
    assert!(answer.is_none(), "the request has ended");
    go_on.add_permits(1);
    let mut ends = Vec::new();
    while ends.last() != Some(&"done") {
        let next = tokio::time::timeout(SOON, told.recv()).await;
        ends.push(next.unwrap().unwrap());
    }
    assert_eq!(ends, ["begun", "done"]);
}

#[tokio::test]
async fn a_try_that_takes_too_long_is_followed_by_another_while_there_is_time() {
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let slow_at_first = async move || {
        if count.fetch_add(1, Relaxed) == 0 {
            std::future::pending::<()>().await;
        }
    };
    let app = Router::new().route("/", get(slow_at_first));
    let upstream = upstream_with(app, "try=50ms").await;
    assert_eq!(ask(&upstream).await.unwrap().status(), StatusCode::OK);
    assert_eq!(asked.load(Relaxed), 2);
}

#[tokio::test]
async fn where_nobody_counts_every_failed_call_is_tried_three_times_more() {
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    let fails = async move || {
        count.fetch_add(1, Relaxed);
        StatusCode::BAD_GATEWAY
    };
    let app = Router::new().route("/", get(fails));
    let upstream = upstream_with(app, "protections=off&retries=always").await;
    let calls = (0..30).map(|_| {
        let upstream = upstream.clone();
        async move { ask(&upstream).await }
    });
    let calls: JoinSet<_> = calls.collect();
    for answer in calls.join_all().await {
        assert_eq!(answer.unwrap().status(), StatusCode::BAD_GATEWAY);
    }
    assert_eq!(asked.load(Relaxed), 30 * 4);
}

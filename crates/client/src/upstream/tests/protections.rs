//! Upstreams that fail, are slow or ask for peace, and what their callers make of it.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use axum::extract::State;
use tokio::sync::Semaphore;

use super::*;
use crate::replicas::Place;

/// What a server does, and what was asked of it.
#[derive(Default)]
struct Script {
    /// What it answers; when there is no more, 200.
    answers: Mutex<Vec<Response<AnswerBody>>>,
    /// Whether it fails whatever is asked.
    broken: AtomicBool,
    /// Whether it never answers.
    hangs: AtomicBool,
    asked: AtomicUsize,
}

impl Script {
    fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    fn breaks(&self, broken: bool) {
        self.broken.store(broken, Relaxed);
    }

    /// Answers this next.
    fn answers(&self, status: StatusCode, retry_after: Option<&'static str>) {
        let mut answer = status.into_response();
        if let Some(value) = retry_after {
            let value = value.parse().unwrap();
            answer.headers_mut().insert(header::RETRY_AFTER, value);
        }
        self.answers.lock().unwrap().push(answer);
    }
}

async fn play(State(script): State<Arc<Script>>) -> Response<AnswerBody> {
    script.asked.fetch_add(1, Relaxed);
    if script.hangs.load(Relaxed) {
        std::future::pending::<()>().await;
    }
    if script.broken.load(Relaxed) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let next = script.answers.lock().unwrap().pop();
    next.unwrap_or_else(|| StatusCode::OK.into_response())
}

/// A server, and an upstream at it, whose address has these parameters.
async fn scripted(name: &'static str, parameters: &str) -> (Arc<Script>, Upstream) {
    let script = Arc::<Script>::default();
    let app = Router::new().route("/", get(play).post(play));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}?{parameters}", listener.local_addr().unwrap());
    let (door, stop, drain) = (Door::inner(256), CancellationToken::new(), Duration::ZERO);
    let app = app.with_state(Arc::clone(&script));
    tokio::spawn(chassis::serve(listener, app, door, stop, drain));
    let upstream = Upstream::new(name, &address.parse().unwrap(), SOON);
    (script, upstream)
}

async fn post(upstream: &Upstream) -> Result<Response<Bytes>, Error> {
    let path = PathAndQuery::from_static("/");
    let (none, empty) = (HeaderMap::new(), Bytes::new());
    upstream.send(Method::POST, "/", path, none, empty).await
}

fn status(answer: Result<Response<Bytes>, Error>) -> u16 {
    answer.map_or_else(|error| error.status().as_u16(), |it| it.status().as_u16())
}

#[tokio::test]
async fn an_upstream_that_fails_is_left_alone_until_a_call_succeeds() {
    let (script, upstream) = scripted("failing", "breaker_open=200ms&retries=off").await;
    script.breaks(true);
    let mut answers = Vec::new();
    for _ in 0..50 {
        answers.push(status(ask(&upstream).await));
    }
    assert_eq!(answers[..20], [500; 20], "they were made");
    assert_eq!(answers[20..], [503; 30], "they were not");
    assert_eq!(script.asked(), 20);
    script.breaks(false);
    let began = Instant::now();
    while status(ask(&upstream).await) != 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < SOON, "it opens for a call to try");
    }
    assert_eq!(script.asked(), 21, "the first that was made closed it");
    assert_eq!(status(ask(&upstream).await), 200);
}

#[tokio::test]
async fn without_a_breaker_every_call_is_made() {
    let (script, upstream) = scripted("failing, no breaker", "protections=off").await;
    script.breaks(true);
    for _ in 0..50 {
        assert_eq!(status(ask(&upstream).await), 500);
    }
    assert_eq!(script.asked(), 50);
}

#[tokio::test]
async fn callers_that_go_away_before_a_slow_answer_bear_witness() {
    let (script, upstream) = scripted("hung", "slow=50ms&breaker_open=1m").await;
    script.hangs.store(true, Relaxed);
    let patience = Duration::from_millis(80);
    for _ in 0..20 {
        let gone = tokio::time::timeout(patience, ask(&upstream)).await;
        assert!(gone.is_err(), "nothing answers");
    }
    let rejected = tokio::time::timeout(SOON, ask(&upstream)).await;
    assert_eq!(status(rejected.expect("at once")), 503);
    assert_eq!(script.asked(), 20);
}

#[tokio::test]
async fn callers_that_go_away_soon_say_nothing() {
    let (script, upstream) = scripted("asked in haste", "slow=10s&breaker_open=1m").await;
    script.hangs.store(true, Relaxed);
    for _ in 0..40 {
        let gone = tokio::time::timeout(Duration::from_millis(2), ask(&upstream)).await;
        assert!(gone.is_err(), "nothing answers");
    }
    script.hangs.store(false, Relaxed);
    assert_eq!(status(ask(&upstream).await), 200);
}

#[tokio::test]
async fn whoever_sheds_load_is_not_held_to_be_broken() {
    let (script, upstream) = scripted("shedding", "retries=off").await;
    for _ in 0..60 {
        for it in [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ] {
            script.answers(it, Some("1"));
            assert_eq!(status(ask(&upstream).await), it.as_u16());
        }
    }
    assert_eq!(script.asked(), 120);
}

#[tokio::test]
async fn only_what_is_idempotent_is_sent_again() {
    let (script, upstream) = scripted("unavailable once", "").await;
    script.answers(StatusCode::SERVICE_UNAVAILABLE, None);
    assert_eq!(status(ask(&upstream).await), 200);
    assert_eq!(script.asked(), 2);
    script.answers(StatusCode::SERVICE_UNAVAILABLE, None);
    assert_eq!(status(post(&upstream).await), 503);
    assert_eq!(script.asked(), 3);
    script.answers(StatusCode::INTERNAL_SERVER_ERROR, None);
    assert_eq!(status(ask(&upstream).await), 500, "it would fail again");
    assert_eq!(script.asked(), 4);
}

#[tokio::test]
async fn retries_are_a_small_share_however_much_fails() {
    let (script, upstream) = scripted("unavailable", "breaker=off").await;
    let began = Instant::now();
    for _ in 0..400 {
        script.answers(StatusCode::SERVICE_UNAVAILABLE, None);
        script.answers(StatusCode::SERVICE_UNAVAILABLE, None);
        script.answers(StatusCode::SERVICE_UNAVAILABLE, None);
        assert_eq!(status(ask(&upstream).await), 503);
    }
    let retries = script.asked() - 400;
    // A tenth, one for each second, and that of the first.
    let most = 40 + usize::try_from(began.elapsed().as_secs()).unwrap() + 2;
    assert!(retries <= most, "{retries} retries, at most {most}");
    assert!(retries >= 39, "{retries} retries");
}

#[tokio::test]
async fn when_to_come_back_is_obeyed_unless_it_is_too_late() {
    let (script, upstream) = scripted("asking for peace", "timeout=3s").await;
    script.answers(StatusCode::SERVICE_UNAVAILABLE, Some("1"));
    let began = Instant::now();
    assert_eq!(status(ask(&upstream).await), 200);
    assert!(began.elapsed() >= Duration::from_secs(1), "not before");
    script.answers(StatusCode::SERVICE_UNAVAILABLE, Some("60"));
    let began = Instant::now();
    assert_eq!(status(ask(&upstream).await), 503);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits");
    assert_eq!(script.asked(), 3);
}

#[tokio::test]
async fn calls_beyond_the_bulkhead_are_rejected_and_the_others_go_on() {
    let (room, held) = (4, Arc::new(Semaphore::new(0)));
    let waits = Arc::clone(&held);
    let slow = async move || drop(waits.acquire().await);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let address = format!("http://{place}?bulkhead={room}&bulkhead_wait=50ms");
    let (door, stop, drain) = (Door::inner(64), CancellationToken::new(), Duration::ZERO);
    let app = Router::new().route("/", get(slow));
    tokio::spawn(chassis::serve(listener, app, door, stop, drain));
    let upstream = Upstream::new("slow", &address.parse().unwrap(), SOON);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let upstream = upstream.clone();
            tokio::spawn(async move { status(ask(&upstream).await) })
        })
        .collect();
    // Nobody waits longer than 50 ms for a place.
    let rejected = |it: &[tokio::task::JoinHandle<u16>]| {
        let over = it.iter().filter(|it| it.is_finished());
        over.count()
    };
    let began = Instant::now();
    while rejected(&calls) < 20 - room {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < SOON);
    }
    held.add_permits(100);
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap());
    }
    statuses.sort_unstable();
    let expected = [vec![200; room], vec![503; 20 - room]].concat();
    assert_eq!(statuses, expected);
    assert_eq!(status(ask(&upstream).await), 200, "places are given back");
}

#[tokio::test]
async fn one_bad_replica_of_three_is_left_out_and_the_breaker_stays_closed() {
    let listeners = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let addresses = listeners.each_ref().map(|it| it.local_addr().unwrap());
    let scripts: [Arc<Script>; 3] = Default::default();
    for (listener, script) in listeners.into_iter().zip(&scripts) {
        let app = Router::new().route("/", get(play));
        let app = app.with_state(Arc::clone(script));
        let (door, stop, drain) = (Door::inner(64), CancellationToken::new(), Duration::ZERO);
        tokio::spawn(chassis::serve(listener, app, door, stop, drain));
    }
    let (_sender, replicas) = discovery::by_hand(&addresses);
    let address: Address = format!("http://{}", addresses[0]).parse().unwrap();
    let mut upstream = Upstream::new("one bad of three", &address, SOON);
    let inner = Arc::get_mut(&mut upstream.0).expect("nobody else has it");
    inner.balancer = Balancer::new(replicas, address.protections.ejection(), "one bad of three");
    for _ in 0..60 {
        assert_eq!(status(ask(&upstream).await), 200);
    }
    scripts[0].breaks(true);
    let mut failed = 0;
    for _ in 0..400 {
        let status = status(ask(&upstream).await);
        assert!(status != 503, "the breaker is closed");
        failed += usize::from(status == 500);
    }
    // Until half of its calls have failed, of which about twenty had not.
    assert!((10..80).contains(&failed), "{failed} of 400 failed");
    let address = |it: Place| it.address();
    let next = upstream.0.balancer.pick(None).map(address);
    assert_ne!(next, Some(addresses[0]));
}

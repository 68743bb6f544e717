//! Replicas that answer late, in part, or no more.

mod endings;
mod protections;
mod within;

use std::net::SocketAddr;

use api::inventory::{GetAvailabilityRequest, inventory_client::InventoryClient};
use axum::{
    Router,
    body::Body as AnswerBody,
    extract::ConnectInfo,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use chassis::Door;
use futures_util::{StreamExt as _, stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::transport::MAX_ANSWER_BYTES;

/// However busy the machine is.
const SOON: Duration = Duration::from_secs(30);

/// An upstream at a server of `app`, whose calls may take so long.
async fn upstream(app: Router, timeout: Duration) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (door, stop, drain) = (Door::inner(8), CancellationToken::new(), Duration::ZERO);
    tokio::spawn(chassis::serve(listener, app, door, stop, drain));
    Upstream::new("peer", &address.parse().unwrap(), timeout)
}

async fn ask(upstream: &Upstream) -> Result<Response<Bytes>, Error> {
    let path = PathAndQuery::from_static("/");
    let (none, empty) = (HeaderMap::new(), Bytes::new());
    upstream.send(Method::GET, "/", path, none, empty).await
}

/// A body that gives a byte every 10 ms, `count` of them, and then nothing more for ever. It says when it is dropped.
fn drip(count: usize, dropped: watch::Sender<()>) -> AnswerBody {
    let bytes = stream::iter(0..count).then(move |_| {
        let _ = &dropped;
        async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok::<_, std::convert::Infallible>("x")
        }
    });
    AnswerBody::from_stream(bytes.chain(stream::pending()))
}

/// Says so when the sender, which a body holds, has gone.
async fn released(mut dropped: watch::Receiver<()>) {
    let gone = async { while dropped.changed().await.is_ok() {} };
    tokio::time::timeout(SOON, gone)
        .await
        .expect("its connection is released");
}

#[tokio::test]
async fn a_caller_gives_an_idle_connection_up_before_the_service_does() {
    let who = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    let app = Router::new().route("/", get(who));
    let upstream = upstream(app, SOON).await;
    let ask = async || ask(&upstream).await.unwrap().into_body();
    let first = ask().await;
    assert_eq!(ask().await, first, "the connection is used again");
    tokio::time::pause();
    tokio::time::advance(CLIENT_IDLE_TIMEOUT + Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_ne!(ask().await, first, "and not when it was idle for so long");
}

#[tokio::test]
async fn the_time_of_a_call_holds_for_the_body_of_its_answer() {
    for count in [0, 5, usize::MAX] {
        let (dropping, _dropped) = watch::channel(());
        let stalls = async move || drip(count, dropping.clone());
        let limit = Duration::from_millis(100);
        let upstream = upstream(Router::new().route("/", get(stalls)), limit).await;
        let answer = tokio::time::timeout(SOON, ask(&upstream)).await;
        assert!(matches!(answer, Ok(Err(Error::Timeout))), "{count}");
    }
}

#[tokio::test]
async fn what_is_left_of_a_deadline_holds_for_the_body_and_releases_the_replica() {
    let (dropping, dropped) = watch::channel(());
    let body = std::sync::Mutex::new(Some(drip(3, dropping)));
    let body = Arc::new(body);
    let stalls = async move || body.lock().unwrap().take().unwrap();
    let upstream = upstream(Router::new().route("/", get(stalls)), SOON).await;
    let until = Instant::now() + Duration::from_millis(200);
    let answer = deadline::within(until, ask(&upstream)).await;
    // Whichever of the two notices first.
    assert!(matches!(answer, None | Some(Err(Error::Timeout))));
    released(dropped).await;
}

#[tokio::test]
async fn the_time_of_a_call_holds_for_the_body_of_an_answer_in_grpc() {
    for count in [0, 5, usize::MAX] {
        let (dropping, _dropped) = watch::channel(());
        let stalls = async move || {
            let kind = [(header::CONTENT_TYPE, "application/grpc")];
            (kind, drip(count, dropping.clone())).into_response()
        };
        let app = Router::new().fallback(post(stalls));
        let upstream = upstream(app, Duration::from_millis(100)).await;
        let mut client = InventoryClient::new(upstream.grpc());
        let call = client.get_availability(GetAvailabilityRequest::default());
        let answer = tokio::time::timeout(SOON, call).await.expect("an end");
        let status = answer.expect_err("no answer");
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded, "{count}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let part = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
            let _ = stream.write_all(part).await;
        }
    });
    let upstream = Upstream::new("peer", &address.parse().unwrap(), SOON);
    let answer = ask(&upstream).await;
    assert!(matches!(answer, Err(Error::Unavailable("peer"))));
}

#[tokio::test]
async fn an_answer_longer_than_fits_in_memory_is_a_failure_and_a_long_one_is_none() {
    let answer = async |length: usize| {
        let app = Router::new().route("/", get(async move || vec![b'x'; length]));
        ask(&upstream(app, SOON).await).await
    };
    let long = answer(MAX_ANSWER_BYTES).await.unwrap();
    assert_eq!(long.status(), StatusCode::OK);
    assert_eq!(long.body().len(), MAX_ANSWER_BYTES);
    let longer = answer(MAX_ANSWER_BYTES + 1).await;
    assert!(matches!(longer, Err(Error::Internal(_))));
}

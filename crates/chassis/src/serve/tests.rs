//! Clients that do not do their part.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Instant,
};

use axum::{extract::Path, routing::get};
use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use super::*;

/// However busy the machine is.
const SOON: Duration = Duration::from_secs(30);

/// An answer that is held; all of them are counted.
struct Holding(Arc<AtomicUsize>);

impl Holding {
    fn one(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, SeqCst);
        Self(Arc::clone(all))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A server whose `/N` answers N bytes, and how many answers it holds.
async fn serve_bytes(door: Door) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let held = Arc::new(AtomicUsize::new(0));
    let all = Arc::clone(&held);
    let answer = async move |Path(length): Path<usize>| {
        let held = Holding::one(&all);
        let body = Full::from(vec![b'x'; length]);
        Body::new(body.map_frame(move |it| {
            let _ = &held;
            it
        }))
    };
    let app = Router::new().route("/{length}", get(answer));
    let (stop, drain) = (CancellationToken::new(), Duration::ZERO);
    tokio::spawn(serve(listener, app, door, stop, drain));
    (address, held)
}

/// Lets the clock run ahead of the network until `done`.
async fn pass(step: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < end, "it took too long");
        tokio::time::pause();
        tokio::time::advance(step).await;
        tokio::time::resume();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

/// A client of HTTP/2 that reads no more than it says.
struct Http2(TcpStream);

impl Http2 {
    async fn connect(address: SocketAddr, window: u32) -> Self {
        let mut client = Self(TcpStream::connect(address).await.unwrap());
        client.0.write_all(HTTP2_PREFACE).await.unwrap();
        let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
        client.send(SETTINGS, 0, 0, &setting).await;
        client
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat()).await.unwrap();
    }

    /// Asks for so many bytes.
    async fn ask(&mut self, stream: u32, length: usize) {
        let path = format!("/{length}");
        // GET over http, then a path and an authority without Huffman's code (RFC 7541, section 6.2.2).
        let size = u8::try_from(path.len()).unwrap();
        let head = [&[0x82, 0x86, 0x04, size], path.as_bytes(), b"\x01\x01a"].concat();
        self.send(HEADERS, 5, stream, &head).await;
    }

    /// The next frame: its kind, its flags and its payload.
    async fn frame(&mut self) -> Option<(u8, u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let (kind, flags) = (head[3], head[4]);
        if kind == PING && flags == 0 {
            self.send(PING, 1, 0, &payload).await;
        }
        Some((kind, flags, payload))
    }

    /// The next frame of one of these kinds.
    async fn next(&mut self, kinds: &[u8]) -> (u8, u8, Vec<u8>) {
        loop {
            let frame = tokio::time::timeout(SOON, self.frame()).await;
            let frame = frame.expect("in time").expect("a frame");
            if kinds.contains(&frame.0) {
                return frame;
            }
        }
    }

    /// Reads so much of an answer.
    async fn read(&mut self, length: usize) -> u8 {
        let (mut read, mut flags) = (0, 0);
        while read < length {
            let (_, with, data) = self.next(&[DATA]).await;
            (read, flags) = (read + data.len(), with);
        }
        flags
    }
}

#[tokio::test]
async fn an_answer_whose_window_stays_closed_is_given_up_and_others_go_on() {
    let (address, held) = serve_bytes(Door::inner(8)).await;
    for (window, length) in [(0, 1), (0, 100_000), (1, 2), (1, 100_000), (9_999, 10_000)] {
        let mut client = Http2::connect(address, window).await;
        client.ask(1, length).await;
        client.next(&[HEADERS]).await;
        client.read(window as usize).await;
        pass(Duration::from_secs(6), || held.load(SeqCst) == 0).await;
        let (kind, _, code) = client.next(&[RST_STREAM, GOAWAY]).await;
        assert_eq!((kind, code), (RST_STREAM, vec![0, 0, 0, 8]), "{window}");
        // The connection itself is as good as before.
        client.ask(3, 0).await;
        client.next(&[HEADERS]).await;
    }
}

#[tokio::test]
async fn an_answer_that_fits_its_window_is_whole() {
    let (address, held) = serve_bytes(Door::inner(8)).await;
    for length in [1, 2, 16 * 1024, 16 * 1024 + 1, 60_000] {
        let mut client = Http2::connect(address, u32::try_from(length).unwrap()).await;
        client.ask(1, length).await;
        assert_eq!(client.read(length).await & END_STREAM, END_STREAM);
    }
    pass(Duration::ZERO, || held.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn a_window_that_opens_a_crack_at_a_time_is_not_enough() {
    let (address, held) = serve_bytes(Door::inner(8)).await;
    let mut client = Http2::connect(address, 0).await;
    client.ask(1, 100_000).await;
    client.next(&[HEADERS]).await;
    let mut seconds = 0;
    while held.load(SeqCst) > 0 {
        client
            .send(WINDOW_UPDATE, 0, 1, &10_u32.to_be_bytes())
            .await;
        let (kind, ..) = client.next(&[DATA, RST_STREAM]).await;
        if kind == RST_STREAM {
            break;
        }
        let mut passed = false;
        pass(Duration::from_secs(1), || {
            std::mem::replace(&mut passed, true)
        })
        .await;
        seconds += 1;
        assert!(seconds < 20, "10 bytes a second are too slow");
    }
    assert!(seconds > 3);
}

#[tokio::test]
async fn a_connection_without_requests_ends_whatever_pings_it_answers() {
    let (address, ..) = serve_bytes(Door::inner(8)).await;
    let before = Reason::Idle.counted();
    let mut client = Http2::connect(address, 100).await;
    client.ask(1, 10).await;
    client.read(10).await;
    let mut seconds = 0;
    loop {
        let mut head = [0; 9];
        let heard = client.0.peek(&mut head);
        let heard = tokio::time::timeout(Duration::from_millis(20), heard).await;
        if heard.is_ok() {
            let (kind, ..) = client.frame().await.expect("a frame");
            if kind == GOAWAY {
                break;
            }
            continue;
        }
        assert!(seconds < 60, "it is kept by its PINGs");
        let mut passed = false;
        pass(Duration::from_secs(1), || {
            std::mem::replace(&mut passed, true)
        })
        .await;
        seconds += 1;
    }
    assert!(Reason::Idle.counted() > before);
    // It answers the PING that goes with it, so that nothing is left to wait for.
    let end = async { while client.frame().await.is_some() {} };
    tokio::time::timeout(SOON, end).await.unwrap();
}

#[tokio::test]
async fn a_connection_may_be_idle_for_as_long_as_the_door_says() {
    let door = Door {
        idle: Duration::from_secs(75),
        ..Door::inner(8)
    };
    let (address, ..) = serve_bytes(door).await;
    let (mut old, mut new) = (
        TcpStream::connect(address).await.unwrap(),
        Http2::connect(address, 100).await,
    );
    let ask = async |client: &mut TcpStream| {
        let request = b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"x\r\n0\r\n\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
    };
    ask(&mut old).await;
    new.ask(1, 1).await;
    new.read(1).await;
    // A proxy's minute.
    for _ in 0..6 {
        let mut passed = false;
        pass(Duration::from_secs(10), || {
            std::mem::replace(&mut passed, true)
        })
        .await;
        // It answers PINGs meanwhile, as proxies do.
        let mut head = [0; 9];
        let heard = new.0.peek(&mut head);
        if tokio::time::timeout(Duration::from_millis(20), heard)
            .await
            .is_ok()
        {
            new.frame().await.expect("a frame");
        }
    }
    ask(&mut old).await;
    new.ask(3, 1).await;
    new.read(1).await;
    let mut end = [0; 1];
    pass(Duration::from_secs(10), || {
        matches!(old.try_read(&mut end), Ok(0))
    })
    .await;
}

#[tokio::test]
async fn a_socket_that_is_not_read_is_closed() {
    let (address, held) = serve_bytes(Door::inner(8)).await;
    let before = Reason::Stalled.counted();
    let mut client = TcpStream::connect(address).await.unwrap();
    let request = b"GET /33554432 HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(request).await.unwrap();
    client.readable().await.unwrap();
    pass(Duration::from_secs(11), || {
        Reason::Stalled.counted() > before
    })
    .await;
    assert_eq!(held.load(SeqCst), 0, "and its answer is dropped");
}

#[tokio::test]
async fn what_hyper_refuses_is_counted() {
    let (address, ..) = serve_bytes(Door::inner(8)).await;
    let long = format!("x: {}\r\n", "a".repeat(2 * BUFFER as usize));
    for (head, status, reason) in [
        ("bad header\r\n", "400", Reason::MalformedHead),
        (&long, "431", Reason::HeadTooLarge),
    ] {
        let before = reason.counted();
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = format!("GET /1 HTTP/1.1\r\nhost: a\r\n{head}\r\n");
        // It may be closed before all is sent.
        let _ = client.write_all(head.as_bytes()).await;
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(str::from_utf8(&answer[9..]), Ok(status));
        pass(Duration::ZERO, || reason.counted() > before).await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_the_rules_of_http_2_is_counted() {
    let (address, ..) = serve_bytes(Door::inner(8)).await;
    let before = Reason::Protocol.counted();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(HTTP2_PREFACE).await.unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // DATA belongs to a stream, and 0 is the connection itself (RFC 9113, section 6.1).
    let data = [0, 0, 0, 0, 0, 0, 0, 0, 0];
    client.write_all(&[settings, data].concat()).await.unwrap();
    pass(Duration::ZERO, || Reason::Protocol.counted() > before).await;
}

#[tokio::test]
async fn one_address_has_its_share_and_another_its_own() {
    let door = Door {
        per_peer: 2,
        ..Door::inner(8)
    };
    let (address, ..) = serve_bytes(door).await;
    let ask = async |from: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut client = socket.connect(address).await.unwrap();
        let _ = client
            .write_all(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        let served = client.read_u8().await.is_ok();
        (served, client)
    };
    let before = Reason::PeerLimit.counted();
    let (first, second) = (ask([127, 0, 0, 1]).await, ask([127, 0, 0, 1]).await);
    assert!(first.0 && second.0);
    assert!(!ask([127, 0, 0, 1]).await.0, "it has its share");
    assert!(ask([127, 0, 0, 2]).await.0);
    assert_eq!(Reason::PeerLimit.counted(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_say_what_it_speaks_is_let_go() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (said, speaks) in [
        (&b"GET / HTTP/1.1\r\n"[..], Version::Http1),
        (HTTP2_PREFACE, Version::Http2),
        (b"", Version::None),
        (b"PRI * HT", Version::None),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(said).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        if !said.is_empty() {
            // With no timer set, the paused clock cannot run ahead of the network.
            stream.readable().await.unwrap();
        }
        assert_eq!(version(&stream).await, speaks, "{said:?}");
    }
}

//! `trickle`: a few requests a second for as long as it runs, so that an idle shop's graphs have data and somebody notices
//! when the gateway does not answer.
//!
//! It is observed as a service is: each request is a sample of `http_client_request_duration_seconds`, with the status or what
//! went wrong, and the root of a trace. With `--logs` it also looks whether the lines about its requests arrive ([`lines`]).

mod lines;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Router,
    http::{HeaderMap, HeaderValue, Method, StatusCode},
};
use clap::Args;
use rand::Rng as _;
use reqwest::Url;
use serde::Serialize;
use telemetry::{ClientCall, Server};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use api::{CardNumber, Credentials, GOOD_CARD, NewItem, NewOrder, Session, product_id};

use self::lines::Lines;
use crate::{deployment::secrets, evidence::documents::Documents, http};

/// The longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests under way at once; while so many wait, no further ones are sent.
const AT_ONCE: usize = 16;
/// Products that the shop is seeded with unless told otherwise.
const PRODUCTS: u32 = 1_000;
/// What is searched for, in turn.
const WORDS: [&str; 4] = ["oak", "lamp", "wool", "bokshelf"];
/// One round of requests; of twenty, one is an order.
const ROUND: [Ask; 20] = {
    use Ask::{Browse, Buy, Look, Orders, Search};
    [
        Look, Search, Browse, Look, Buy, Look, Search, Browse, Look, Orders, Look, Search, Browse,
        Look, Look, Search, Browse, Look, Search, Look,
    ]
};

/// Where a trickle goes and how fast.
#[derive(Debug, Clone, Args)]
pub(crate) struct TrickleArgs {
    /// The listener for probes and metrics.
    #[command(flatten)]
    pub(crate) chassis: chassis::Config,
    /// Gateway of the shop
    #[arg(long, env = "TRICKLE_TARGET", value_name = "URL")]
    pub(crate) target: Url,
    /// Requests per second
    #[arg(long, env = "TRICKLE_RATE", default_value_t = 2.0, value_parser = rate, value_name = "RATE")]
    pub(crate) rate: f64,
    /// Data stream in which Elasticsearch has the log lines of the shop; empty: nowhere
    #[arg(long, default_value = "", value_name = "http://HOST:PORT/STREAM")]
    pub(crate) logs: String,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=50.0).contains(&rate) => Ok(rate),
        _ => Err("expected requests per second from 0.1 to 50".into()),
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Browse,
    Look,
    Search,
    Buy,
    Orders,
}

/// Sends requests until it is told to stop.
pub(crate) async fn trickle(args: TrickleArgs) -> anyhow::Result<()> {
    let lines = match args.logs.as_str() {
        "" => None,
        stream => {
            let documents = Documents::at(&stream.parse::<Url>().context("--logs")?)?;
            let name = format!("trickle.{:08x}", rand::rng().random::<u32>());
            Some(Arc::new(Lines::new(documents, name)))
        }
    };
    let shopper = Arc::new(Shopper {
        http: http::client(TIMEOUT)?,
        gateway: args.target.as_str().trim_end_matches('/').to_owned(),
        session: Mutex::default(),
        searches: AtomicU32::new(0),
        lines: lines.clone(),
    });
    let period = Duration::from_secs_f64(1.0 / args.rate);
    chassis::run("trickle", &args.chassis, async move |host| {
        host.spawn("trickle", move |stop| go(shopper, period, stop));
        if let Some(lines) = lines {
            host.spawn("lines", move |stop| async move { lines.watch(stop).await });
        }
        Ok(Router::new())
    })
    .await
}

async fn go(shopper: Arc<Shopper>, period: Duration, stop: CancellationToken) {
    let mut due = interval(period);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut under_way = JoinSet::new();
    for ask in ROUND.into_iter().cycle() {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = due.tick() => (),
        }
        while under_way.try_join_next().is_some() {}
        if under_way.len() < AT_ONCE {
            let shopper = Arc::clone(&shopper);
            under_way.spawn(async move { shopper.ask(ask).await });
        }
    }
    // What is under way ends within its own time.
    under_way.join_all().await;
}

/// Somebody with an account, made when it is first needed.
struct Shopper {
    http: reqwest::Client,
    gateway: String,
    session: Mutex<Option<(String, Instant)>>,
    searches: AtomicU32,
    /// The lines that are looked for, if they are.
    lines: Option<Arc<Lines>>,
}

impl Shopper {
    async fn ask(&self, ask: Ask) {
        match ask {
            Ask::Browse => drop(self.get("/products", "/products", None).await),
            Ask::Look => {
                let id = product_id(rand::rng().random_range(1..=PRODUCTS));
                let path = format!("/products/{id}");
                self.get("/products/{id}", &path, None).await;
            }
            Ask::Search => {
                let turn = self.searches.fetch_add(1, Ordering::Relaxed) as usize;
                let path = format!("/search?q={}", WORDS[turn % WORDS.len()]);
                self.get("/search", &path, None).await;
            }
            Ask::Orders => {
                if let Some(token) = self.token().await {
                    self.get("/orders", "/orders", Some(&token)).await;
                }
            }
            Ask::Buy => self.buy().await,
        }
    }

    async fn buy(&self) {
        let Some(token) = self.token().await else {
            return;
        };
        let item = NewItem {
            product_id: product_id(rand::rng().random_range(1..=PRODUCTS)),
            quantity: 1,
        };
        let order = NewOrder {
            items: vec![item],
            card_number: CardNumber(GOOD_CARD.to_owned()),
        };
        self.post("/orders", Some(&token), &order).await;
    }

    /// A token that holds for a while yet. Without an answer there is none, and the next who needs one asks again.
    async fn token(&self) -> Option<String> {
        let mut session = self.session.lock().await;
        if let Some((token, until)) = session.as_ref()
            && Instant::now() < *until
        {
            return Some(token.clone());
        }
        let password = secrets::password().ok()?;
        let credentials = Credentials {
            email: format!("trickle-{}@shop.example", &password[..12]),
            password,
        };
        self.post("/users", None, &credentials).await?;
        let answer = self.post("/sessions", None, &credentials).await?;
        let answer: Session = serde_json::from_slice(&answer).ok()?;
        let until = Instant::now() + Duration::from_secs(answer.expires_in / 2);
        Some(session.insert((answer.token, until)).0.clone())
    }

    async fn get(&self, route: &'static str, path: &str, token: Option<&str>) -> Option<Vec<u8>> {
        let request = self.http.get(format!("{}{path}", self.gateway));
        self.send(Method::GET, route, request, token).await
    }

    async fn post(
        &self,
        route: &'static str,
        token: Option<&str>,
        body: &impl Serialize,
    ) -> Option<Vec<u8>> {
        let request = self.http.post(format!("{}{route}", self.gateway));
        let key = format!("{:032x}", rand::rng().random::<u128>());
        let request = request.header("idempotency-key", key).json(body);
        self.send(Method::POST, route, request, token).await
    }

    /// The body of a good answer.
    async fn send(
        &self,
        method: Method,
        route: &'static str,
        mut request: reqwest::RequestBuilder,
        token: Option<&str>,
    ) -> Option<Vec<u8>> {
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let mut request = request.build().ok()?;
        let server = Server {
            name: "gateway",
            port: request.url().port(),
        };
        let call = ClientCall::http(server, &method, route, request.url().path());
        call.inject(request.headers_mut());
        let id = self
            .lines
            .as_ref()
            .map(|it| it.next_id(tokio::time::Instant::now()));
        if let Some(id) = id.as_ref().and_then(|it| it.parse::<HeaderValue>().ok()) {
            request.headers_mut().insert("x-request-id", id);
        }
        let (status, headers, body) = match self.whole(request).await {
            Ok(answer) => answer,
            Err(error) => {
                call.fail(kind(&error));
                tracing::warn!(%method, route, error = kind(&error), "no answer from the gateway");
                return None;
            }
        };
        call.finish(status, &headers, None);
        if let (Some(lines), Some(id)) = (&self.lines, id) {
            lines.answered(id);
        }
        if !status.is_success() {
            tracing::warn!(%method, route, status = status.as_u16(), "request failed");
            return None;
        }
        Some(body)
    }

    /// An answer with the whole of its body.
    async fn whole(
        &self,
        request: reqwest::Request,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), reqwest::Error> {
        let mut answer = self.http.execute(request).await?;
        let headers = std::mem::take(answer.headers_mut());
        Ok((answer.status(), headers, answer.bytes().await?.to_vec()))
    }
}

/// What went wrong, in one of a few words.
fn kind(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else {
        "_OTHER"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_in_twenty_is_an_order() {
        let orders = ROUND.into_iter().filter(|it| *it == Ask::Buy).count();
        assert_eq!((orders, ROUND.len()), (1, 20));
    }

    #[test]
    fn a_rate_that_is_no_trickle_is_refused() {
        for wrong in ["0", "51", "-2", "NaN", "fast"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(rate("0.5"), Ok(0.5));
    }
}

//! The shop as it is, in one process: orders are placed at its door, and are final when the saga is over.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::Request,
};
use chassis::{Concurrency, Host, Limits};
use monolith::{Config, compose};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Cost, commits, cpu, flags, metric};

/// The databases that an order is written to on its way.
const WRITTEN: [&str; 4] = ["orders", "inventory", "payments", "broker"];
/// How often it is asked whether an order is final; what that costs is in the processor time.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// What follows the end of an order, such as stock that counts as sold, is over by then.
const SETTLED: Duration = Duration::from_secs(2);

/// Places `orders` one after the other in a shop whose data is in `dir`.
pub(super) async fn measure(dir: &Path, orders: u32) -> anyhow::Result<Cost> {
    let more = [
        ("payments", "--provider-latency=0s"),
        ("gateway", "--rate-limit=100000"),
        ("gateway", "--rate-burst=100000"),
    ];
    let more = more.iter().flat_map(|it| [it.0.into(), it.1.into()]);
    let config = Config::read(flags::of(dir).into_iter().chain(more))?;
    let host = Host::default();
    let limits = Limits {
        timeout: Duration::from_secs(30),
        body: 64 * 1024,
        concurrency: Concurrency::default(),
    };
    let door = Door(chassis::public(compose(&config, &host).await?, limits));
    let account =
        json!({ "email": "ada@shop.example", "password": "correct horse battery staple" });
    door.post("/users", "", &account).await?;
    let session = door.post("/sessions", "", &account).await?;
    let token = session["token"].as_str().context("a token")?.to_owned();

    let written = || {
        WRITTEN
            .iter()
            .map(|it| commits(&dir.join(format!("{it}.db"))))
    };
    let carried = || metric("messaging_process_duration_seconds_count");
    let (before, messages, used) = (written().sum::<anyhow::Result<u64>>()?, carried(), cpu());
    let mut took = Vec::new();
    for number in 0..orders {
        let began = Instant::now();
        door.order(&token, number).await?;
        took.push(began.elapsed());
    }
    let used = cpu() - used;
    tokio::time::sleep(SETTLED).await;
    let commits = written().sum::<anyhow::Result<u64>>()? - before;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count"
    )]
    let messages = (carried() - messages) as u64;
    host.finish_work(Duration::from_secs(5)).await;
    took.sort_unstable();
    Ok(Cost {
        orders,
        took,
        commits,
        messages,
        cpu: used,
    })
}

/// The gateway, called as a connection would.
struct Door(Router);

impl Door {
    /// Orders something, and returns when it is confirmed.
    async fn order(&self, token: &str, number: u32) -> anyhow::Result<()> {
        // The first twelve, of which there is plenty.
        let product = format!("p-{:06}", 1 + number % 12);
        let order = json!({ "items": [{ "product_id": product, "quantity": 1 }], "card_number": "4242424242424242" });
        let placed = self.post("/orders", token, &order).await?;
        let id = placed["id"].as_str().context("an id")?;
        loop {
            let request = self.request("GET", &format!("/orders/{id}"), token);
            let said = self.send(request.body(Body::empty())?).await?;
            match said["status"].as_str() {
                Some("confirmed") => return Ok(()),
                Some("pending") => tokio::time::sleep(ASK_EVERY).await,
                other => anyhow::bail!("order {id} is {other:?}"),
            }
        }
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.request("POST", path, token);
        let request = request.header("content-type", "application/json");
        let request = request.header("idempotency-key", chassis::new_id("key"));
        self.send(request.body(Body::from(body.to_string()))?).await
    }

    #[expect(clippy::unused_self, reason = "a request is for a door")]
    fn request(&self, method: &str, path: &str, token: &str) -> axum::http::request::Builder {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let request = Request::builder().method(method).uri(path);
        let request = request.extension(ConnectInfo(peer));
        match token {
            "" => request,
            token => request.header("authorization", format!("Bearer {token}")),
        }
    }

    async fn send(&self, request: Request<Body>) -> anyhow::Result<Value> {
        let Ok(answer) = self.0.clone().oneshot(request).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await?;
        let said = String::from_utf8_lossy(&body);
        anyhow::ensure!(status.is_success(), "{status}: {said}");
        Ok(serde_json::from_str(&said)?)
    }
}

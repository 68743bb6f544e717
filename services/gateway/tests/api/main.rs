//! The gateway as shoppers see it, before real services, and before ones that misbehave.

mod accounts;
mod contract;
mod doors;
mod pages;
mod passages;

use std::{fs, net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use chassis::{Concurrency, Host, Limits, public};
use clap::Parser as _;
use futures_util::{StreamExt as _, stream};
use gateway::{Config, State};
use identity::SigningKey;
use reqwest::{Client, Method, RequestBuilder, Response, header};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Nobody listens there: port 1 is reserved.
const NOWHERE: &str = "http://127.0.0.1:1";

async fn listen(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn limits() -> Limits {
    Limits {
        timeout: Duration::from_secs(10),
        body: 65536,
        concurrency: Concurrency::default(),
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// The catalogue, which takes tokens that are signed with the keys at `users`.
async fn real_catalog(data: &TempDir, users: &str) -> String {
    let url = format!("--database-url=sqlite:{}/catalog.db", data.path().display());
    let broker = format!("--broker-url=sqlite:{}/broker.db", data.path().display());
    let users = format!("--users-addr={users}");
    let config = catalog::Config::parse_from(["catalog", &url, &broker, &users]);
    let state = catalog::State::open(&config, &Host::default()).await;
    let app = public(catalog::app(state.expect("what it needs")), limits());
    format!("http://{}", listen(app).await)
}

async fn real_inventory(data: &TempDir) -> String {
    let url = format!(
        "--database-url=sqlite:{}/inventory.db",
        data.path().display()
    );
    let broker = format!("--broker-url=sqlite:{}/broker.db", data.path().display());
    let config = inventory::Config::parse_from(["inventory", &url, &broker]);
    let state = inventory::State::open(&config, &Host::default()).await;
    let app = public(inventory::app(state.expect("what it needs")), limits());
    format!("http://{}", listen(app).await)
}

const ADMIN: &str = "root@shop.example";
const PASSWORD: &str = "correct horse battery";

/// With an [`ADMIN`] whose password is [`PASSWORD`].
async fn real_users(data: &TempDir) -> String {
    let path = |name: &str| data.path().join(name).display().to_string();
    fs::write(path("key.pem"), users::generate_signing_key()).expect("a written key");
    fs::write(path("password"), PASSWORD).expect("a written password");
    let config = users::Config::parse_from([
        "users",
        &format!("--database-url=sqlite:{}", path("users.db")),
        &format!("--signing-key-file={}", path("key.pem")),
        &format!("--admin-email={ADMIN}"),
        &format!("--admin-password-file={}", path("password")),
    ]);
    let state = users::State::open(&config, &Host::default()).await;
    let app = public(users::app(state.expect("what it needs")), limits());
    // However busy the machine is, its keys are waited for.
    format!("http://{}?timeout=10s", listen(app).await)
}

/// A body that gives a part, and then nothing more for ever.
fn half() -> Body {
    let part = stream::once(async { Ok::<_, std::convert::Infallible>("{") });
    Body::from_stream(part.chain(stream::pending()))
}

/// Publishes a key that nobody has.
async fn nobodys_key() -> String {
    testbed::publish(SigningKey::generate().public()).await
}

/// A gateway and its client.
struct Shop {
    gateway: SocketAddr,
    client: Client,
}

impl Shop {
    /// A gateway that nobody needs to be known to.
    async fn open(flags: &[&str]) -> Self {
        let users = "--users-addr=";
        if flags.iter().any(|it| it.starts_with(users)) {
            return Self::start(flags).await;
        }
        let users = format!("{users}{}", nobodys_key().await);
        Self::start(&[flags, &[&users]].concat()).await
    }

    /// A gateway that believes tokens which `key` has signed.
    async fn guarded(key: &SigningKey, flags: &[&str]) -> Self {
        let users = testbed::publish(key.public()).await;
        let users = format!("--users-addr={users}");
        Self::start(&[flags, &[&users]].concat()).await
    }

    async fn start(flags: &[&str]) -> Self {
        let config = Config::parse_from(["gateway"].iter().chain(flags));
        let state = State::open(&config, &Host::default()).await;
        let app = gateway::app(state.expect("what it needs"));
        Self {
            gateway: listen(public(app, limits())).await,
            client: Client::builder().no_proxy().build().expect("a client"),
        }
    }

    async fn before(catalog: &str, inventory: &str, flags: &[&str]) -> Self {
        let catalog = format!("--catalog-addr={catalog}");
        let inventory = format!("--inventory-addr={inventory}");
        Self::open(&[&[catalog.as_str(), &inventory], flags].concat()).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.gateway);
        self.client.request(method, url)
    }

    async fn get(&self, path: &str) -> Response {
        answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        answer(self.request(Method::POST, path).json(body)).await
    }
}

async fn answer(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

async fn json_of(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status);
    if status >= 400 {
        let kind = &response.headers()[header::CONTENT_TYPE];
        assert_eq!(kind, "application/problem+json");
    }
    if status == 401 {
        let challenge = &response.headers()[header::WWW_AUTHENTICATE];
        let known = ["Bearer", "Bearer error=\"invalid_token\""];
        assert!(known.iter().any(|it| challenge == it), "{challenge:?}");
    }
    response.json().await.expect("JSON")
}

//! The gateway as shoppers see it, before real services, and before ones that misbehave.

mod accounts;
mod doors;
mod pages;
mod passages;

use std::{fs, net::SocketAddr, time::Duration};

use axum::Router;
use chassis::{Limits, public};
use clap::Parser as _;
use gateway::{Config, Upstreams};
use identity::{SigningKey, Verifier};
use reqwest::{Client, Method, RequestBuilder, Response, header};
use serde_json::{Value, json};
use telemetry::Caller;
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
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

async fn real_catalog(data: &TempDir, verifier: Verifier) -> String {
    let url = format!("--database-url=sqlite:{}/catalog.db", data.path().display());
    let broker = format!("--broker-url=sqlite:{}/broker.db", data.path().display());
    let config = catalog::Config::parse_from(["catalog", &url, &broker]);
    let host = chassis::Host::default();
    let store = catalog::Store::open(&host, &config).await.expect("a store");
    let app = public(catalog::app(store, verifier), limits(), Caller::Trusted);
    format!("http://{}", listen(app).await)
}

async fn real_inventory(data: &TempDir) -> String {
    let url = format!("sqlite:{}/inventory.db", data.path().display());
    let url = url.parse().expect("a URL");
    let options = database::Options::default();
    let store = inventory::Store::open(&url, &options, 1000).await;
    let store = store.expect("a store");
    let app = public(inventory::app(store), limits(), Caller::Trusted);
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
    let users = users::Users::open(&config).await.expect("what it needs");
    let app = public(users::app(users), limits(), Caller::Trusted);
    format!("http://{}", listen(app).await)
}

/// Verifies by the keys that users publishes, once it has them.
async fn verifier(users: &str) -> Verifier {
    let verifier = Verifier::new(&users.parse().expect("an address"));
    let mut poll = tokio::time::interval(Duration::from_millis(5));
    let loaded = async {
        while verifier.loaded().is_err() {
            poll.tick().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(10), loaded).await;
    in_time.expect("the keys of users in time");
    verifier
}

/// Knows a key that nobody has.
fn believes_nobody() -> Verifier {
    Verifier::fixed(&SigningKey::generate().public())
}

/// A gateway and its client.
struct Shop {
    gateway: SocketAddr,
    client: Client,
}

impl Shop {
    /// A gateway that nobody needs to be known to.
    async fn open(flags: &[&str]) -> Self {
        Self::guarded(believes_nobody(), flags).await
    }

    async fn guarded(verifier: Verifier, flags: &[&str]) -> Self {
        let config = Config::parse_from(["gateway"].iter().chain(flags));
        let upstreams = Upstreams::new(&config);
        let app = gateway::app(&config, upstreams, verifier).expect("a gateway");
        Self {
            gateway: listen(public(app, limits(), Caller::Untrusted)).await,
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

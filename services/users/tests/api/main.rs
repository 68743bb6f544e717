//! Accounts as their callers see them, with a database and a signing key of their own.

mod accounts;
mod tokens;

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use chassis::{Host, Limits, public};
use clap::Parser as _;
use identity::SigningKey;
use reqwest::{Client, Response, header};
use serde_json::{Value, json};
use testbed::{Databases, on_every_database};
use users::{Config, Hasher, State, app, generate_signing_key};

const PASSWORD: &str = "correct horse battery";
const ADA: &str = "Ada@shop.example";

/// What survives a restart: the database and the files.
struct Disk(Arc<Databases>);

impl Disk {
    fn new(data: Databases) -> Self {
        let disk = Self(Arc::new(data));
        disk.write("key.pem", &generate_signing_key());
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a written file");
    }

    fn key(&self) -> SigningKey {
        SigningKey::read(&self.path("key.pem")).expect("a key")
    }

    async fn start(&self, flags: &[&str]) -> Service {
        let database = format!("--database-url={}", self.0.url("users").await);
        let key = format!("--signing-key-file={}", self.path("key.pem").display());
        let own = ["users", &database, &key];
        let config = Config::parse_from(own.iter().chain(flags));
        let state = State::open(&config, &Host::default()).await;
        let state = state.expect("what it needs");
        let hasher = state.hasher.clone();
        let app = public(app(state), Limits::from(&config.chassis));
        let address = testbed::serve(app).await;
        Service {
            address,
            client: Client::builder().no_proxy().build().expect("a client"),
            hasher,
            _disk: Arc::clone(&self.0),
        }
    }
}

/// The running service and its client.
struct Service {
    address: SocketAddr,
    client: Client,
    hasher: Hasher,
    _disk: Arc<Databases>,
}

impl Service {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.url(path));
        request.send().await.expect("an answer")
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.client.post(self.url(path)).json(body);
        request.send().await.expect("an answer")
    }

    async fn register(&self, email: &str, password: &str) -> Response {
        let credentials = json!({ "email": email, "password": password });
        self.post("/users", &credentials).await
    }

    async fn log_in(&self, email: &str, password: &str) -> Response {
        let credentials = json!({ "email": email, "password": password });
        self.post("/sessions", &credentials).await
    }

    /// The token of an account that can log in.
    async fn token(&self, email: &str, password: &str) -> String {
        let session = json_of(self.log_in(email, password).await, 201).await;
        session["token"].as_str().expect("a token").to_owned()
    }

    async fn me(&self, token: &str) -> Response {
        let request = self.client.get(self.url("/users/me")).bearer_auth(token);
        request.send().await.expect("an answer")
    }
}

/// What is said to who comes with a token that does not hold.
const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";

/// Checks the status of an answer, and that a failure is a problem, and returns its body.
async fn json_of(response: Response, status: u16) -> Value {
    assert_eq!(response.status().as_u16(), status);
    if status >= 400 {
        let kind = &response.headers()[header::CONTENT_TYPE];
        assert_eq!(kind, "application/problem+json");
    }
    if status == 401 {
        let challenge = &response.headers()[header::WWW_AUTHENTICATE];
        let known = ["Bearer", INVALID_TOKEN];
        assert!(known.iter().any(|it| challenge == it), "{challenge:?}");
    }
    response.json().await.expect("JSON")
}

#[test]
fn an_admin_has_an_address_and_a_password_or_is_none() {
    let parse = |admin: &[&str]| {
        let own = ["users", "--signing-key-file=key.pem"];
        Config::try_parse_from(own.iter().chain(admin))
    };
    let (email, file) = ("--admin-email=a@b", "--admin-password-file=password");
    assert!(parse(&[]).is_ok() && parse(&[email, file]).is_ok());
    assert!(parse(&[email]).is_err() && parse(&[file]).is_err());
}

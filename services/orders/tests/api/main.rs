//! Orders as shoppers see them, with the real catalogue, inventory and payments behind them.

mod placing;
mod saga;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use api::{CardNumber, GOOD_CARD, NewItem, NewOrder, Order, OrderStatus, Role, product_id};
use chassis::{App, Concurrency, Host, Limits, public};
use clap::Parser as _;
use identity::SigningKey;
use orders::{Config, State, app};
use reqwest::{Client, Response, header};
use testbed::{Databases, Teller, on_every_database};

/// Everything an order passes through, in this process.
struct World {
    address: SocketAddr,
    client: Client,
    key: SigningKey,
    inventory: inventory::Store,
    payments: payments::Store,
    /// Somebody else who tells events.
    teller: Teller,
    _hosts: [Host; 4],
    _data: Databases,
}

impl World {
    async fn open(data: Databases, order_timeout: Duration) -> Self {
        Self::open_with(data, order_timeout, &[]).await
    }

    /// With further flags of orders.
    async fn open_with(data: Databases, order_timeout: Duration, more: &[&str]) -> Self {
        let broker = format!("--broker-url={}", data.file("broker"));
        let hosts = [(); 4].map(|()| Host::default());
        let key = SigningKey::generate();
        let users = format!("--users-addr={}", testbed::publish(key.public()).await);
        let at = async |name| format!("--database-url={}", data.url(name).await);

        let flags = ["catalog", &at("catalog").await, &broker, &users];
        let config = catalog::Config::parse_from(flags);
        let catalog = catalog::State::open(&config, &hosts[0]).await;
        let catalog = listen(catalog::app(catalog.expect("a catalogue"))).await;
        let catalog = format!("--catalog-addr=http://{catalog}?timeout=10s");

        let flags = ["inventory", &at("inventory").await, &broker];
        let config = inventory::Config::parse_from(flags);
        let inventory = inventory::State::open(&config, &hosts[1]).await;

        let keys = keys(&data);
        let flags = ["payments", &at("payments").await, &broker, &keys.private];
        let config = payments::Config::parse_from(flags);
        let payments = payments::State::open(&config, &hosts[2]).await;

        let timeout = format!("--order-timeout={}ms", order_timeout.as_millis());
        let own = ["orders", &at("orders").await, &broker];
        let flags = own.into_iter().chain([&*users, &catalog, &timeout]);
        let flags = flags.chain([&*keys.public, &keys.fingerprint]);
        let config = Config::parse_from(flags.chain(more.iter().copied()));
        let state = State::open(&config, &hosts[3]).await;

        Self {
            address: listen(app(state.expect("orders"))).await,
            client: Client::builder().no_proxy().build().expect("a client"),
            key,
            inventory: inventory.expect("an inventory").store,
            payments: payments.expect("payments").store,
            teller: Teller::open(&data, "teller").await,
            _hosts: hosts,
            _data: data,
        }
    }

    fn token(&self, user_id: &str) -> String {
        let ttl = Duration::from_mins(1);
        let token = self.key.issue(user_id, Role::Shopper, ttl);
        format!("Bearer {}", token.expect("a token"))
    }

    async fn post(&self, user_id: &str, key: &str, order: &impl serde::Serialize) -> Response {
        let request = self
            .client
            .post(format!("http://{}/orders", self.address))
            .header(header::AUTHORIZATION, self.token(user_id))
            .header("idempotency-key", key)
            .json(order);
        request.send().await.expect("an answer")
    }

    async fn get(&self, user_id: &str, path: &str) -> Response {
        let request = self
            .client
            .get(format!("http://{}{path}", self.address))
            .header(header::AUTHORIZATION, self.token(user_id));
        request.send().await.expect("an answer")
    }

    /// Places an order and returns it as it is in the end.
    async fn order(&self, key: &str, order: &NewOrder) -> Order {
        let answer = self.post("u-1", key, order).await;
        assert_eq!(answer.status(), 202);
        let placed: Order = answer.json().await.expect("an order");
        assert_eq!(placed.status, OrderStatus::Pending);
        let path = format!("/orders/{}", placed.id);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let order: Order = self.get("u-1", &path).await.json().await.expect("an order");
            if order.status != OrderStatus::Pending {
                return order;
            }
            assert!(Instant::now() < deadline, "{} stays pending", order.id);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Flags that name files with keys.
struct Keys {
    private: String,
    public: String,
    fingerprint: String,
}

fn keys(data: &Databases) -> Keys {
    let write = |flag: &str, name: &str, text: &str| {
        let path = data.path(name);
        std::fs::write(&path, text).expect("a written file");
        format!("{flag}={}", path.display())
    };
    let private = cards::generate();
    let public = cards::public_of(&private).expect("its public key");
    let secret = "0123456789abcdef".repeat(2);
    Keys {
        private: write("--card-key-file", "private.pem", &private),
        public: write("--card-key-file", "public.pem", &public),
        fingerprint: write("--fingerprint-key-file", "secret", &secret),
    }
}

async fn listen(app: impl Into<App>) -> SocketAddr {
    let limits = Limits {
        timeout: Duration::from_secs(10),
        body: 65536,
        concurrency: Concurrency::default(),
    };
    testbed::serve(public(app, limits)).await
}

fn order(product: u32, quantity: i64, card: &str) -> NewOrder {
    NewOrder {
        items: vec![NewItem {
            product_id: product_id(product),
            quantity,
        }],
        card_number: CardNumber(card.into()),
    }
}

fn good_order() -> NewOrder {
    order(1, 2, GOOD_CARD)
}

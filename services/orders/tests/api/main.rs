//! Orders as shoppers see them, with the real catalogue, inventory and payments behind them.

mod placing;
mod saga;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use api::{CardNumber, GOOD_CARD, NewItem, NewOrder, Order, OrderStatus, Role, product_id};
use chassis::{Host, Limits, public};
use clap::Parser as _;
use identity::{SigningKey, Verifier};
use orders::{Prices, Shop, Store, app};
use reqwest::{Client, Response, header};
use telemetry::Caller;
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
        let broker = format!("--broker-url={}", data.file("broker"));
        let options = database::Options::default();
        let hosts = [(); 4].map(|()| Host::default());
        let key = SigningKey::generate();
        let verifier = Verifier::fixed(&key.public());

        let database = format!("--database-url={}", data.url("catalog").await);
        let config = catalog::Config::parse_from(["catalog", &database, &broker]);
        let store = catalog::Store::open(&hosts[0], &config).await;
        let catalog = catalog::app(store.expect("a catalogue"), verifier.clone());
        let prices = format!("http://{}", listen(catalog).await);
        let prices = prices.parse().expect("an address");
        let prices = Prices::new(&prices, Duration::from_secs(10));

        let broker_url = data.file("broker").parse().expect("a URL");
        let stock = data.url("inventory").await.parse().expect("a URL");
        let inventory = inventory::Store::open(&stock, &options, 1000).await;
        let inventory = inventory.expect("stock");
        let followed = inventory::follow(&hosts[1], &inventory, &broker_url).await;
        followed.expect("inventory follows");

        let database = format!("--database-url={}", data.url("payments").await);
        let config = payments::Config::parse_from(["payments", &database, &broker]);
        let payments = payments::Store::open(&config.database_url, &options).await;
        let payments = payments.expect("payments");
        let followed = payments::follow(&hosts[2], &payments, &config).await;
        followed.expect("payments follows");

        let orders = data.url("orders").await.parse().expect("a URL");
        let store = Store::open(&orders, &options, order_timeout)
            .await
            .expect("a store");
        let messaging = orders::follow(&hosts[3], &store, &broker_url).await;
        let app = app(Shop {
            store,
            messaging: messaging.expect("orders follows"),
            prices,
            verifier,
        });
        Self {
            address: listen(app).await,
            client: Client::builder().no_proxy().build().expect("a client"),
            key,
            inventory,
            payments,
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

async fn listen(app: axum::Router) -> SocketAddr {
    let limits = Limits {
        timeout: Duration::from_secs(10),
        body: 65536,
    };
    let app = public(app, limits, Caller::Trusted);
    testbed::serve(app).await
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

//! Payments as the other services see it: events in, events out, and a ledger.

use std::time::{Duration, Instant};

use api::{
    AuditRow, BROKEN_CARD, CancelReason, CardNumber, DECLINED_CARD, Fact, GOOD_CARD, PaymentEffect,
    PlacedOrder,
};
use chassis::{Broker, BrokerUrl, Database, DatabaseUrl, Host, Messaging};
use clap::Parser as _;
use payments::{Config, Store};
use tempfile::TempDir;

/// Payments, and somebody who tells it of orders.
struct Shop {
    store: Store,
    teller: Messaging,
    database: Database,
    broker: Broker,
    _hosts: [Host; 2],
    _data: TempDir,
}

impl Shop {
    async fn open(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let url = |name: &str| format!("sqlite:{}/{name}.db", data.path().display());
        let database_flag = format!("--database-url={}", url("payments"));
        let broker_flag = format!("--broker-url={}", url("broker"));
        let mut arguments = vec!["payments", &database_flag, &broker_flag];
        arguments.extend(flags);
        let config = Config::parse_from(arguments);
        let hosts = [Host::default(), Host::default()];
        let store = Store::open(&config.database_url).await.expect("a store");
        payments::follow(&hosts[0], &store, &config)
            .await
            .expect("events");
        let teller: DatabaseUrl = url("teller").parse().expect("a URL");
        let none = sqlx::migrate::Migrator::DEFAULT;
        let database = Database::open(&teller, &none).await.expect("a database");
        let broker: BrokerUrl = url("broker").parse().expect("a URL");
        Self {
            teller: Messaging::open(&hosts[1], "orders", &broker, &database)
                .await
                .expect("events"),
            broker: Broker::open(&broker).await.expect("the broker"),
            database,
            store,
            _hosts: hosts,
            _data: data,
        }
    }

    async fn tell(&self, order_id: &str, fact: Fact) {
        let mut transaction = self.database.write().await.expect("a transaction");
        let told = self.teller.tell(&mut transaction, order_id, fact).await;
        told.expect("it is written down");
        transaction.commit().await.expect("it is committed");
    }

    async fn reserved(&self, order_id: &str, card: &str) {
        let order = PlacedOrder {
            items: Vec::new(),
            total_cents: 500,
            card_number: CardNumber(card.into()),
        };
        self.tell(order_id, Fact::StockReserved(order)).await;
    }

    async fn cancelled(&self, order_id: &str) {
        let reason = CancelReason::TimedOut;
        self.tell(order_id, Fact::OrderCancelled { reason }).await;
    }

    async fn effects(&self, order: &str) -> Vec<(PaymentEffect, i64)> {
        let rows = self.store.audit().await.expect("the ledger");
        let of_order = rows.into_iter().filter_map(|row| match row {
            AuditRow::Payment {
                order_id,
                effect,
                amount_cents,
                ..
            } if order_id == order => Some((effect, amount_cents)),
            _ => None,
        });
        of_order.collect()
    }

    /// Waits until payments has heard everything.
    async fn settled(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let outbox: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
                .fetch_one(self.database.readers())
                .await
                .expect("the outbox");
            let queue = self.broker.depth("payments").await.expect("the queue");
            if outbox + queue.messages == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{outbox} told, {queue:?} heard");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn what_is_reserved_is_charged_and_the_outcome_is_told() {
    let shop = Shop::open(&["--decline-above=1000"]).await;
    shop.reserved("o-good", GOOD_CARD).await;
    shop.reserved("o-declined", DECLINED_CARD).await;
    shop.settled().await;
    let good = shop.effects("o-good").await;
    assert_eq!(good, [(PaymentEffect::Captured, 500)]);
    let declined = shop.effects("o-declined").await;
    assert_eq!(declined, [(PaymentEffect::Declined, 500)]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while shop
        .broker
        .depth("orders")
        .await
        .expect("the queue")
        .messages
        < 2
    {
        assert!(Instant::now() < deadline, "orders is not told");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_cancelled_order_gets_its_money_back_once() {
    let shop = Shop::open(&[]).await;
    shop.reserved("o-1", GOOD_CARD).await;
    shop.settled().await;
    shop.cancelled("o-1").await;
    shop.cancelled("o-1").await;
    shop.settled().await;
    let effects = shop.effects("o-1").await;
    let expected = [
        (PaymentEffect::Captured, 500),
        (PaymentEffect::Refunded, 500),
    ];
    assert_eq!(effects, expected);
}

#[tokio::test]
async fn an_order_that_was_cancelled_first_is_never_charged() {
    let shop = Shop::open(&[]).await;
    shop.cancelled("o-1").await;
    shop.settled().await;
    shop.reserved("o-1", GOOD_CARD).await;
    shop.settled().await;
    assert_eq!(shop.effects("o-1").await, []);
}

#[tokio::test]
async fn an_order_cancelled_while_the_provider_was_asked_gets_its_money_back() {
    let shop = Shop::open(&["--provider-latency=1s"]).await;
    shop.reserved("o-1", GOOD_CARD).await;
    shop.cancelled("o-1").await;
    shop.settled().await;
    // Either cancelled before the provider was asked, or charged and given back: never just charged.
    let balance: i64 = shop
        .effects("o-1")
        .await
        .iter()
        .map(|(effect, cents)| match effect {
            PaymentEffect::Captured => *cents,
            PaymentEffect::Refunded => -cents,
            PaymentEffect::Declined => 0,
        })
        .sum();
    assert_eq!(balance, 0);
}

#[tokio::test]
async fn an_order_the_provider_breaks_down_over_holds_nobody_up() {
    let shop = Shop::open(&[]).await;
    shop.reserved("o-poison", BROKEN_CARD).await;
    shop.reserved("o-good", GOOD_CARD).await;
    shop.settled().await;
    let good = shop.effects("o-good").await;
    assert_eq!(good, [(PaymentEffect::Captured, 500)]);
    assert_eq!(shop.effects("o-poison").await, []);
    let letters = shop.broker.dead_letters("payments").await.expect("letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].attempts, 5);
}

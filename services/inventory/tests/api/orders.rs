//! The inventory as orders see it: events in, events out, and a ledger.

use std::time::{Duration, Instant};

use api::{
    AuditRow, CancelReason, CardNumber, Fact, GOOD_CARD, OrderItem, PlacedOrder, StockEffect,
};
use chassis::{Broker, BrokerUrl, Database, DatabaseUrl, Host, Messaging};
use inventory::Store;
use tempfile::TempDir;

/// Seeded with three units.
const SCARCE: u32 = 13;

/// The inventory, and somebody who tells it of orders.
struct Shop {
    store: Store,
    teller: Messaging,
    database: Database,
    broker: Broker,
    _hosts: [Host; 2],
    _data: TempDir,
}

impl Shop {
    async fn open() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let url = |name: &str| format!("sqlite:{}/{name}.db", data.path().display());
        let stock: DatabaseUrl = url("inventory").parse().expect("a URL");
        let teller: DatabaseUrl = url("teller").parse().expect("a URL");
        let broker: BrokerUrl = url("broker").parse().expect("a URL");
        let hosts = [Host::default(), Host::default()];
        let store = Store::open(&stock, 100).await.expect("a store");
        inventory::follow(&hosts[0], &store, &broker)
            .await
            .expect("events");
        let none = sqlx::migrate::Migrator::DEFAULT;
        let database = Database::open(&teller, &none).await.expect("a database");
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

    /// Tells `fact` and waits until the inventory has heard it.
    async fn tell(&self, order_id: &str, fact: Fact) {
        let mut transaction = self.database.write().await.expect("a transaction");
        let told = self.teller.tell(&mut transaction, order_id, fact).await;
        told.expect("it is written down");
        transaction.commit().await.expect("it is committed");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let outbox: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
                .fetch_one(self.database.readers())
                .await
                .expect("the outbox");
            let queue = self.broker.depth("inventory").await.expect("the queue");
            if outbox + queue.messages == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{outbox} told, {queue:?} heard");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn place(&self, order_id: &str, product: u32, quantity: i64) {
        let item = OrderItem {
            product_id: api::product_id(product),
            quantity,
            price_cents: 100,
        };
        let order = PlacedOrder {
            items: vec![item],
            total_cents: 100 * quantity,
            card_number: CardNumber(GOOD_CARD.into()),
        };
        self.tell(order_id, Fact::OrderPlaced(order)).await;
    }

    async fn cancel(&self, order_id: &str) {
        let reason = CancelReason::PaymentDeclined;
        self.tell(order_id, Fact::OrderCancelled { reason }).await;
    }

    async fn effects(&self, order: &str) -> Vec<(StockEffect, i64)> {
        let rows = self.store.audit().await.expect("the ledger");
        let of_order = rows.into_iter().filter_map(|row| match row {
            AuditRow::Stock {
                order_id,
                effect,
                quantity,
                ..
            } if order_id == order => Some((effect, quantity)),
            _ => None,
        });
        of_order.collect()
    }

    /// On hand, reserved.
    async fn level(&self, product: u32) -> (i64, i64) {
        let rows = self.store.audit().await.expect("the ledger");
        let level = rows.into_iter().find_map(|row| match row {
            AuditRow::Level {
                product_id,
                on_hand,
                reserved,
                ..
            } if product_id == api::product_id(product) => Some((on_hand, reserved)),
            _ => None,
        });
        level.expect("the product has moved")
    }
}

#[tokio::test]
async fn a_confirmed_order_takes_its_goods_along() {
    let shop = Shop::open().await;
    shop.place("o-1", SCARCE, 2).await;
    assert_eq!(shop.level(SCARCE).await, (3, 2));
    shop.tell("o-1", Fact::OrderConfirmed {}).await;
    assert_eq!(shop.level(SCARCE).await, (1, 0));
    let effects = shop.effects("o-1").await;
    assert_eq!(
        effects,
        [(StockEffect::Reserved, 2), (StockEffect::Sold, 2)]
    );
}

#[tokio::test]
async fn reserving_too_much_takes_nothing() {
    let shop = Shop::open().await;
    shop.place("o-1", SCARCE, 2).await;
    shop.place("o-2", SCARCE, 2).await;
    assert_eq!(shop.effects("o-2").await, []);
    assert_eq!(shop.level(SCARCE).await, (3, 2));
}

#[tokio::test]
async fn a_cancelled_order_leaves_its_goods_to_others() {
    let shop = Shop::open().await;
    shop.place("o-1", SCARCE, 3).await;
    shop.cancel("o-1").await;
    shop.cancel("o-1").await;
    shop.place("o-2", SCARCE, 3).await;
    let effects = shop.effects("o-1").await;
    let expected = [(StockEffect::Reserved, 3), (StockEffect::Released, 3)];
    assert_eq!(effects, expected);
    assert_eq!(shop.effects("o-2").await, [(StockEffect::Reserved, 3)]);
}

#[tokio::test]
async fn an_order_that_was_cancelled_first_gets_nothing() {
    let shop = Shop::open().await;
    shop.cancel("o-1").await;
    shop.place("o-1", SCARCE, 1).await;
    assert_eq!(shop.effects("o-1").await, []);
}

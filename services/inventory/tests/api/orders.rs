//! The inventory as orders see it: events in, events out, and a ledger.

use api::{
    AuditRow, CancelReason, Cents, Currency, Fact, OrderItem, PlacedOrder, SealedCard, StockEffect,
};
use chassis::Host;
use futures_util::future::join_all;
use inventory::Store;
use testbed::{Databases, Teller, on_every_database};

use crate::open;

/// Seeded with three units.
const SCARCE: u32 = 13;

/// The inventory, two replicas of it, and somebody who tells it of orders.
struct Shop {
    store: Store,
    teller: Teller,
    _hosts: [Host; 2],
    _data: Databases,
}

impl Shop {
    async fn open(data: Databases) -> Self {
        let hosts = [(); 2].map(|()| Host::default());
        let state = open(&data, 100, &hosts[0]).await;
        open(&data, 100, &hosts[1]).await;
        Self {
            teller: Teller::open(&data, "orders").await,
            store: state.store,
            _hosts: hosts,
            _data: data,
        }
    }

    /// Tells `fact` and waits until the inventory has heard it.
    async fn tell(&self, order_id: &str, fact: Fact) {
        self.teller.tell(order_id, fact).await;
        self.teller.heard_by("inventory").await;
    }

    async fn place(&self, order_id: &str, product: u32, quantity: i64) {
        self.place_all(order_id, &[product], quantity).await;
    }

    /// Places an order for so many of each of these products.
    async fn place_all(&self, order_id: &str, products: &[u32], quantity: i64) {
        let item = |product: &u32| OrderItem {
            product_id: api::product_id(*product),
            quantity,
            price_cents: Cents(100),
        };
        let order = PlacedOrder {
            items: products.iter().map(item).collect(),
            total_cents: Cents(100) * quantity,
            currency: Currency::Eur,
            card: SealedCard {
                key_id: "none".into(),
                sealed: "opaque".into(),
            },
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
            } if order_id.as_str() == order => Some((effect, quantity)),
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

on_every_database! {
    a_confirmed_order_takes_its_goods_along,
    reserving_too_much_takes_nothing,
    a_cancelled_order_leaves_its_goods_to_others,
    an_order_that_was_cancelled_first_gets_nothing,
    many_orders_at_once_take_what_there_is_and_no_more,
    an_order_cancelled_while_it_is_reserved_keeps_nothing,
}

async fn a_confirmed_order_takes_its_goods_along(data: Databases) {
    let shop = Shop::open(data).await;
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

async fn reserving_too_much_takes_nothing(data: Databases) {
    let shop = Shop::open(data).await;
    shop.place("o-1", SCARCE, 2).await;
    shop.place("o-2", SCARCE, 2).await;
    assert_eq!(shop.effects("o-2").await, []);
    assert_eq!(shop.level(SCARCE).await, (3, 2));
}

async fn a_cancelled_order_leaves_its_goods_to_others(data: Databases) {
    let shop = Shop::open(data).await;
    shop.place("o-1", SCARCE, 3).await;
    shop.cancel("o-1").await;
    shop.cancel("o-1").await;
    shop.place("o-2", SCARCE, 3).await;
    let effects = shop.effects("o-1").await;
    let expected = [(StockEffect::Reserved, 3), (StockEffect::Released, 3)];
    assert_eq!(effects, expected);
    assert_eq!(shop.effects("o-2").await, [(StockEffect::Reserved, 3)]);
}

async fn an_order_that_was_cancelled_first_gets_nothing(data: Databases) {
    let shop = Shop::open(data).await;
    shop.cancel("o-1").await;
    shop.place("o-1", SCARCE, 1).await;
    assert_eq!(shop.effects("o-1").await, []);
}

async fn many_orders_at_once_take_what_there_is_and_no_more(data: Databases) {
    let shop = Shop::open(data).await;
    let products = [SCARCE, SCARCE + 1];
    let orders = (0..20).map(|number| {
        let shop = &shop;
        async move {
            let mut wanted = products;
            // Half of them want the same in another order.
            wanted.rotate_left(number % 2);
            shop.place_all(&format!("o-{number}"), &wanted, 1).await;
        }
    });
    join_all(orders).await;
    for product in products {
        let (on_hand, reserved) = shop.level(product).await;
        assert_eq!(on_hand, api::seed::stock(product));
        assert_eq!(
            reserved,
            api::seed::stock(SCARCE),
            "the scarcer one decides"
        );
    }
    let letters = shop.teller.broker().dead_letters("inventory").await;
    assert_eq!(letters.expect("letters"), []);
}

async fn an_order_cancelled_while_it_is_reserved_keeps_nothing(data: Databases) {
    let shop = Shop::open(data).await;
    let orders = (0..20).map(|number| {
        let shop = &shop;
        async move {
            let order_id = format!("o-{number}");
            tokio::join!(shop.place(&order_id, SCARCE, 1), shop.cancel(&order_id));
        }
    });
    join_all(orders).await;
    shop.place("o-last", SCARCE, 3).await;
    assert_eq!(
        shop.level(SCARCE).await,
        (3, 3),
        "all of it is for the last"
    );
    assert_eq!(shop.effects("o-last").await, [(StockEffect::Reserved, 3)]);
}

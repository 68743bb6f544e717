//! How orders end.

use api::{AuditRow, BROKEN_CARD, CancelReason, DECLINED_CARD, Fact, PaymentEffect, StockEffect};

use super::*;

/// Seeded with three units.
const SCARCE: u32 = 13;
const PATIENT: Duration = Duration::from_mins(5);

impl World {
    async fn stock(&self, order: &Order) -> Vec<StockEffect> {
        let rows = self.inventory.audit().await.expect("the ledger");
        let of_order = rows.into_iter().filter_map(|row| match row {
            AuditRow::Stock {
                order_id, effect, ..
            } if order_id == order.id => Some(effect),
            _ => None,
        });
        of_order.collect()
    }

    async fn money(&self, order: &Order) -> Vec<PaymentEffect> {
        let rows = self.payments.audit().await.expect("the ledger");
        let of_order = rows.into_iter().filter_map(|row| match row {
            AuditRow::Payment {
                order_id, effect, ..
            } if order_id == order.id => Some(effect),
            _ => None,
        });
        of_order.collect()
    }

    /// Waits until every queue is empty.
    async fn quiet(&self) {
        for queue in ["orders", "inventory", "payments"] {
            self.teller.heard_by(queue).await;
        }
    }

    async fn ends_as(&self, order: &Order, stock: &[StockEffect], money: &[PaymentEffect]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.stock(order).await != stock || self.money(order).await != money {
            let (stock, money) = (self.stock(order).await, self.money(order).await);
            assert!(Instant::now() < deadline, "{stock:?} and {money:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

on_every_database! {
    an_order_that_can_be_filled_and_paid_is_confirmed,
    an_order_for_more_than_there_is_is_cancelled_and_costs_nothing,
    an_order_whose_card_is_declined_is_cancelled_and_its_goods_are_back,
    an_order_whose_event_nobody_can_process_is_cancelled_in_time_and_its_goods_are_back,
    money_that_comes_for_a_cancelled_order_changes_nothing_there,
}

async fn an_order_that_can_be_filled_and_paid_is_confirmed(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let order = world.order("k-1", &good_order()).await;
    assert_eq!((order.status, order.reason), (OrderStatus::Confirmed, None));
    let price = api::seed(1).next().expect("a product").price_cents;
    assert_eq!(order.total_cents, price * 2);
    let stock = [StockEffect::Reserved, StockEffect::Sold];
    world
        .ends_as(&order, &stock, &[PaymentEffect::Captured])
        .await;
}

async fn an_order_for_more_than_there_is_is_cancelled_and_costs_nothing(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let order = world.order("k-1", &order(SCARCE, 4, GOOD_CARD)).await;
    assert_eq!(order.reason, Some(CancelReason::OutOfStock));
    world.ends_as(&order, &[], &[]).await;
}

async fn an_order_whose_card_is_declined_is_cancelled_and_its_goods_are_back(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let declined = world.order("k-1", &order(SCARCE, 3, DECLINED_CARD)).await;
    assert_eq!(declined.reason, Some(CancelReason::PaymentDeclined));
    let stock = [StockEffect::Reserved, StockEffect::Released];
    let money = [PaymentEffect::Declined];
    world.ends_as(&declined, &stock, &money).await;
    let good = world.order("k-2", &order(SCARCE, 3, GOOD_CARD)).await;
    assert_eq!(good.status, OrderStatus::Confirmed);
}

async fn an_order_whose_event_nobody_can_process_is_cancelled_in_time_and_its_goods_are_back(
    data: Databases,
) {
    // In time for the good order and for the other's goods, however busy the machine is.
    let world = World::open(data, Duration::from_secs(8)).await;
    let (poison, good) = (order(SCARCE, 3, BROKEN_CARD), good_order());
    let (poison, good) = tokio::join!(world.order("k-1", &poison), world.order("k-2", &good));
    assert_eq!(good.status, OrderStatus::Confirmed, "it waits for nobody");
    assert_eq!(poison.reason, Some(CancelReason::TimedOut));
    let stock = [StockEffect::Reserved, StockEffect::Released];
    world.ends_as(&poison, &stock, &[]).await;
}

async fn money_that_comes_for_a_cancelled_order_changes_nothing_there(data: Databases) {
    let world = World::open(data, PATIENT).await;
    let cancelled = world.order("k-1", &order(SCARCE, 4, GOOD_CARD)).await;
    world
        .teller
        .tell(
            cancelled.id.as_str(),
            Fact::PaymentCaptured {
                amount_cents: api::Cents(1),
            },
        )
        .await;
    world.quiet().await;
    let path = format!("/orders/{}", cancelled.id);
    let now: Order = world
        .get("u-1", &path)
        .await
        .json()
        .await
        .expect("an order");
    assert_eq!(now, cancelled);
}

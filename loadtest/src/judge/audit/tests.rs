//! The audit can fail, and says which order.

use api::{CancelReason, ProductId};

use super::*;
use crate::evidence::ledgers::Level;

const KEY: &str = "nominal-1-1";

fn product() -> ProductId {
    "p-000001".parse().unwrap()
}

/// One order, confirmed and paid, of two units; and one cancelled, which was charged and got its money back.
fn healthy() -> (Vec<Promise>, Ledgers) {
    let order = |status, reason, key: &str| OrderEntry {
        status,
        reason,
        total_cents: 500,
        idempotency_key: key.into(),
        items: vec![(product(), 2)],
    };
    let mut ledgers = Ledgers::default();
    let confirmed = order(OrderStatus::Confirmed, None, KEY);
    ledgers.orders.insert("o-1".into(), confirmed);
    let timed_out = Some(CancelReason::TimedOut);
    let cancelled = order(OrderStatus::Cancelled, timed_out, "nominal-2-1");
    ledgers.orders.insert("o-2".into(), cancelled);
    let stock = |effects: [StockEffect; 2]| effects.map(|it| (product(), it, 2)).to_vec();

    ledgers.stock.insert(
        "o-1".into(),
        stock([StockEffect::Reserved, StockEffect::Sold]),
    );
    ledgers.stock.insert(
        "o-2".into(),
        stock([StockEffect::Reserved, StockEffect::Released]),
    );
    let captured = (PaymentEffect::Captured, 500);
    ledgers.payments.insert("o-1".into(), vec![captured]);
    let refunded = (PaymentEffect::Refunded, 500);
    ledgers
        .payments
        .insert("o-2".into(), vec![captured, refunded]);
    let level = Level {
        initial: 10,
        on_hand: 8,
        reserved: 0,
    };
    ledgers.levels.insert(product().to_string(), level);
    let promise = |order_id: &str, key: &str, seen, fair| Promise {
        order_id: order_id.into(),
        key: key.into(),
        acknowledged_us: 0,
        seen: Some(seen),
        fair,
    };
    let promises = vec![
        promise("o-1", KEY, OrderStatus::Confirmed, true),
        promise("o-2", "nominal-2-1", OrderStatus::Cancelled, false),
    ];
    (promises, ledgers)
}

/// The names of the checks that fail, each with an order that it names.
fn failing(change: impl FnOnce(&mut Vec<Promise>, &mut Ledgers)) -> Vec<String> {
    let (mut promises, mut ledgers) = healthy();
    change(&mut promises, &mut ledgers);
    let checks = checks(&promises, &ledgers);
    let failing = checks.into_iter().filter(|it| it.outcome == Outcome::Fail);
    failing
        .map(|it| {
            let named = it
                .details
                .iter()
                .any(|it| it.contains("o-") || it.contains("p-"));
            assert!(named, "{it:?}");
            it.name
        })
        .collect()
}

#[test]
fn healthy_ledgers_pass_and_no_order_at_all_shows_nothing() {
    assert_eq!(failing(|_, _| ()), Vec::<String>::new());
    let none = checks(&[], &Ledgers::default());
    assert!(none.iter().all(|it| it.outcome == Outcome::Invalid));
}

#[test]
fn an_order_that_is_gone_or_not_final_is_lost() {
    let gone = failing(|_, ledgers| _ = ledgers.orders.remove("o-1"));
    assert!(
        gone.contains(&"no acknowledged order is lost".into()),
        "{gone:?}"
    );
    let pending = failing(|_, ledgers| {
        ledgers.orders.get_mut("o-2").unwrap().status = OrderStatus::Pending;
    });
    assert!(pending.contains(&"no acknowledged order is lost".into()));
}

#[test]
fn an_effect_or_an_order_that_happened_twice_is_found_even_if_the_balance_is_right() {
    let captured_twice = failing(|_, ledgers| {
        let effects = ledgers.payments.get_mut("o-2").unwrap();
        effects.extend([
            (PaymentEffect::Captured, 500),
            (PaymentEffect::Refunded, 500),
        ]);
    });
    assert_eq!(captured_twice, ["no order was taken twice"]);
    let ordered_twice = failing(|_, ledgers| {
        let twin = ledgers.orders["o-1"].clone();
        ledgers.orders.insert("o-3".into(), twin);
    });
    assert!(ordered_twice.contains(&"no order was taken twice".into()));
    let unanswered = failing(|promises, ledgers| {
        let twin = ledgers.orders["o-2"].clone();
        ledgers.orders.insert("o-3".into(), twin);
        promises.pop();
    });
    assert_eq!(unanswered, ["no order was taken twice"]);
}

#[test]
fn money_that_was_kept_for_a_cancelled_order_is_found() {
    let kept = failing(|_, ledgers| {
        ledgers.payments.get_mut("o-2").unwrap().pop();
    });
    assert_eq!(kept, ["money is where it belongs"]);
}

#[test]
fn stock_that_does_not_add_up_is_found() {
    let held = failing(|_, ledgers| {
        ledgers.stock.get_mut("o-2").unwrap().pop();
    });
    assert_eq!(held, ["stock is where it belongs"]);
    let stolen = failing(|_, ledgers| ledgers.levels.get_mut("p-000001").unwrap().on_hand = 7);
    assert_eq!(stolen, ["stock is where it belongs"]);
    let strange = failing(|_, ledgers| {
        let effects = ledgers.stock["o-2"].clone();
        ledgers.stock.insert("o-9".into(), effects);
    });
    assert_eq!(strange, ["stock is where it belongs"]);
}

#[test]
fn a_buyer_who_was_told_something_else_is_found() {
    let told = failing(|promises, _| promises[1].seen = Some(OrderStatus::Confirmed));
    assert_eq!(told, ["clients saw what the ledger says"]);
    let somebody_elses = failing(|promises, _| promises[0].key = "nominal-3-1".into());
    assert_eq!(somebody_elses, ["clients saw what the ledger says"]);
}

#[test]
fn cancelling_what_nothing_stood_against_is_no_way_to_pass() {
    let cancelled = failing(|promises, _| promises[1].fair = true);
    assert_eq!(cancelled, ["orders are confirmed"]);
}

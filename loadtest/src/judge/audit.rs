//! The audit: what the clients were promised, against the ledgers of orders, inventory and payments.
//!
//! Each acknowledged order is there once and final; money and stock are where its end says; no effect happened twice; and
//! cancelling everything is no way to pass.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use api::{OrderStatus, PaymentEffect, StockEffect};

use crate::{
    engine::Attempt,
    evidence::ledgers::{Ledgers, OrderEntry},
    measurement::Measurement,
    statistics::{grouped, to_f64},
    verdict::{Check, Group, Outcome},
};

/// How many orders a check names.
const NAMED: usize = 5;
/// The smallest share of orders that nothing stands against which must be confirmed.
const MIN_CONFIRMED: f64 = 0.98;

/// An order that a client was told is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) order_id: String,
    /// The idempotency key it was placed under.
    pub(crate) key: String,
    /// When the client was told; microseconds since the first arrival was due.
    pub(crate) acknowledged_us: i64,
    /// The last state the client saw, if that was final.
    pub(crate) seen: Option<OrderStatus>,
    /// Whether neither card nor stock stood against it.
    pub(crate) fair: bool,
}

/// What clients were promised and saw.
pub(crate) fn promises(attempts: &[Attempt]) -> Vec<Promise> {
    let mut seen: BTreeMap<&str, OrderStatus> = BTreeMap::new();
    let orders = || {
        attempts
            .iter()
            .filter_map(|it| Some((it, it.order.as_ref()?)))
    };
    for (_, order) in orders().filter(|(_, order)| order.status != OrderStatus::Pending) {
        seen.insert(&order.id, order.status);
    }
    orders()
        .filter(|(attempt, _)| attempt.acknowledged_order())
        .map(|(attempt, order)| Promise {
            order_id: order.id.clone(),
            key: order.key.clone(),
            acknowledged_us: attempt.done_us,
            seen: seen.get(order.id.as_str()).copied(),
            fair: order.fair,
        })
        .collect()
}

/// Every check of the audit on what this stretch of load has promised.
pub(crate) fn all(it: &Measurement) -> Vec<Check> {
    checks(&promises(&it.clients.load.attempts), &it.ledgers)
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The orders it is about.
    pub(crate) orders: Vec<String>,
    text: String,
}

impl Wrong {
    fn of(order: &str, text: String) -> Self {
        Self {
            orders: vec![order.to_owned()],
            text,
        }
    }
}

/// Every check of the audit. `promises` are the clients', of this stretch or of several; the ledgers may hold more.
fn checks(promises: &[Promise], ledgers: &Ledgers) -> Vec<Check> {
    let counts = format!("{} acknowledged", grouped(promises.len() as u64));
    let check = |name: &str, wrong: Vec<Wrong>| {
        let outcome = match (promises.is_empty(), wrong.is_empty()) {
            (true, _) => Outcome::Invalid,
            (_, true) => Outcome::Pass,
            (_, false) => Outcome::Fail,
        };
        let observed = format!("{counts}, {} wrong", wrong.len());
        Check::new(Group::Audit, name, outcome)
            .saw(observed, "none wrong")
            .because(wrong.into_iter().take(NAMED).map(|it| it.text).collect())
    };
    vec![
        check("no acknowledged order is lost", lost(promises, ledgers)),
        check("no order was taken twice", doubled(ledgers)),
        check(
            "clients saw what the ledger says",
            contradicted(promises, ledgers),
        ),
        check("money is where it belongs", money(ledgers)),
        check("stock is where it belongs", stock(ledgers)),
        confirmed(promises, ledgers),
    ]
}

/// Orders that are not there, or not final.
pub(crate) fn lost(promises: &[Promise], ledgers: &Ledgers) -> Vec<Wrong> {
    let problem = |it: &Promise| {
        let what = match ledgers.orders.get(&it.order_id) {
            None => "there",
            Some(order) if order.status == OrderStatus::Pending => "final",
            Some(_) => return None,
        };
        let text = format!("order {} is not {what}", it.order_id);
        Some(Wrong::of(&it.order_id, text))
    };
    promises.iter().filter_map(problem).collect()
}

/// Keys that several orders have, effects that happened more than once.
pub(crate) fn doubled(ledgers: &Ledgers) -> Vec<Wrong> {
    let mut by_key: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, order) in &ledgers.orders {
        let ids = by_key.entry(&order.idempotency_key).or_default();
        ids.insert(id);
    }
    let mut wrong = Vec::new();
    // Also where nobody was told: the client will try again.
    for (key, ids) in by_key.into_iter().filter(|it| it.1.len() > 1) {
        let ids: Vec<_> = ids.into_iter().collect();
        wrong.push(Wrong {
            text: format!("request {key} became orders {}", ids.join(" and ")),
            orders: ids.into_iter().map(str::to_owned).collect(),
        });
    }
    for (order_id, effects) in &ledgers.payments {
        for effect in [PaymentEffect::Captured, PaymentEffect::Refunded] {
            let times = effects.iter().filter(|it| it.0 == effect).count();
            if times > 1 {
                let text = format!("order {order_id}: {effect:?} {times} times");
                wrong.push(Wrong::of(order_id, text));
            }
        }
    }
    for (order_id, effects) in &ledgers.stock {
        let mut times: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for (product, effect, _) in effects {
            *times
                .entry((product.as_str(), effect.as_str()))
                .or_default() += 1;
        }
        for ((product, name), times) in times.into_iter().filter(|it| it.1 > 1) {
            let text = format!("order {order_id}: {product} {name} {times} times");
            wrong.push(Wrong::of(order_id, text));
        }
    }
    wrong
}

fn contradicted(promises: &[Promise], ledgers: &Ledgers) -> Vec<Wrong> {
    let problem = |it: &Promise| {
        let (id, order) = (&it.order_id, ledgers.orders.get(&it.order_id)?);
        if order.idempotency_key != it.key {
            let (asked, answered) = (&it.key, &order.idempotency_key);
            let text = format!("request {asked} got order {id} of {answered}");
            return Some(Wrong::of(id, text));
        }
        let (seen, is) = (it.seen?.as_str(), order.status.as_str());
        let text = || format!("order {id}: client saw {seen}, ledger has {is}");
        (seen != is).then(|| Wrong::of(id, text()))
    };
    promises.iter().filter_map(problem).collect()
}

/// Captured less refunded is the total of a confirmed order and nothing of any other.
fn money(ledgers: &Ledgers) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (order_id, order) in finals(ledgers) {
        let kept: i64 = ledgers
            .payments
            .get(order_id)
            .into_iter()
            .flatten()
            .map(|(effect, cents)| match effect {
                PaymentEffect::Captured => *cents,
                PaymentEffect::Refunded => -cents,
                PaymentEffect::Declined => 0,
            })
            .sum();
        let due = match order.status {
            OrderStatus::Confirmed => order.total_cents,
            _ => 0,
        };
        if kept != due {
            let status = order.status.as_str();
            let text = format!("order {order_id} is {status}: {kept} cents kept, {due} due");
            wrong.push(Wrong::of(order_id, text));
        }
    }
    for order_id in ledgers.payments.keys() {
        if !ledgers.orders.contains_key(order_id) {
            let text = format!("order {order_id} has payments and does not exist");
            wrong.push(Wrong::of(order_id, text));
        }
    }
    wrong
}

/// What a confirmed order wanted is sold, what a cancelled one held is free again, and every product adds up.
fn stock(ledgers: &Ledgers) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for (order_id, order) in finals(ledgers) {
        let effects = ledgers.stock.get(order_id).map_or(&[][..], Vec::as_slice);
        for (product, quantity) in &order.items {
            let sum = |wanted: StockEffect| -> i64 {
                let of = effects
                    .iter()
                    .filter(|it| it.0 == *product && it.1 == wanted);
                of.map(|it| it.2).sum()
            };
            let (reserved, released, sold) = (
                sum(StockEffect::Reserved),
                sum(StockEffect::Released),
                sum(StockEffect::Sold),
            );
            let right = match order.status {
                OrderStatus::Confirmed => (reserved, released, sold) == (*quantity, 0, *quantity),
                _ => reserved == released && sold == 0,
            };
            if !right {
                let status = order.status.as_str();
                let text = format!(
                    "order {order_id} is {status}: of {quantity} {product}, {reserved} were reserved, {released} released, {sold} sold"
                );
                wrong.push(Wrong::of(order_id, text));
            }
        }
    }
    for order_id in ledgers.stock.keys() {
        if !ledgers.orders.contains_key(order_id) {
            let text = format!("order {order_id} took stock and does not exist");
            wrong.push(Wrong::of(order_id, text));
        }
    }
    let pending = ledgers
        .orders
        .values()
        .any(|it| it.status == OrderStatus::Pending);
    for (product, level) in &ledgers.levels {
        let sold: i64 = ledgers
            .stock
            .values()
            .flatten()
            .filter(|it| it.0.as_str() == product && it.1 == StockEffect::Sold)
            .map(|it| it.2)
            .sum();
        if level.initial - sold != level.on_hand || (level.reserved != 0 && !pending) {
            wrong.push(Wrong {
                orders: Vec::new(),
                text: format!(
                    "{product}: {} at the start, {sold} sold, {} on hand, {} reserved",
                    level.initial, level.on_hand, level.reserved
                ),
            });
        }
    }
    wrong
}

fn finals(ledgers: &Ledgers) -> impl Iterator<Item = (&String, &OrderEntry)> {
    let orders = ledgers.orders.iter();
    orders.filter(|it| it.1.status != OrderStatus::Pending)
}

/// Cancelling everything is no way to pass.
fn confirmed(promises: &[Promise], ledgers: &Ledgers) -> Check {
    let fair: Vec<_> = promises.iter().filter(|it| it.fair).collect();
    let mut cancelled = Vec::new();
    for it in &fair {
        let ending = ledgers.ending(&it.order_id).unwrap_or("lost");
        if ending != "confirmed" {
            cancelled.push(format!("order {} is {ending}", it.order_id));
        }
    }
    let share = 1.0 - to_f64(cancelled.len() as u64) / to_f64(fair.len().max(1) as u64);
    let outcome = match fair.is_empty() {
        true => Outcome::Invalid,
        false if share >= MIN_CONFIRMED => Outcome::Pass,
        false => Outcome::Fail,
    };
    let observed = format!(
        "{} of {} orders that had stock and a valid card",
        fair.len() - cancelled.len(),
        fair.len()
    );
    Check::new(Group::Audit, "orders are confirmed", outcome)
        .saw(observed, format!("at least {} %", MIN_CONFIRMED * 100.0))
        .because(cancelled.into_iter().take(NAMED).collect())
}

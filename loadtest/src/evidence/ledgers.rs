//! The ledgers: what orders, inventory and payments have written down.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use api::{AuditRow, CancelReason, OrderStatus, PaymentEffect, ProductId, StockEffect};

use crate::deployment::{Deployment, Service};

/// An order as orders has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderEntry {
    pub(crate) status: OrderStatus,
    pub(crate) reason: Option<CancelReason>,
    pub(crate) total_cents: i64,
    pub(crate) idempotency_key: String,
    pub(crate) items: Vec<(ProductId, i64)>,
}

/// A product as inventory has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) initial: i64,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
}

/// The three ledgers, by order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledgers {
    pub(crate) orders: BTreeMap<String, OrderEntry>,
    pub(crate) stock: BTreeMap<String, Vec<(ProductId, StockEffect, i64)>>,
    pub(crate) payments: BTreeMap<String, Vec<(PaymentEffect, i64)>>,
    pub(crate) levels: BTreeMap<String, Level>,
}

impl Ledgers {
    /// Those of a deployment of ours.
    pub(crate) async fn of(deployment: &Deployment) -> anyhow::Result<Self> {
        let replicas = deployment.replicas();
        // Replicas share a ledger, so one is as good as another.
        let admin = |service| replicas.iter().find_map(|it| it.admin_of(service));
        Self::read(deployment.http(), admin).await
    }

    /// Asks the three services at the base of their `admin` URLs.
    ///
    /// # Errors
    /// One that has no port or does not answer, or whose answer is no ledger.
    pub(crate) async fn read(
        http: &reqwest::Client,
        admin: impl Fn(Service) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let mut ledgers = Self::default();
        for service in Self::KEPT_BY {
            let admin = admin(service).with_context(|| format!("{service} is not running"))?;
            let url = format!("{admin}/audit");
            let read = async {
                let answer = http.get(&url).send().await?;
                answer.error_for_status()?.text().await
            };
            let text = read.await.with_context(|| format!("read {url}"))?;
            for line in text.lines() {
                let row = serde_json::from_str(line).with_context(|| format!("read {url}"))?;
                ledgers.enter(row);
            }
        }
        Ok(ledgers)
    }

    /// Those who keep one.
    pub(crate) const KEPT_BY: [Service; 3] =
        [Service::Orders, Service::Inventory, Service::Payments];

    /// Only what came of requests with these idempotency keys: others may use the shop too. How much there is of a product is left
    /// out, because theirs counts there.
    pub(crate) fn only(mut self, keys: &BTreeSet<&str>) -> Self {
        self.orders
            .retain(|_, order| keys.contains(order.idempotency_key.as_str()));
        let orders = &self.orders;
        self.stock.retain(|order, _| orders.contains_key(order));
        self.payments.retain(|order, _| orders.contains_key(order));
        self.levels.clear();
        self
    }

    pub(crate) fn enter(&mut self, row: AuditRow) {
        match row {
            AuditRow::Order {
                order_id,
                status,
                reason,
                total_cents,
                idempotency_key,
                items,
            } => {
                let entry = OrderEntry {
                    status,
                    reason,
                    total_cents: total_cents.0,
                    idempotency_key,
                    items,
                };
                self.orders.insert(order_id.into(), entry);
            }
            AuditRow::Stock {
                order_id,
                product_id,
                effect,
                quantity,
                ..
            } => {
                let effects = self.stock.entry(order_id.into()).or_default();
                effects.push((product_id, effect, quantity));
            }
            AuditRow::Level {
                product_id,
                initial,
                on_hand,
                reserved,
            } => {
                let level = Level {
                    initial,
                    on_hand,
                    reserved,
                };
                self.levels.insert(product_id.to_string(), level);
            }
            AuditRow::Payment {
                order_id,
                effect,
                amount_cents,
                ..
            } => {
                let effects = self.payments.entry(order_id.into()).or_default();
                effects.push((effect, amount_cents.0));
            }
        }
    }

    /// How an order ended, in one word; none if there is no such order.
    pub(crate) fn ending(&self, order_id: &str) -> Option<&'static str> {
        let order = self.orders.get(order_id)?;
        Some(match order.reason {
            Some(reason) if order.status == OrderStatus::Cancelled => reason.as_str(),
            _ => order.status.as_str(),
        })
    }
}

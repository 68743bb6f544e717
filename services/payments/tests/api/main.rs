//! Payments as the other services see it: events in, events out, and a ledger.

use api::{
    AuditRow, BROKEN_CARD, CancelReason, CardNumber, Cents, Currency, DECLINED_CARD, Fact,
    GOOD_CARD, PaymentEffect, PlacedOrder,
};
use cards::SealingKey;
use chassis::Host;
use clap::Parser as _;
use payments::{Config, State, Store};
use testbed::{Databases, Teller, eventually, on_every_database};

/// Payments, two replicas of it, and somebody who tells it of orders.
struct Shop {
    store: Store,
    teller: Teller,
    card_key: SealingKey,
    _hosts: [Host; 2],
    _data: Databases,
}

impl Shop {
    async fn open(data: Databases, flags: &[&str]) -> Self {
        let database_flag = format!("--database-url={}", data.url("payments").await);
        let broker_flag = format!("--broker-url={}", data.file("broker"));
        let (private, public) = (data.path("private.pem"), data.path("public.pem"));
        let key = cards::generate();
        std::fs::write(&private, &key).expect("a written file");
        let key = cards::public_of(&key).expect("its public key");
        std::fs::write(&public, key).expect("a written file");
        let key_flag = format!("--card-key-file={}", private.display());
        let mut arguments = vec!["payments", &database_flag, &broker_flag, &key_flag];
        arguments.extend(flags);
        let config = Config::parse_from(arguments);
        let hosts = [(); 2].map(|()| Host::default());
        let state = State::open(&config, &hosts[0]).await;
        let replica = State::open(&config, &hosts[1]).await;
        replica.expect("what it needs, too");
        Self {
            teller: Teller::open(&data, "orders").await,
            store: state.expect("what it needs").store,
            card_key: SealingKey::read(&public).expect("a key"),
            _hosts: hosts,
            _data: data,
        }
    }

    async fn tell(&self, order_id: &str, fact: Fact) {
        self.teller.tell(order_id, fact).await;
    }

    async fn reserved(&self, order_id: &str, card: &str) {
        self.reserved_with(order_id, order_id, card).await;
    }

    /// The same with a card that is sealed for some order.
    async fn reserved_with(&self, order_id: &str, sealed_for: &str, card: &str) {
        let sealed_for = sealed_for.parse().expect("an order id");
        let order = PlacedOrder {
            items: Vec::new(),
            total_cents: Cents(500),
            currency: Currency::Eur,
            card: self.card_key.seal(&CardNumber(card.into()), &sealed_for),
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
            } if order_id.as_str() == order => Some((effect, amount_cents.0)),
            _ => None,
        });
        of_order.collect()
    }

    /// What was taken for an order and not given back.
    async fn balance(&self, order: &str) -> i64 {
        let effects = self.effects(order).await;
        let cents = effects.iter().map(|(effect, cents)| match effect {
            PaymentEffect::Captured => *cents,
            PaymentEffect::Refunded => -cents,
            PaymentEffect::Declined => 0,
        });
        cents.sum()
    }

    /// Waits until payments has heard everything.
    async fn settled(&self) {
        self.teller.heard_by("payments").await;
    }
}

on_every_database! {
    what_is_reserved_is_charged_and_the_outcome_is_told,
    a_cancelled_order_gets_its_money_back_once,
    an_order_that_was_cancelled_first_is_never_charged,
    an_order_cancelled_while_the_provider_was_asked_gets_its_money_back,
    orders_cancelled_at_the_moment_they_are_charged_get_their_money_back,
    an_order_the_provider_breaks_down_over_holds_nobody_up,
    nobody_pays_with_the_card_of_another_order,
}

async fn what_is_reserved_is_charged_and_the_outcome_is_told(data: Databases) {
    let shop = Shop::open(data, &["--decline-above=1000"]).await;
    shop.reserved("o-good", GOOD_CARD).await;
    shop.reserved("o-declined", DECLINED_CARD).await;
    shop.settled().await;
    let good = shop.effects("o-good").await;
    assert_eq!(good, [(PaymentEffect::Captured, 500)]);
    let declined = shop.effects("o-declined").await;
    assert_eq!(declined, [(PaymentEffect::Declined, 500)]);
    eventually("orders is told", async || {
        let depth = shop.teller.broker().depth("orders").await;
        depth.expect("the queue").messages >= 2
    })
    .await;
}

async fn a_cancelled_order_gets_its_money_back_once(data: Databases) {
    let shop = Shop::open(data, &[]).await;
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

async fn an_order_that_was_cancelled_first_is_never_charged(data: Databases) {
    let shop = Shop::open(data, &[]).await;
    shop.cancelled("o-1").await;
    shop.settled().await;
    shop.reserved("o-1", GOOD_CARD).await;
    shop.settled().await;
    assert_eq!(shop.effects("o-1").await, []);
}

async fn an_order_cancelled_while_the_provider_was_asked_gets_its_money_back(data: Databases) {
    let shop = Shop::open(data, &["--provider-latency=1s"]).await;
    shop.reserved("o-1", GOOD_CARD).await;
    shop.cancelled("o-1").await;
    shop.settled().await;
    // Either cancelled before the provider was asked, or charged and given back: never just charged.
    assert_eq!(shop.balance("o-1").await, 0);
}

async fn orders_cancelled_at_the_moment_they_are_charged_get_their_money_back(data: Databases) {
    let shop = Shop::open(data, &["--provider-latency=5ms"]).await;
    for number in 0..40 {
        let order_id = format!("o-{number}");
        shop.reserved(&order_id, GOOD_CARD).await;
        shop.cancelled(&order_id).await;
    }
    shop.settled().await;
    for number in 0..40 {
        let order_id = format!("o-{number}");
        assert_eq!(shop.balance(&order_id).await, 0, "{order_id}");
    }
    let letters = shop.teller.broker().dead_letters("payments").await;
    assert_eq!(letters.expect("letters"), []);
}

async fn an_order_the_provider_breaks_down_over_holds_nobody_up(data: Databases) {
    let shop = Shop::open(data, &[]).await;
    shop.reserved("o-poison", BROKEN_CARD).await;
    shop.reserved("o-good", GOOD_CARD).await;
    shop.settled().await;
    let good = shop.effects("o-good").await;
    assert_eq!(good, [(PaymentEffect::Captured, 500)]);
    assert_eq!(shop.effects("o-poison").await, []);
    let letters = shop
        .teller
        .broker()
        .dead_letters("payments")
        .await
        .expect("letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].attempts, 5);
}

async fn nobody_pays_with_the_card_of_another_order(data: Databases) {
    let shop = Shop::open(data, &[]).await;
    shop.reserved_with("o-thief", "o-1", GOOD_CARD).await;
    shop.reserved("o-1", GOOD_CARD).await;
    shop.settled().await;
    assert_eq!(shop.balance("o-1").await, 500);
    assert_eq!(shop.effects("o-thief").await, []);
    let letters = shop.teller.broker().dead_letters("payments").await;
    assert_eq!(letters.expect("letters").len(), 1);
}

//! The payment provider: a third party as the shop sees it, slow and not always right.
//!
//! A real one is given an idempotency key with each charge. Here the order's id is that key, and charging it again changes
//! nothing, because the ledger is written by the shop alone.

use std::time::Duration;

use api::{BROKEN_CARD, CardNumber, Cents, Currency};
use chassis::Error;

use crate::Config;

/// What the provider made of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    /// The money is ours.
    Captured,
    /// It is not.
    Declined,
}

/// A connection to the provider.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    latency: Duration,
    decline_cards: Vec<CardNumber>,
    decline_above: Option<Cents>,
}

impl Provider {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            latency: config.provider_latency,
            decline_cards: config
                .decline_card
                .iter()
                .cloned()
                .map(CardNumber)
                .collect(),
            decline_above: config.decline_above,
        }
    }

    /// Asks for `amount_cents` in `currency` from `card`.
    ///
    /// # Errors
    /// The provider broke down over it.
    pub(crate) async fn charge(
        &self,
        card: &CardNumber,
        amount_cents: Cents,
        currency: Currency,
    ) -> Result<Charge, Error> {
        // The shop has an account for this one; where there are more, this does not compile.
        let Currency::Eur = currency;
        tokio::time::sleep(self.latency).await;
        self.decide(card, amount_cents)
    }

    fn decide(&self, card: &CardNumber, amount_cents: Cents) -> Result<Charge, Error> {
        if card.0 == BROKEN_CARD {
            return Err(Error::Internal(anyhow::anyhow!("payment provider failed")));
        }
        let above = self.decline_above.is_some_and(|it| amount_cents > it);
        if above || self.decline_cards.contains(card) {
            return Ok(Charge::Declined);
        }
        Ok(Charge::Captured)
    }
}

#[cfg(test)]
mod tests {
    use api::{DECLINED_CARD, GOOD_CARD};
    use clap::Parser as _;

    use super::*;

    #[test]
    fn test_cards_decide_and_so_does_the_amount() {
        let config = Config::parse_from([
            "payments",
            "--card-key-file=key.pem",
            "--decline-above=1000",
        ]);
        let provider = Provider::new(&config);
        let charge = |card: &str, cents| provider.decide(&CardNumber(card.into()), Cents(cents));
        assert_eq!(charge(GOOD_CARD, 1_000).unwrap(), Charge::Captured);
        assert_eq!(charge(GOOD_CARD, 1_001).unwrap(), Charge::Declined);
        assert_eq!(charge(DECLINED_CARD, 1).unwrap(), Charge::Declined);
        let broken = charge(BROKEN_CARD, 1).unwrap_err();
        assert!(!format!("{broken:?}").contains(BROKEN_CARD));
    }
}

//! The rules of payments. No I/O here.

use api::{Cents, Fact, PaymentEffect};

use crate::provider::Charge;

/// What follows from a charge: effects for the ledger, each with the fact that tells of it.
///
/// The order may have been cancelled while the provider was asked. Then the money goes back at once.
pub(crate) fn settle(
    charge: Charge,
    cancelled: bool,
    amount_cents: Cents,
) -> Vec<(PaymentEffect, Fact)> {
    let captured = (
        PaymentEffect::Captured,
        Fact::PaymentCaptured { amount_cents },
    );
    match (charge, cancelled) {
        (Charge::Declined, _) => vec![(PaymentEffect::Declined, Fact::PaymentDeclined {})],
        (Charge::Captured, false) => vec![captured],
        (Charge::Captured, true) => vec![captured, refund(amount_cents)],
    }
}

/// Gives `amount_cents` back.
pub(crate) fn refund(amount_cents: Cents) -> (PaymentEffect, Fact) {
    (
        PaymentEffect::Refunded,
        Fact::PaymentRefunded { amount_cents },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_taken_for_a_cancelled_order_goes_back_at_once() {
        use PaymentEffect::{Captured, Declined, Refunded};
        let effects = |charge, cancelled| {
            let settled = settle(charge, cancelled, Cents(5));
            settled.into_iter().map(|it| it.0).collect::<Vec<_>>()
        };
        assert_eq!(effects(Charge::Captured, false), [Captured]);
        assert_eq!(effects(Charge::Captured, true), [Captured, Refunded]);
        assert_eq!(effects(Charge::Declined, true), [Declined]);
    }
}

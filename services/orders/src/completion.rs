//! How long orders take, as metrics: from their placing to their final state, and those that should be final and are not.

use std::{sync::LazyLock, time::Duration};

use api::CancelReason;
use chassis::now_ms;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
};
use telemetry::names;

use crate::order::Verdict;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

type ByOutcome = Family<OutcomeLabel, Histogram, fn() -> Histogram>;

static COMPLETION: LazyLock<ByOutcome> = LazyLock::new(|| {
    let help = "Time from the placing of an order to its final state";
    let new: fn() -> Histogram = || Histogram::new(names::LATENCY_BUCKETS);
    telemetry::register(
        names::ORDERS_COMPLETION,
        help,
        Family::new_with_constructor(new),
    )
});

static PENDING: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Orders that are not final";
    telemetry::register(names::ORDERS_PENDING, help, Gauge::default())
});

static OVERDUE: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Orders that are not final 10 s after they were placed";
    telemetry::register(names::ORDERS_OVERDUE, help, Gauge::default())
});

/// Has `/metrics` show every outcome at zero: a rate misses the first sample of a series that was not there before.
pub(crate) fn begin() {
    use CancelReason::{OutOfStock, PaymentDeclined, TimedOut};
    let cancelled = [OutOfStock, PaymentDeclined, TimedOut].map(Verdict::Cancelled);
    for verdict in [Verdict::Confirmed].into_iter().chain(cancelled) {
        let outcome = verdict.outcome();
        drop(COMPLETION.get_or_create(&OutcomeLabel { outcome }));
    }
}

/// An order that was placed then, in milliseconds since 1970, is final, and committed to be so.
pub(crate) fn observe(verdict: Verdict, placed_ms: i64) {
    let millis = u64::try_from(now_ms() - placed_ms).unwrap_or_default();
    let outcome = verdict.outcome();
    let histogram = COMPLETION.get_or_create(&OutcomeLabel { outcome });
    histogram.observe(Duration::from_millis(millis).as_secs_f64());
}

/// So many orders are not final, and so many of them should be.
pub(crate) fn count(pending: i64, overdue: i64) {
    PENDING.set(pending);
    OVERDUE.set(overdue);
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, registry::Registry};

    use super::*;

    #[test]
    fn every_outcome_is_there_from_the_start_and_an_order_counts_for_its_own() {
        begin();
        let shown = || {
            let mut registry = Registry::default();
            registry.register("completion", "", COMPLETION.clone());
            let mut shown = String::new();
            text::encode(&mut shown, &registry).unwrap();
            shown
        };
        let outcomes = ["confirmed", "out_of_stock", "payment_declined", "timed_out"];
        for outcome in outcomes {
            assert!(shown().contains(&format!("_count{{outcome=\"{outcome}\"}} ")));
        }
        let in_time = "_bucket{le=\"10.0\",outcome=\"payment_declined\"}";
        let all = "_count{outcome=\"payment_declined\"}";
        let counted = |series: &str| -> u64 {
            let text = shown();
            let line = text.lines().find(|it| it.contains(series)).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let before = (counted(in_time), counted(all));
        let declined = Verdict::Cancelled(CancelReason::PaymentDeclined);
        observe(declined, now_ms() - 2_000);
        observe(declined, now_ms() - 12_000);
        assert_eq!(
            (counted(in_time), counted(all)),
            (before.0 + 1, before.1 + 2)
        );
    }
}

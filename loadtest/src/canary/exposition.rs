//! What a trial says of itself as metrics.

use std::sync::{LazyLock, atomic::AtomicU64};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use telemetry::names;

use super::{
    comparison::Comparison,
    decision::{Decision, NAMES},
};
use crate::deployment::Service;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    service: &'static str,
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    service: &'static str,
    signal: &'static str,
}

static DECISIONS: LazyLock<Family<DecisionLabels, Counter>> = LazyLock::new(|| {
    let help = "Canaries by how they ended";
    telemetry::register(names::CANARY_DECISIONS, help, Family::default())
});
static EVIDENCE: LazyLock<Family<SignalLabels, Gauge<f64, AtomicU64>>> = LazyLock::new(|| {
    let help = "Evidence that a canary does worse than its baseline: at most 1 on average where it does not";
    telemetry::register(names::CANARY_EVIDENCE, help, Family::default())
});

/// From now on there is something to be told of `service`: a counter that appears with its first count has not grown.
pub(super) fn begin(service: Service) {
    for decision in NAMES {
        let _ = DECISIONS.get_or_create(&DecisionLabels {
            service: service.name(),
            decision,
        });
    }
}

/// Shows what is known.
pub(super) fn show(service: Service, known: &Comparison) {
    for (signal, evidence) in ["errors", "slowness"].into_iter().zip(known.evidence()) {
        let labels = SignalLabels {
            service: service.name(),
            signal,
        };
        EVIDENCE.get_or_create(&labels).set(evidence);
    }
}

/// It was decided.
pub(super) fn decided(service: Service, decision: Decision) {
    let labels = DecisionLabels {
        service: service.name(),
        decision: decision.name(),
    };
    DECISIONS.get_or_create(&labels).inc();
}

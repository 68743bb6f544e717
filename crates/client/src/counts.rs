//! What callers tell of how they protect themselves: a handle for each series, looked up once.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use resilience::{Reason, State};
use telemetry::names;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Server {
    server_address: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerAndState {
    server_address: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerAndOutcome {
    server_address: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerAndReason {
    server_address: &'static str,
    reason: &'static str,
}

static CALLS: LazyLock<Family<ServerAndState, Gauge>> = LazyLock::new(|| {
    let help = "Calls to an upstream that are in flight or wait for a place";
    telemetry::register(names::CLIENT_BULKHEAD_CALLS, help, Family::default())
});

static LIMIT: LazyLock<Family<Server, Gauge>> = LazyLock::new(|| {
    let help = "Maximum number of calls to an upstream in flight";
    telemetry::register(names::CLIENT_BULKHEAD_LIMIT, help, Family::default())
});

static STATE: LazyLock<Family<Server, Gauge>> = LazyLock::new(|| {
    let help = "State of the circuit breaker: 0 closed, 1 half open, 2 open";
    telemetry::register(names::CLIENT_BREAKER_STATE, help, Family::default())
});

static TRANSITIONS: LazyLock<Family<ServerAndState, Counter>> = LazyLock::new(|| {
    let help = "State changes of the circuit breaker, by new state";
    telemetry::register(names::CLIENT_BREAKER_TRANSITIONS, help, Family::default())
});

static RETRIES: LazyLock<Family<ServerAndOutcome, Counter>> = LazyLock::new(|| {
    let help = "Retries by outcome, and failed calls that were not retried by the reason";
    telemetry::register(names::CLIENT_RETRIES, help, Family::default())
});

static BUDGET: LazyLock<Family<Server, Gauge>> = LazyLock::new(|| {
    let help = "Retries that the budget allows now";
    telemetry::register(names::CLIENT_RETRY_BUDGET, help, Family::default())
});

static EJECTIONS: LazyLock<Family<ServerAndReason, Counter>> = LazyLock::new(|| {
    let help = "Ejections of replicas from load balancing";
    telemetry::register(names::CLIENT_EJECTIONS, help, Family::default())
});

static EJECTED: LazyLock<Family<Server, Gauge>> = LazyLock::new(|| {
    let help = "Replicas ejected from load balancing now";
    telemetry::register(names::CLIENT_REPLICAS_EJECTED, help, Family::default())
});

/// Calls to one upstream.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) in_flight: Gauge,
    pub(crate) waiting: Gauge,
}

impl Calls {
    pub(crate) fn of(server_address: &'static str) -> Self {
        let labels = |state| ServerAndState {
            server_address,
            state,
        };
        Self {
            in_flight: CALLS.get_or_create_owned(&labels("in_flight")),
            waiting: CALLS.get_or_create_owned(&labels("waiting")),
        }
    }
}

/// Says how many calls to an upstream there may be.
pub(crate) fn limit(server_address: &'static str, places: usize) {
    let labels = Server { server_address };
    let places = i64::try_from(places).unwrap_or(i64::MAX);
    LIMIT.get_or_create(&labels).set(places);
}

/// The breaker of one upstream.
#[derive(Debug)]
pub(crate) struct BreakerCounts {
    server_address: &'static str,
    state: Gauge,
    transitions: [Counter; 3],
}

impl BreakerCounts {
    pub(crate) fn of(server_address: &'static str) -> Self {
        let transitions = ["closed", "half_open", "open"].map(|state| {
            TRANSITIONS.get_or_create_owned(&ServerAndState {
                server_address,
                state,
            })
        });
        let state = STATE.get_or_create_owned(&Server { server_address });
        state.set(0);
        Self {
            server_address,
            state,
            transitions,
        }
    }

    /// The state has changed.
    pub(crate) fn changed(&self, from: State, to: State, left_alone: Duration) {
        let service = self.server_address;
        let place = place(to);
        self.state.set(i64::try_from(place).unwrap_or(i64::MAX));
        self.transitions[place].inc();
        match (from, to) {
            (State::Closed, State::Open) => {
                tracing::warn!(service, ?left_alone, "circuit breaker opened");
            }
            (_, State::Open) => {
                tracing::info!(service, ?left_alone, "circuit breaker opened again");
            }
            (_, State::HalfOpen) => tracing::info!(service, "circuit breaker half open"),
            (_, State::Closed) => tracing::info!(service, "circuit breaker closed"),
        }
    }
}

/// Where a state stands among the values of the gauge.
fn place(state: State) -> usize {
    match state {
        State::Closed => 0,
        State::HalfOpen => 1,
        State::Open => 2,
    }
}

/// Retries of calls to one upstream.
#[derive(Debug)]
pub(crate) struct RetryCounts {
    pub(crate) succeeded: Counter,
    pub(crate) failed: Counter,
    pub(crate) no_budget: Counter,
    pub(crate) no_time: Counter,
    pub(crate) breaker_open: Counter,
    pub(crate) budget: Gauge,
}

impl RetryCounts {
    pub(crate) fn of(server_address: &'static str) -> Self {
        let counter = |outcome| {
            RETRIES.get_or_create_owned(&ServerAndOutcome {
                server_address,
                outcome,
            })
        };
        Self {
            succeeded: counter("succeeded"),
            failed: counter("failed"),
            no_budget: counter("no_budget"),
            no_time: counter("no_time"),
            breaker_open: counter("breaker_open"),
            budget: BUDGET.get_or_create_owned(&Server { server_address }),
        }
    }
}

/// Ejections of replicas of one upstream.
#[derive(Debug)]
pub(crate) struct EjectionCounts {
    pub(crate) failing: Counter,
    pub(crate) slow: Counter,
    pub(crate) refused: Counter,
    pub(crate) ejected: Gauge,
}

impl EjectionCounts {
    pub(crate) fn of(server_address: &'static str) -> Self {
        let counter = |reason| {
            EJECTIONS.get_or_create_owned(&ServerAndReason {
                server_address,
                reason,
            })
        };
        Self {
            failing: counter("failing"),
            slow: counter("slow"),
            refused: counter("refused"),
            ejected: EJECTED.get_or_create_owned(&Server { server_address }),
        }
    }

    /// A replica does worse than the others: the word for why.
    pub(crate) fn count(&self, reason: Reason) -> &'static str {
        match reason {
            Reason::Failing => {
                self.failing.inc();
                "failing"
            }
            Reason::Slow => {
                self.slow.inc();
                "slow"
            }
        }
    }
}

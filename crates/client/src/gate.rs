//! The circuit breaker before an upstream, with what is told of it.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use resilience::{Breaker, BreakerSettings, Call, Permit, State};

use crate::counts::BreakerCounts;

/// Admits calls while they have a chance.
#[derive(Debug)]
pub(crate) struct Gate {
    breaker: Breaker,
    /// What was told last.
    told: Mutex<State>,
    counts: BreakerCounts,
}

/// A call that was admitted.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    gate: &'a Gate,
    permit: Permit<'a>,
}

impl Gate {
    pub(crate) fn new(settings: BreakerSettings, server_address: &'static str) -> Self {
        Self {
            breaker: Breaker::new(settings),
            told: Mutex::new(State::Closed),
            counts: BreakerCounts::of(server_address),
        }
    }

    /// Admits a call, or none while the upstream is left alone.
    pub(crate) fn admit(&self, now: Instant) -> Option<Admitted<'_>> {
        let permit = self.breaker.admit(now)?;
        if permit.is_probe() {
            self.tell(State::HalfOpen, now);
        }
        Some(Admitted { gate: self, permit })
    }

    /// Says that this is the state now, unless it was said last.
    fn tell(&self, state: State, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *told, state);
        if before != state {
            let left_alone = self.breaker.left_alone_for(now);
            self.counts.changed(before, state, left_alone);
        }
    }
}

impl Admitted<'_> {
    /// Says how the call fared.
    pub(crate) fn finish(self, call: Call, now: Instant) {
        if let Some(state) = self.permit.finish(call, now) {
            self.gate.tell(state, now);
        }
    }
}

//! Who may begin, who waits, and who is refused.
//!
//! The queue before the limit is a controlled one (Maurer, "Fail at Scale", ACM Queue 13(8), 2015, after `CoDel`): a burst may wait for
//! a while, but where requests of a class have been waiting all that time, or one was refused in it, that class is over its share, and the
//! next ones of it wait for no more than a tenth of it. The place that becomes free goes to the most important class that waits, and within it to whoever
//! came first.
//!
//! Weighed: tower's `ConcurrencyLimit` waits without a bound, and `LoadShed` before it not at all; neither knows classes. `Bulkhead` of
//! crates/resilience has one queue for all.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::Request;
use resilience::{Admission, Limit};
use tokio::{
    sync::oneshot,
    time::{Duration, Instant, timeout_at},
};

use super::{
    Class, Reason,
    class::Classes,
    place::{End, Place},
    queue::Queues,
    settings::{Allowed, Concurrency},
    signals::{self, Shedding},
};

/// A class that has been waiting all the time waits for this part of what a burst may.
const STANDING: u32 = 10;

/// The gate before an app's routes; cloning shares it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    classes: Classes,
    shares: Admission,
    waiting: usize,
    patience: Duration,
    state: Mutex<State>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// What there is room for, and who is there.
pub(super) struct State {
    rule: Rule,
    in_flight: usize,
    queues: Queues,
    pub(super) shedding: Option<Shedding>,
}

enum Rule {
    Adaptive(Box<Limit>),
    Fixed(usize),
}

/// What becomes of a request at the gate.
enum Entry {
    Begins(Place),
    /// At most so long.
    Waits(Waiting, Duration),
}

impl Gate {
    /// One that limits what `settings` says, if they limit anything.
    pub(crate) fn new(settings: &Concurrency, classes: Classes) -> Option<Self> {
        let rule = match settings.limit {
            Allowed::Adaptive => Rule::Adaptive(Box::new(Limit::new(settings.bounds()))),
            Allowed::Fixed(count) => Rule::Fixed(count.get()),
            Allowed::Any => return None,
        };
        signals::begin(rule.limit());
        Some(Self(Arc::new(Inner {
            classes,
            shares: Admission::default(),
            waiting: settings.waiting,
            patience: settings.patience,
            state: Mutex::new(State {
                rule,
                in_flight: 0,
                queues: Queues::new(Instant::now()),
                shedding: None,
            }),
        })))
    }

    pub(super) fn class_of(&self, request: &Request) -> Class {
        self.0.classes.of(request)
    }

    /// Waits for a place, as long as it is worth it.
    pub(super) async fn enter(&self, class: Class, deadline: Instant) -> Result<Place, Reason> {
        let now = Instant::now();
        let entered = match self.ask(class, now, deadline) {
            Ok(Entry::Begins(place)) => return Ok(place),
            Ok(Entry::Waits(waiting, patience)) => {
                let turn = waiting.turn(now + patience).await;
                signals::waited(class, now.elapsed());
                turn
            }
            Err(reason) => Err(reason),
        };
        if let Err(reason) = entered {
            self.refused(class, reason);
        }
        entered
    }

    fn ask(&self, class: Class, now: Instant, deadline: Instant) -> Result<Entry, Reason> {
        let mut state = self.lock();
        // Alone, any may begin: else nobody would learn that an answer no longer takes so long.
        let takes = state.rule.takes().filter(|_| state.in_flight > 0);
        let left = deadline.saturating_duration_since(now);
        let spare = left.checked_sub(takes.unwrap_or_default());
        let spare = spare.ok_or(Reason::TooLate)?;
        if !state.queues.any_before(class) && self.admits(&state, class) {
            state.enter();
            let place = Place::new(self.clone(), now, state.in_flight);
            return Ok(Entry::Begins(place));
        }
        if let Rule::Adaptive(limit) = &mut state.rule {
            limit.reached();
        }
        if state.queues.len() >= self.0.waiting && !state.queues.evict_below(class, now) {
            return Err(Reason::Full);
        }
        let mut patience = self.0.patience;
        if state.queues.standing(class, now, patience) {
            patience /= STANDING;
        }
        let (number, turn) = state.queues.push(class, now);
        let waiting = Waiting {
            gate: self.clone(),
            class,
            number,
            turn,
            in_vain: if spare < patience {
                Reason::TooLate
            } else {
                Reason::Waited
            },
            over: false,
        };
        Ok(Entry::Waits(waiting, patience.min(spare)))
    }

    fn admits(&self, state: &State, class: Class) -> bool {
        let limit = state.rule.limit();
        self.0
            .shares
            .admits(class.priority(), state.in_flight, limit)
    }

    fn refused(&self, class: Class, reason: Reason) {
        signals::shed(class, reason);
        let mut state = self.lock();
        let now = Instant::now();
        if reason != Reason::TooLate {
            state.queues.refused(class, now);
        }
        if let Some(shedding) = &mut state.shedding {
            shedding.again(now);
            return;
        }
        state.shedding = Some(Shedding::begun(now));
        let (limit, in_flight, waiting) = (state.rule.limit(), state.in_flight, state.queues.len());
        drop(state);
        let (class, reason) = (class.name(), reason.name());
        tracing::warn!(
            class,
            reason,
            limit,
            in_flight,
            waiting,
            "load shedding began"
        );
        tokio::spawn(signals::until_quiet(self.clone()));
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody who has begun waits elsewhere from now on, and holds nothing meanwhile.
    pub(super) fn pause(&self) {
        let mut state = self.lock();
        state.leave();
        self.hand_on(&mut state, Instant::now());
    }

    /// They are back: whoever has begun is not refused.
    pub(super) fn resume(&self) {
        self.lock().enter();
    }

    /// A request that began beside others, `beside` with itself, has come to this `end` after so long.
    pub(super) fn leave(&self, end: End, took: Duration, beside: usize) {
        let mut state = self.lock();
        let now = Instant::now();
        state.leave();
        if let Rule::Adaptive(limit) = &mut state.rule {
            match end {
                End::Answered => limit.completed(took, beside, now.into_std()),
                // Clients go away for reasons of their own, too.
                End::GivenUp if limit.base().is_some_and(|it| took > it * 2) => {
                    limit.dropped(beside, now.into_std());
                }
                End::GivenUp | End::Failed => (),
            }
            signals::limit(limit.current());
        }
        self.hand_on(&mut state, now);
    }

    /// Gives free places to those who wait, the most important first: who has less room than others never begins before them.
    fn hand_on(&self, state: &mut State, now: Instant) {
        for class in Class::ALL {
            while self.admits(state, class) && state.queues.call_first(class, now) {
                state.enter();
            }
            if state.queues.any(class) {
                return;
            }
        }
    }
}

impl Rule {
    fn limit(&self) -> usize {
        match self {
            Self::Adaptive(limit) => limit.current(),
            Self::Fixed(limit) => *limit,
        }
    }

    /// How long a request takes when none queues, if that is known.
    fn takes(&self) -> Option<Duration> {
        match self {
            Self::Adaptive(limit) => limit.base(),
            Self::Fixed(_) => None,
        }
    }
}

impl State {
    fn enter(&mut self) {
        self.in_flight += 1;
        signals::in_flight(self.in_flight);
    }

    fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        signals::in_flight(self.in_flight);
    }
}

/// Somebody who waits for their turn; dropped, they wait no longer.
struct Waiting {
    gate: Gate,
    class: Class,
    number: u64,
    turn: oneshot::Receiver<()>,
    /// Why they are refused if their turn does not come in time.
    in_vain: Reason,
    over: bool,
}

impl Waiting {
    async fn turn(mut self, until: Instant) -> Result<Place, Reason> {
        let outcome = timeout_at(until, &mut self.turn).await;
        self.over = true;
        match outcome {
            Ok(Ok(())) => Ok(self.place()),
            Ok(Err(_)) => Err(Reason::Full),
            // It may have come at the last moment.
            Err(_) if self.called() => Ok(self.place()),
            Err(_) => Err(self.in_vain),
        }
    }

    /// Leaves the queue; whether their turn had come.
    fn called(&mut self) -> bool {
        let mut state = self.gate.lock();
        let waited = state.queues.remove(self.class, self.number, Instant::now());
        !waited && self.turn.try_recv().is_ok()
    }

    fn place(&self) -> Place {
        let beside = self.gate.lock().in_flight;
        Place::new(self.gate.clone(), Instant::now(), beside)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over && self.called() {
            drop(self.place());
        }
    }
}

#[cfg(test)]
impl Gate {
    pub(super) fn in_flight(&self) -> usize {
        self.lock().in_flight
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().queues.len()
    }

    /// What holds at any time: no more than the limit are under way, and nobody waits who may begin.
    pub(super) fn check(&self) {
        let state = self.lock();
        let limit = state.rule.limit();
        assert!(state.in_flight <= limit, "{} of {limit}", state.in_flight);
        assert!(state.queues.len() <= self.0.waiting);
        let first = Class::ALL.into_iter().find(|it| state.queues.any(*it));
        if let Some(first) = first {
            assert!(
                !self.admits(&state, first),
                "{first:?} waits before a free place"
            );
        }
    }
}

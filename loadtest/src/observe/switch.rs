//! The other end of the dead man's switch.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The alert that always fires.
pub(crate) const SWITCH: &str = "Watchdog";

/// Whether the switch comes as often as it must.
pub(crate) struct Switch {
    patience: Duration,
    state: Mutex<State>,
}

struct State {
    heard: Instant,
    missed: bool,
}

impl Switch {
    /// One that is missed when it has not been heard for `patience`, from now on.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            patience,
            state: Mutex::new(State {
                heard: Instant::now(),
                missed: false,
            }),
        }
    }

    /// It comes. Returns whether it had been missed.
    pub(crate) fn hear(&self) -> bool {
        let mut state = self.state();
        state.heard = Instant::now();
        std::mem::take(&mut state.missed)
    }

    /// Whether it is missed now, and was not when it was last looked at.
    pub(crate) fn looked_at(&self) -> bool {
        let mut state = self.state();
        let late = state.heard.elapsed() > self.patience;
        late && !std::mem::replace(&mut state.missed, true)
    }

    /// Whether it was missed when it was last looked at.
    pub(crate) fn is_missed(&self) -> bool {
        self.state().missed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_missed_once_and_heard_again() {
        let patient = Switch::new(Duration::from_hours(1));
        assert!(!patient.looked_at() && !patient.is_missed());
        assert!(!patient.hear());

        let switch = Switch::new(Duration::ZERO);
        while !switch.looked_at() {
            std::thread::yield_now();
        }
        assert!(switch.is_missed());
        assert!(!switch.looked_at(), "it has been told");
        assert!(switch.hear() && !switch.is_missed());
        assert!(!switch.hear());
    }
}

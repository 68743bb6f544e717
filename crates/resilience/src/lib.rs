//! What keeps a part that fails, or is slow, from taking the rest with it.
//!
//! | against | part | for |
//! |---|---|---|
//! | calling who is known to fail | [`Breaker`] | the caller of one upstream |
//! | retries that multiply the load | [`Budget`], [`Backoff`] | the one layer that retries |
//! | one slow upstream holding all of a caller's requests | [`Bulkhead`] | the caller of one upstream |
//! | one bad replica among good ones | [`Outliers`], [`pick`] | the balancer |
//! | a new version that is bad, for all at once | [`side`] | the balancer |
//! | more requests at once than can be answered | [`Limit`] | the server |
//! | what matters being refused with what does not | [`Admission`] | the server |
//!
//! All of it is state in memory. Time and chance are arguments, nothing sleeps, wakes, logs or reads a clock, so a test needs no
//! waiting and a simulation can run hours in a moment. Who integrates it decides what a refusal is, and counts.
//!
//! **Use** a [`Breaker`] before a call that costs its whole timeout when the other side is away. **Do not** keep one for a single replica:
//! an outlier is ejected, and a breaker is for when all are bad.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use resilience::{Breaker, BreakerSettings, Call, State};
//!
//! let breaker = Breaker::new(BreakerSettings::default());
//! let now = Instant::now();
//! for _ in 0..20 {
//!     let permit = breaker.admit(now).expect("it is closed");
//!     permit.finish(Call::Failed, now);
//! }
//! assert!(breaker.admit(now).is_none(), "it is left alone");
//!
//! let later = now + Duration::from_secs(1);
//! let probes: Vec<_> = (0..3).map(|_| breaker.admit(later).expect("a few may try")).collect();
//! assert!(breaker.admit(later).is_none(), "the others wait for how they fare");
//! for probe in probes {
//!     probe.finish(Call::Succeeded, later);
//! }
//! assert_eq!(breaker.state(), State::Closed);
//! ```
//!
//! Defaults are those with which the crate's own simulations hold (`tests/resilience/model.rs`): under three times its capacity a server keeps
//! more than 90 % of it, and its limit comes within 30 % of what its workers can do, from 8 to 40 of them.
//!
//! **It costs** a mutex that is held for a few instructions at each call ([`Limit`] and [`Bulkhead`] leave it to whoever shares them), and
//! no dependency.

mod admission;
mod backoff;
mod breaker;
mod budget;
mod bulkhead;
mod limit;
mod outliers;
mod pick;
mod split;
mod window;

pub use admission::{Admission, Priority};
pub use backoff::Backoff;
pub use breaker::{Breaker, Call, Opens, Permit, Settings as BreakerSettings, State};
pub use budget::{Allowance, Budget};
pub use bulkhead::{Bulkhead, Entry, Room};
pub use limit::{Bounds, Limit};
pub use outliers::{Criteria, Outliers, Reason};
pub use pick::pick;
pub use split::{key, side};

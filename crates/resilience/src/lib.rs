//! Circuit breaker: who has failed several times in a row is left alone for a while (Nygard, "Release It!", 2007).
//!
//! All of it is state in memory, with the clock as an argument and no I/O, so that a test needs no waiting.
//!
//! **Use it** before a call that costs its whole timeout when the other side is away, and where there is another way to go on: the
//! crate `cache` asks the database while its server is left alone. **Do not use it** where nothing can be done instead, since the
//! caller then fails either way, nor for a service of several replicas, of which one that fails would keep all of them away.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use resilience::Breaker;
//!
//! let breaker = Breaker::new(5, Duration::from_secs(1));
//! let now = Instant::now();
//! for _ in 0..5 {
//!     assert!(breaker.admits(now));
//!     breaker.failed(now);
//! }
//! assert!(!breaker.admits(now), "it is left alone");
//!
//! let later = now + Duration::from_secs(1);
//! assert!(breaker.admits(later), "one call may try");
//! assert!(!breaker.admits(later), "the others wait for how it fares");
//! breaker.succeeded();
//! assert!(breaker.admits(later));
//! ```
//!
//! **It costs** a mutex that is held for a few instructions at each call, and no dependency.

mod breaker;

pub use breaker::Breaker;

//! What keeps a caller well when what it calls is not: pure state, with the clock as an argument and no I/O.

mod breaker;

pub use breaker::Breaker;

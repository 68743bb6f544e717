//! Why an answer did not reach its client.

use std::cell::Cell;

use crate::rpc;

/// Why an answer is given up. Either is its client's doing, and its request has status 499.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOff {
    /// Its client has gone away: `error.type` is `cancelled`.
    Cancelled,
    /// Its client does not read it, or too slowly: `error.type` is `stalled`.
    Stalled,
}

thread_local! {
    static WHY: Cell<Option<CutOff>> = const { Cell::new(None) };
}

/// Drops `answer`, a body or what holds it, and has its request recorded as cut off, even if all of it was there to be sent.
pub fn cut_off<T>(answer: T, why: CutOff) {
    WHY.set(Some(why));
    drop(answer);
    WHY.set(None);
}

/// Why what is being dropped now was given up, if anybody said so.
pub(crate) fn why() -> Option<Broken> {
    WHY.get().map(|it| match it {
        CutOff::Cancelled => Broken::CANCELLED,
        CutOff::Stalled => Broken::STALLED,
    })
}

/// How an answer that did not come to its end is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) status: u16,
    pub(crate) rpc_status: &'static str,
    pub(crate) error_type: &'static str,
}

/// What nginx calls a request whose client went away before the answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

impl Broken {
    pub(crate) const CANCELLED: Self = Self {
        status: CLIENT_CLOSED_REQUEST,
        rpc_status: rpc::CANCELLED,
        error_type: "cancelled",
    };
    const STALLED: Self = Self {
        error_type: "stalled",
        ..Self::CANCELLED
    };
    /// What was to be sent could not be had.
    pub(crate) const IO: Self = Self {
        status: 500,
        rpc_status: rpc::UNAVAILABLE,
        error_type: "io",
    };
    pub(crate) const PANIC: Self = Self {
        status: 500,
        rpc_status: "INTERNAL",
        error_type: "panic",
    };
}

//! Conservation of values: what a line, a span, a sample and an exemplar say of the same thing is the same.
//!
//! - Durations: a line's = its span's; a histogram's count, sum and every bucket = those of the spans that its labels name.
//! - Times: a line is of the end of its span; nothing ends before it begins; who is called works within the time of its caller.
//! - Outcomes: status, level and reason agree with each other, and callers with callees.
//! - Exemplars: each bucket that has grown points to a span that it has counted.
//! - Parents: whatever was done, something asked for it, and the replica that was called is the one that answered.
//! - Origins: whoever wrote it is who it says it is.
//! - Names: everything says what the table of conventions asks for.
//! - Gauges: at rest, what must be nothing is nothing, and a process uses what the kernel says.
//! - Caches: what was loaded at the origin is what was missed or refreshed.
//! - Refusals: what was counted as refused for want of room is what lines tell of.
//!
//! All in one pass over spans and lines each. Signals that are missing altogether are found by [`reconcile`](super::reconcile),
//! which compares counts and sets.

mod caches;
mod durations;
mod exemplars;
mod facts;
mod findings;
mod gauges;
mod names;
mod origins;
mod outcomes;
mod parents;
mod series;
mod sheds;
mod times;

#[cfg(test)]
mod tests;

use self::facts::Facts;
use super::validity;
use crate::{evidence::Evidence, measurement::Measurement, verdict::Check};

/// Whether all signals say the same, where they can be compared.
pub(crate) fn all(it: &Measurement) -> Vec<Check> {
    match validity::cannot_reconcile(it) {
        // It is said once, by the comparison of counts.
        Some(_) => Vec::new(),
        None => check(&it.evidence),
    }
}

/// Every rule, as a check.
pub fn check(evidence: &Evidence) -> Vec<Check> {
    let facts = Facts::of(evidence);
    vec![
        durations::check(&facts),
        times::check(&facts),
        outcomes::check(&facts),
        exemplars::check(&facts),
        parents::check(&facts),
        origins::check(&facts),
        names::check(&facts),
        gauges::check(&facts),
        caches::check(&facts),
        sheds::check(&facts),
    ]
}

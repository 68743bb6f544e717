//! Ways in which signals differ, as checks.

use crate::verdict::{Check, Group, Outcome};

/// How many request ids a check names.
const NAMED: usize = 5;

/// One way in which signals differ.
pub(super) struct Mismatch {
    pub(super) text: String,
    pub(super) request_ids: Vec<String>,
}

/// A check that holds if nothing differs.
pub(super) fn agreement(name: String, observed: String, mismatches: Vec<Mismatch>) -> Check {
    let outcome = Outcome::pass_or_fail(mismatches.is_empty());
    let mut check =
        Check::new(Group::Reconciliation, name, outcome).saw(observed, "all signals agree");
    for it in mismatches {
        check
            .request_ids
            .extend(it.request_ids.iter().take(NAMED).cloned());
        check.details.push(it.text);
    }
    check
}

/// `3 access lines are missing`, with examples.
pub(super) fn missing(what: &str, ids: Vec<String>) -> Mismatch {
    let (count, verb) = match ids.len() {
        1 => (format!("1 {what}"), "is"),
        n => (format!("{n} {what}s"), "are"),
    };
    Mismatch {
        text: format!("{count} {verb} missing{}", examples(&ids)),
        request_ids: ids,
    }
}

pub(super) fn examples(ids: &[String]) -> String {
    match ids {
        [] => String::new(),
        [one] => format!(": request {one}"),
        _ => format!(": requests {}", ids[..ids.len().min(NAMED)].join(", ")),
    }
}

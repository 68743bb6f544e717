//! The clients against the gateway's access lines.

use std::collections::BTreeMap;

use super::mismatch::{Mismatch, agreement, examples, missing};
use crate::{engine::Attempt, statistics::grouped, verdict::Check};

/// Every answered attempt has one line with its status; every line has an attempt. An attempt without an answer may
/// have a line or none: it may have been lost on either way. Of each line its request's id and its status are given.
pub(super) fn check<'a>(
    whose: &str,
    attempts: &[Attempt],
    lines: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Check {
    let mut logged: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut count = 0_u64;
    for (request_id, status) in lines {
        logged.entry(request_id).or_default().push(status);
        count += 1;
    }
    let (mut absent, mut differing, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    let mut unanswered = 0;
    for attempt in attempts {
        let statuses = logged.remove(attempt.id.as_str()).unwrap_or_default();
        let Some(status) = attempt.status else {
            unanswered += 1;
            continue;
        };
        match statuses[..] {
            [] => absent.push(attempt.id.clone()),
            [one] if one == status.to_string() => (),
            [_] => differing.push(attempt.id.clone()),
            _ => repeated.push(attempt.id.clone()),
        }
    }
    let strangers: Vec<_> = logged.into_keys().map(str::to_owned).collect();
    let mut mismatches = Vec::new();
    if !absent.is_empty() {
        mismatches.push(missing("access line", absent));
    }
    for (ids, text) in [
        (
            differing,
            "have another status in the access line than the client saw",
        ),
        (repeated, "have more than one access line"),
        (strangers, "were logged but not sent"),
    ] {
        if !ids.is_empty() {
            mismatches.push(Mismatch {
                text: format!("{} requests {text}{}", ids.len(), examples(&ids)),
                request_ids: ids,
            });
        }
    }
    let answered = (attempts.len() - unanswered) as u64;
    let observed = format!(
        "{} answers, {} access lines, {unanswered} attempts without an answer",
        grouped(answered),
        grouped(count)
    );
    agreement(format!("clients = {whose}"), observed, mismatches)
}

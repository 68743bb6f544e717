//! Whether a measurement can be trusted at all.

use telemetry::names;

use crate::{
    engine::Counts,
    evidence::Testimony,
    measurement::Measurement,
    recording::Recording,
    statistics::to_f64,
    verdict::{Check, Group, Outcome},
};

/// A generator later than this at its 99th percentile measures itself; in milliseconds.
const MAX_LAG_MS: f64 = 10.0;
/// The largest share of arrivals that may find no idle user.
const MAX_DROPPED: f64 = 0.001;
/// A machine of which others take a larger share of the processor time measures them.
const MAX_STOLEN: f64 = 0.05;
/// A shop that takes more of the processors than this is limited by them, and not by a capacity that is modelled.
const MAX_BUSY: f64 = 0.7;

/// How late the generator was, what it dropped, what the machine took, and whether telemetry and processes lasted.
pub(crate) fn checks(it: &Measurement) -> Vec<Check> {
    let mut checks = load(it);
    checks.push(telemetry_drops(it));
    if !it.incidents.is_empty() {
        checks.push(deaths(Group::Validity, "no process died", it));
    }
    checks
}

/// How late the generator was, what it dropped, and what the machine took.
pub(crate) fn load(it: &Measurement) -> Vec<Check> {
    let mut checks = generator(&it.clients.load.counts, &it.clients.recording);
    checks.extend(it.clients.stolen.map(stolen));
    checks
}

/// How late the generator was, and what it dropped.
pub(crate) fn generator(counts: &Result<Counts, String>, recording: &Recording) -> Vec<Check> {
    match counts {
        Err(how) => vec![ended_early(how)],
        Ok(counts) => vec![lag(recording), dropped(counts)],
    }
}

/// Whether nothing died that was not killed on purpose.
fn deaths(group: Group, name: &str, it: &Measurement) -> Check {
    let outcome = Outcome::pass_or_fail(it.incidents.is_empty());
    Check::new(group, name, outcome)
        .saw(format!("{} died", it.incidents.len()), "none died")
        .because(it.incidents.clone())
}

/// The same as a promise of the shop: whatever is done to it, no process dies of that.
pub(crate) fn lived(it: &Measurement) -> Vec<Check> {
    vec![deaths(Group::Audit, "no service died", it)]
}

/// Whether the engine finished, where how late it was does not matter.
pub(crate) fn finished(it: &Measurement) -> Vec<Check> {
    let how = it.clients.load.counts.as_ref().err();
    how.map(|it| ended_early(it)).into_iter().collect()
}

/// The engine did not finish, and `how` it ended instead.
fn ended_early(how: &str) -> Check {
    Check::new(
        Group::Validity,
        "the load engine finished",
        Outcome::Invalid,
    )
    .saw("not finished", "finished")
    .because(vec![how.to_owned()])
}

/// Whether all that the load set going has come to an end. What never ends is no fault of the measurement: orders that stay
/// pending are broken promises.
pub(crate) fn rest(it: &Measurement) -> Vec<Check> {
    let (outcome, observed) = match it.restless.len() {
        0 => (Outcome::Pass, "nothing in progress".to_owned()),
        _ => (Outcome::Fail, it.restless.join(", ")),
    };
    vec![
        Check::new(Group::Audit, "the shop became idle", outcome)
            .saw(observed, "nothing in progress"),
    ]
}

/// Why the signals of this measurement cannot be compared, if they cannot.
pub(crate) fn cannot_reconcile(it: &Measurement) -> Option<Check> {
    let reason = if it.clients.load.counts.is_err() {
        "client results incomplete: the load engine ended early"
    } else if !it.restless.is_empty() {
        "work still in progress: its telemetry is incomplete"
    } else if !it.incidents.is_empty() {
        "a process died, and its metrics were lost with it"
    } else if !it.gone.is_empty() {
        "a process was ended, and what it had counted since it was last asked ended with it"
    } else {
        return None;
    };
    Some(
        Check::new(Group::Reconciliation, "signals agree", Outcome::Invalid)
            .saw("not compared", "all signals agree")
            .because(vec![reason.to_owned()]),
    )
}

/// Why latencies say nothing of the shop, if they do not.
pub(crate) fn delayed(recording: &Recording, stolen: Option<f64>) -> Option<&'static str> {
    if lag_p99_ms(recording) > MAX_LAG_MS {
        Some("load generator late: its delay counts as latency")
    } else if stolen.is_some_and(|it| it > MAX_STOLEN) {
        Some("processor time stolen by other machines: waiting for it counts as latency")
    } else {
        None
    }
}

/// A check of latencies; where those say nothing of the shop, its failure does not either.
pub(crate) fn unless_delayed(mut check: Check, delayed: Option<&str>) -> Check {
    if check.outcome == Outcome::Fail
        && let Some(reason) = delayed
    {
        check.outcome = Outcome::Invalid;
        check.details.push(reason.to_owned());
    }
    check
}

/// The same of a run.
pub(crate) fn unless_run_delayed(check: Check, it: &Measurement) -> Check {
    unless_delayed(check, delayed(&it.clients.recording, it.clients.stolen))
}

fn lag_p99_ms(recording: &Recording) -> f64 {
    to_f64(recording.lag().value_at_quantile(0.99)) / 1000.0
}

fn lag(recording: &Recording) -> Check {
    let lag = recording.lag();
    let p99 = lag_p99_ms(recording);
    let outcome = if lag.is_empty() || p99 > MAX_LAG_MS {
        Outcome::Invalid
    } else {
        Outcome::Pass
    };
    Check::new(Group::Validity, "requests were sent on time", outcome).saw(
        format!(
            "p99 of the send lag {p99:.1} ms, at most {:.1} ms",
            to_f64(lag.max()) / 1000.0
        ),
        format!("p99 within {MAX_LAG_MS} ms"),
    )
}

fn dropped(counts: &Counts) -> Check {
    let due: u64 = counts.due.iter().sum();
    let dropped: u64 = counts.dropped.iter().sum();
    let fine = to_f64(dropped) <= MAX_DROPPED * to_f64(due) && counts.unrecorded == 0;
    let outcome = Outcome::pass_or_invalid(fine && due > 0);
    let mut observed = format!("{dropped} of {due} found no idle user");
    if counts.unrecorded > 0 {
        observed = format!(
            "{observed}, {} attempts were not recorded",
            counts.unrecorded
        );
    }
    Check::new(Group::Validity, "arrivals found an idle user", outcome)
        .saw(observed, "at most 0.1 %")
}

/// Whether this machine had its processors to itself.
pub(crate) fn stolen(share: f64) -> Check {
    let outcome = if share > MAX_STOLEN {
        Outcome::Invalid
    } else {
        Outcome::Pass
    };
    Check::new(Group::Validity, "no processor time was stolen", outcome)
        .saw(format!("{:.1} % stolen", 100.0 * share), "at most 5 %")
}

/// Whether the shop left the processors room: otherwise what a service can do is the machine's doing, and not what was modelled.
pub(crate) fn room(it: &Measurement) -> Vec<Check> {
    let there = it.clients.length().as_secs_f64() * f64::from(it.processors);
    let used: f64 = it.evidence.values().map(Testimony::cpu_seconds).sum();
    let busy = used / there.max(f64::MIN_POSITIVE);
    let outcome = if busy > MAX_BUSY {
        Outcome::Invalid
    } else {
        Outcome::Pass
    };
    let check = Check::new(Group::Validity, "the shop left processors room", outcome).saw(
        format!(
            "it took {:.0} % of {} processors",
            100.0 * busy,
            it.processors
        ),
        format!("at most {:.0} %", 100.0 * MAX_BUSY),
    );
    vec![check]
}

fn telemetry_drops(it: &Measurement) -> Check {
    let mut details = Vec::new();
    for (service, testimony) in &it.evidence {
        for scrapes in &testimony.scrapes {
            let (Some(first), Some(last)) = (scrapes.first(), scrapes.last()) else {
                continue;
            };
            for name in [names::TELEMETRY_DROPPED, names::TELEMETRY_EXPORT_FAILURES] {
                for (labels, value) in last.exposition.series(name) {
                    let grown = value - first.exposition.value(name, labels);
                    if grown > 0.0 {
                        let signal = labels.get(names::SIGNAL).map_or("", String::as_str);
                        details.push(format!("{service}: {name} of {signal} grew by {grown}"));
                    }
                }
            }
        }
    }
    let outcome = Outcome::pass_or_invalid(details.is_empty());
    let observed = if details.is_empty() {
        "nothing dropped, no export failed"
    } else {
        "telemetry was dropped"
    };
    Check::new(Group::Validity, "telemetry was kept", outcome)
        .saw(observed, "nothing dropped")
        .because(details)
}

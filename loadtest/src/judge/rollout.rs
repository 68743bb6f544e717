//! Whether replicas were replaced without anybody noticing.

use std::collections::BTreeMap;

use telemetry::{
    attributes::{SERVICE_INSTANCE_ID, SERVICE_VERSION},
    names,
};

use super::validity;
use crate::{
    deployment::SERVICES,
    engine::Attempt,
    evidence::{Evidence, Testimony, otlp::Span},
    measurement::{Measurement, Presence, Replicas},
    statistics::{grouped, to_f64},
    table::{Cell, Table},
    verdict::{Check, Group, Outcome},
};

/// How many requests, series or replicas a check names.
const NAMED: usize = 5;
/// With fewer requests, chance alone may have it that none was under way when a replica went.
const MIN_REQUESTS: usize = 1000;

/// Whether every request of every client succeeded at once: an attempt that failed counts, whatever came of trying again.
pub(crate) fn no_request_failed(it: &Measurement) -> Check {
    let attempts = &it.clients.load.attempts;
    let failed: Vec<&Attempt> = attempts.iter().filter(|it| it.error.is_some()).collect();
    let verdict = match attempts.len() {
        0..MIN_REQUESTS => Outcome::Invalid,
        _ => Outcome::pass_or_fail(failed.is_empty()),
    };
    let why = |it: &&Attempt| {
        let at = to_f64(u64::try_from(it.sent_us).unwrap_or(0)) / 1e6;
        let why = it.error.as_deref().unwrap_or_default();
        format!("{:.1} s: {}: {why}", at, it.route)
    };
    let check = Check::new(Group::Objective, "no request failed", verdict).saw(
        format!(
            "{} of {} failed",
            failed.len(),
            grouped(attempts.len() as u64)
        ),
        format!("none, of at least {MIN_REQUESTS}"),
    );
    let check = check
        .naming(failed.iter().map(|it| it.id.as_str()))
        .because(failed.iter().take(NAMED).map(why).collect());
    let reasons = failed.iter().filter_map(|it| it.error.as_deref());
    unless_late(check, it, reasons)
}

/// What a machine that is late does to a service that waits for it, whatever is done to replicas.
const OF_LATENESS: [&str; 5] = ["status 503", "status 504", "503", "504", "timeout"];

/// A service sheds load and waits in vain where the machine is late. Where that is all that failed, and the generator was late too, it
/// says nothing of the shop; a connection that was lost or refused always does.
fn unless_late<'a>(
    check: Check,
    it: &Measurement,
    mut reasons: impl Iterator<Item = &'a str>,
) -> Check {
    let delayed = validity::delayed(&it.clients.recording, it.clients.stolen);
    let excused = reasons.all(|it| OF_LATENESS.contains(&it));
    validity::unless_delayed(check, delayed.filter(|_| excused))
}

/// Whether no service failed another, even where trying again has hidden that from the clients.
pub(crate) fn no_attempt_failed(it: &Measurement) -> Check {
    let (attempts, failed) = between_services(&it.evidence);
    let bad = failed.values().fold(0.0, |sum, it| sum + it);
    let named = failed.iter().take(NAMED);
    let check = Check::new(
        Group::Objective,
        "no attempt between services failed",
        Outcome::pass_or_fail(failed.is_empty() && attempts > 0.0),
    )
    .saw(
        format!("{bad} of {attempts} failed"),
        "none, before anything is tried again",
    )
    .because(
        named
            .map(|(what, count)| format!("{what}: {count}"))
            .collect(),
    );
    let reasons = failed.keys();
    unless_late(check, it, reasons.filter_map(|it| it.rsplit(": ").next()))
}

/// How many attempts there were between services, and which of them failed. What a service refuses because of what it was asked
/// is no failure.
fn between_services(evidence: &Evidence) -> (f64, BTreeMap<String, f64>) {
    let mut attempts = 0.0;
    let mut failed: BTreeMap<String, f64> = BTreeMap::new();
    for (service, testimony) in evidence {
        for histogram in [
            names::HTTP_CLIENT_REQUEST_DURATION,
            names::RPC_CLIENT_CALL_DURATION,
        ] {
            for (labels, grown) in grown(testimony, &format!("{histogram}_count")) {
                attempts += grown;
                let reason = labels.get(names::ERROR_TYPE).map_or("", String::as_str);
                if !reason.is_empty() && !is_refusal(reason) {
                    let callee = labels
                        .get(names::SERVER_ADDRESS)
                        .map_or("?", String::as_str);
                    *failed
                        .entry(format!("{service} to {callee}: {reason}"))
                        .or_default() += grown;
                }
            }
        }
        for (labels, grown) in grown(testimony, names::CLIENT_CALLS_REJECTED) {
            let reason = labels.get(names::ERROR_TYPE).map_or("", String::as_str);
            *failed.entry(format!("{service}: {reason}")).or_default() += grown;
        }
    }
    (attempts, failed)
}

/// A status that says that the request was wrong.
fn is_refusal(reason: &str) -> bool {
    reason.len() == 3 && reason.starts_with('4')
}

/// The series of a counter that have grown, of all processes.
fn grown<'a>(
    testimony: &'a Testimony,
    name: &'a str,
) -> impl Iterator<Item = (&'a crate::evidence::metrics::Labels, f64)> {
    let ends = testimony.scrapes.iter();
    let ends = ends.filter_map(|it| it.first().zip(it.last()));
    let series = ends.flat_map(move |(first, last)| {
        let series = last.exposition.series(name);
        series.map(move |(labels, value)| (labels, value - first.exposition.value(name, labels)))
    });
    series.filter(|it| it.1 > 0.0)
}

/// Whether all that serves in the end is of `version`, and what served before has ended by itself while load came.
pub(crate) fn replaced(it: &Measurement, version: &str) -> Check {
    let wrong = not_replaced(&it.replicas, version, it.clients.length().as_secs_f64());
    let new = it.replicas.presences.iter();
    let new = new.filter(|it| it.make.version == Some(version)).count();
    Check::new(
        Group::Audit,
        "every service was replaced under load",
        Outcome::pass_or_fail(wrong.is_empty()),
    )
    .saw(
        format!("{new} replicas of version {version}"),
        "of each service one as before, and the old ones ended under load",
    )
    .because(wrong)
}

fn not_replaced(replicas: &Replicas, version: &str, length: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    for service in SERVICES {
        let (new, old): (Vec<&Presence>, Vec<&Presence>) = replicas
            .of_service(service)
            .partition(|it| it.make.version == Some(version));
        let there = new.iter().filter(|it| it.takes_requests(length)).count();
        if there != old.len() {
            wrong.push(format!(
                "{service}: {there} of {version}, {} before",
                old.len()
            ));
        }
        let stayed = old
            .iter()
            .filter(|it| it.ended.is_none_or(|it| it > length));
        wrong.extend(stayed.map(|it| format!("{}: had not ended", it.instance)));
    }
    wrong
}

/// Whether whatever a process says of its version is what it was started as.
pub(crate) fn versions(it: &Measurement) -> Check {
    let spans = it.evidence.values().flat_map(|it| &it.spans);
    told_versions(spans, &it.replicas.presences)
}

fn told_versions<'a>(spans: impl Iterator<Item = &'a Span>, presences: &[Presence]) -> Check {
    let known: BTreeMap<&str, &str> = presences
        .iter()
        .map(|it| (it.instance.as_str(), it.make.version_told()))
        .collect();
    let (mut count, mut wrong) = (0_u64, BTreeMap::<String, u64>::new());
    let mut seen = BTreeMap::<&str, u64>::new();
    for span in spans {
        count += 1;
        let instance = span.resource.attribute(SERVICE_INSTANCE_ID);
        let told = span.resource.attribute(SERVICE_VERSION);
        *seen.entry(told).or_default() += 1;
        if known.get(instance) != Some(&told) {
            let expected = known.get(instance).unwrap_or(&"nobody");
            let text = format!("{instance}: says {told:?} and is {expected}");
            *wrong.entry(text).or_default() += 1;
        }
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|it| format!("{} of {}", grouped(*it.1), it.0))
        .collect();
    let named = wrong.iter().take(NAMED);
    Check::new(
        Group::Reconciliation,
        "everyone says its version",
        Outcome::pass_or_fail(wrong.is_empty() && count > 0),
    )
    .saw(
        format!("spans: {}", seen.join(", ")),
        "each is of the version that its process was started as",
    )
    .because(
        named
            .map(|it| format!("{}, in {} spans", it.0, it.1))
            .collect(),
    )
}

/// Every replica that came or went under load.
pub(crate) fn table(it: &Measurement) -> Table {
    let between = |from: Option<f64>, to: Option<f64>| Some(to? - from?);
    let came_or_went = |it: &&Presence| it.started >= 0.0 || it.left.is_some();
    let row = |it: &Presence| {
        vec![
            Cell::Text(it.instance.clone()),
            Cell::Text(it.make.version_told().to_owned()),
            Cell::Text(it.make.track.name().to_owned()),
            Cell::Seconds((it.started >= 0.0).then_some(it.started)),
            Cell::Seconds(between(Some(it.started), it.ready)),
            Cell::Seconds(it.left),
            Cell::Seconds(between(it.left, it.ended)),
        ]
    };
    let presences = it.replicas.presences.iter().filter(came_or_went);
    Table {
        title: "Replicas that came and went",
        columns: &[
            "replica",
            "version",
            "track",
            "asked for",
            "start took",
            "taken away",
            "end took",
        ],
        rows: presences.map(row).collect(),
    }
}

#[cfg(test)]
mod tests;

//! Whether a version that was tried ended as it should, and what that cost.

use crate::{
    canary::{Counts, Decision, Look},
    deployment::{Service, Track},
    engine::micros,
    measurement::{CanaryTried, Measurement, Presence, Replicas},
    statistics::{grouped, to_f64},
    table::{Cell, Table},
    verdict::{Check, Group, Outcome},
};

/// How far from its share of the requests a canary may be.
const MAX_OFF: f64 = 0.025;
/// Of fewer requests its share is not asked: of these a tenth is off by less, to four standard deviations.
const MIN_REQUESTS: u64 = 3_000;
/// How many requests of clients may fail because of a canary: in the simulations of [`crate::statistics::Sequential`] fewer attempts are bad
/// before 99 of 100 bad versions are found, ...
const MAX_FAILED: usize = 40;
/// ... and so many attempts may, which are tried again elsewhere.
const MAX_BAD: u64 = 40;
/// How many replicas or requests a check names.
const NAMED: usize = 5;

fn tried(it: &Measurement) -> Option<&CanaryTried> {
    it.happened.iter().find_map(|it| it.tried.as_ref())
}

/// Whether it ended so, and while load came.
pub(crate) fn ended(it: &Measurement, name: &str, right: fn(Decision) -> bool) -> Check {
    let check = |outcome, saw: String| {
        Check::new(Group::Objective, name, outcome).saw(saw, "decided so, under load")
    };
    let Some(tried) = tried(it) else {
        return check(Outcome::Invalid, "no canary".to_owned());
    };
    let saw = format!(
        "{}, {:.1} s after it was found",
        tried.decision,
        (tried.decided.saturating_sub(tried.began)).as_secs_f64()
    );
    let under_load = tried.ended <= it.clients.length();
    let verdict = match (right(tried.decision), under_load) {
        (true, true) => Outcome::Pass,
        (true, false) => Outcome::Invalid,
        (false, _) => Outcome::Fail,
    };
    check(verdict, saw).because(vec![tried.last.sentence()])
}

/// Whether no more requests of clients failed than a bad version may cost.
pub(crate) fn few_failed(it: &Measurement) -> Check {
    let attempts = &it.clients.load.attempts;
    let failed: Vec<_> = attempts.iter().filter(|it| it.error.is_some()).collect();
    let mut check = Check::new(
        Group::Objective,
        "few requests failed",
        Outcome::pass_or_fail(failed.len() <= MAX_FAILED),
    )
    .saw(
        format!("{} of {}", failed.len(), grouped(attempts.len() as u64)),
        format!("at most {MAX_FAILED}"),
    );
    check.request_ids = failed.iter().take(NAMED).map(|it| it.id.clone()).collect();
    check
}

/// Whether few attempts were lost on a bad version before it was found.
pub(crate) fn found_early(it: &Measurement) -> Check {
    let name = "few attempts were bad";
    let expected = format!("at most {MAX_BAD}");
    let Some(tried) = tried(it) else {
        return Check::new(Group::Objective, name, Outcome::Invalid).saw("no canary", expected);
    };
    let Counts {
        attempts,
        failed,
        slow,
    } = tried.last.canary;
    let bad = failed + slow;
    Check::new(
        Group::Objective,
        name,
        Outcome::pass_or_fail(bad <= MAX_BAD),
    )
    .saw(
        format!("{failed} failed and {slow} were slow of {attempts} at the canary"),
        expected,
    )
}

/// Whether a canary that was watched for long got its share of the requests for `route`.
pub(crate) fn share(it: &Measurement, route: &str, share: f64) -> Check {
    let name = "the canary got its share";
    let expected = format!("{:.0} % ± {:.1} points", 100.0 * share, 100.0 * MAX_OFF);
    let Some(tried) = tried(it) else {
        return Check::new(Group::Audit, name, Outcome::Invalid).saw("no canary", expected);
    };
    let within = micros(tried.began)..micros(tried.decided);
    let attempts = it.clients.load.attempts.iter();
    let all = attempts.filter(|it| it.route == route && within.contains(&it.sent_us));
    split(name, &tried.last, all.count() as u64, share, expected)
}

fn split(name: &str, last: &Look, all: u64, share: f64, expected: String) -> Check {
    let got = to_f64(last.canary.attempts) / to_f64(all.max(1));
    let verdict = match all {
        0..MIN_REQUESTS => Outcome::Invalid,
        _ => Outcome::pass_or_fail((got - share).abs() <= MAX_OFF),
    };
    let saw = format!("{:.1} % of {} requests", 100.0 * got, grouped(all));
    let why = match verdict {
        Outcome::Fail => vec![format!("{}: canary: {saw}", last.service)],
        _ => Vec::new(),
    };
    Check::new(Group::Audit, name, verdict)
        .saw(saw, expected)
        .because(why)
}

/// Whether what serves in the end is `version` alone (what served before, where that is none), as many replicas as before, and nothing of
/// another service or version came or went for it.
pub(crate) fn left(it: &Measurement, service: Service, version: Option<&str>) -> Check {
    let name = match version {
        Some(_) => "the new version serves alone",
        None => "nothing but the canary went",
    };
    let Some(tried) = tried(it) else {
        return Check::new(Group::Audit, name, Outcome::Invalid).saw("no canary", "a canary");
    };
    let began = tried.began.as_secs_f64();
    let length = it.clients.length().as_secs_f64();
    let wrong = left_wrong(&it.replicas, service, version, began, length);
    let serving = it.replicas.of_service(service);
    let serving = serving.filter(|it| it.takes_requests(length)).count();
    Check::new(Group::Audit, name, Outcome::pass_or_fail(wrong.is_empty()))
        .saw(
            format!("{serving} replicas of {service} in the end"),
            "as many as before, all of the version that should serve",
        )
        .because(wrong.into_iter().take(NAMED).collect())
}

fn left_wrong(
    replicas: &Replicas,
    service: Service,
    version: Option<&str>,
    began: f64,
    length: f64,
) -> Vec<String> {
    let (own, others): (Vec<&Presence>, Vec<&Presence>) = replicas
        .presences
        .iter()
        .partition(|it| it.service == service);
    let mut wrong = Vec::new();
    for it in others {
        let under_load = |at: f64| (0.0..=length).contains(&at);
        if under_load(it.started) || it.left.is_some_and(under_load) {
            wrong.push(format!("{}: came or went too", it.instance));
        }
    }
    let is_stable = |it: &&&Presence| it.make.track == Track::Stable;
    let before = own
        .iter()
        .filter(is_stable)
        .filter(|it| it.takes_requests(began));
    let before = before.count();
    let after: Vec<_> = own.iter().filter(|it| it.takes_requests(length)).collect();
    for it in &after {
        if it.make.track != Track::Stable {
            wrong.push(format!(
                "{}: a {} still serves",
                it.instance,
                it.make.track.name()
            ));
        } else if it.make.version != version {
            wrong.push(format!(
                "{}: serves, of {}",
                it.instance,
                it.make.version_told()
            ));
        }
    }
    if after.len() != before {
        wrong.push(format!(
            "{service}: {} replicas, {before} before",
            after.len()
        ));
    }
    if version.is_none() {
        let stable = own.iter().filter(is_stable);
        let gone = stable.filter(|it| it.left.is_some_and(|at| at <= length));
        wrong.extend(gone.map(|it| format!("{}: went too", it.instance)));
    }
    wrong
}

/// What was known when it was decided.
pub(crate) fn table(it: &Measurement) -> Table {
    let row = |it: &CanaryTried| {
        let seconds = |at: std::time::Duration| Cell::Seconds(Some(at.as_secs_f64()));
        vec![
            Cell::Text(it.last.version.to_owned()),
            seconds(it.began),
            seconds(it.decided),
            seconds(it.ended),
            Cell::Text(it.last.sentence()),
        ]
    };
    let all = it.happened.iter().filter_map(|it| it.tried.as_ref());
    Table {
        title: "Versions that were tried",
        columns: &[
            "version",
            "found",
            "decided",
            "carried out",
            "what was known",
        ],
        rows: all.map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Make;

    const NEW: Option<&str> = Some("next");

    fn presence(
        number: u32,
        make: (Option<&'static str>, Track),
        at: (f64, Option<f64>),
    ) -> Presence {
        Presence {
            service: Service::Search,
            instance: format!("search-{number}.1"),
            make: Make {
                version: make.0,
                track: make.1,
            },
            started: at.0,
            ready: Some(at.0 + 1.0),
            left: at.1,
            ended: at.1.map(|it| it + 1.0),
        }
    }

    /// Two serve, and a canary with its baseline came at 3 s and went at 10 s.
    fn rolled_back() -> Vec<Presence> {
        vec![
            presence(1, (None, Track::Stable), (-5.0, None)),
            presence(2, (None, Track::Stable), (-5.0, None)),
            presence(3, (None, Track::Baseline), (3.0, Some(10.0))),
            presence(4, (Some("next"), Track::Canary), (3.0, Some(10.0))),
        ]
    }

    /// The same, but the two were replaced before that.
    fn promoted() -> Vec<Presence> {
        let mut all = rolled_back();
        for (old, new) in [(0, 5), (1, 6)] {
            all[old].left = Some(8.0);
            all.push(presence(new, (Some("next"), Track::Stable), (6.0, None)));
        }
        all
    }

    fn wrong(presences: Vec<Presence>, version: Option<&str>) -> Vec<String> {
        let replicas = Replicas {
            presences,
            decisions: Vec::new(),
        };
        left_wrong(&replicas, Service::Search, version, 4.5, 20.0)
    }

    #[test]
    fn a_canary_goes_alone_and_a_new_version_serves_alone() {
        assert_eq!(wrong(rolled_back(), None), [""; 0]);
        assert_eq!(wrong(promoted(), NEW), [""; 0]);
        let confused = wrong(promoted(), None);
        assert_eq!(confused.len(), 4, "{confused:?}");
        let confused = wrong(rolled_back(), NEW);
        assert_eq!(confused.len(), 2, "{confused:?}");
    }

    #[test]
    fn what_stays_or_goes_with_a_canary_is_named() {
        let mut stays = rolled_back();
        stays[3].left = None;
        let stays = wrong(stays, None);
        assert_eq!(stays[0], "search-4.1: a canary still serves");
        let mut other = rolled_back();
        let catalog = Presence {
            service: Service::Catalog,
            instance: "catalog-1.1".into(),
            ..other[0].clone()
        };
        other.push(Presence {
            left: Some(9.0),
            ..catalog
        });
        assert_eq!(wrong(other, None), ["catalog-1.1: came or went too"]);
        let mut mixed = promoted();
        mixed[5].make.version = None;
        assert_eq!(wrong(mixed, NEW).len(), 1);
        let mut fewer = rolled_back();
        fewer[1].left = Some(12.0);
        assert_eq!(
            wrong(fewer, None),
            ["search: 1 replicas, 2 before", "search-2.1: went too"]
        );
    }

    #[test]
    fn a_share_is_judged_of_enough_requests() {
        let last = Look {
            service: Service::Search,
            version: "next",
            canary: Counts {
                attempts: 400,
                ..Counts::default()
            },
            baseline: Counts::default(),
            evidence: [1.0, 1.0],
            decision: None,
        };
        let judged = |all| split("share", &last, all, 0.1, String::new()).outcome;
        assert_eq!(judged(4000), Outcome::Pass);
        assert_eq!(judged(5400), Outcome::Fail, "7.4 %");
        assert_eq!(judged(3100), Outcome::Fail, "12.9 %");
        assert_eq!(judged(2999), Outcome::Invalid);
    }
}

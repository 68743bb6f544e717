//! A service counts as many requests that it refused for want of room as its access lines tell of.

use telemetry::names::ADMISSION_SHED;

use super::{facts::Facts, findings::Findings};
use crate::{statistics::to_f64, verdict::Check};

/// What `error.type` is of such a request.
pub(super) const SHED: &str = "shed";

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, testimony) in facts.testimonies() {
        findings.look();
        let lines = testimony.lines.access.iter();
        let told: Vec<_> = lines.filter(|it| it.error_type == SHED).collect();
        let counted = testimony.growth(ADMISSION_SHED);
        let lines = to_f64(told.len() as u64);
        // Whole numbers.
        if (counted - lines).abs() > 0.5 {
            let example = told.first().map_or("", |it| it.request_id.as_str());
            findings.add(format!("{service}: {ADMISSION_SHED}"), example, || {
                format!("grew by {counted}, {lines} access lines tell of it")
            });
        }
    }
    findings.into_check(
        "refusals agree",
        "services",
        "requests refused for want of room = lines that say so",
    )
}

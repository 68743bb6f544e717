//! The clients against the gateway's samples, where others may have asked it too.

use std::collections::BTreeMap;

use super::{
    mismatch::{Mismatch, agreement},
    samples::served_counts,
};
use crate::{
    deployment::Service, evidence::Operation, measurement::Measurement, statistics::grouped,
    verdict::Check,
};

/// Whether the gateway has counted at least the answers that our clients got, for each route and status.
pub(crate) fn counted(it: &Measurement) -> Vec<Check> {
    let gateway = it.evidence.iter().find(|it| it.0.is_public());
    let check = |(service, testimony): (&Service, _)| {
        let mut answers: BTreeMap<Operation, u64> = BTreeMap::new();
        for attempt in &it.clients.load.attempts {
            if let Some(status) = attempt.status {
                let operation = Operation {
                    name: attempt.route.clone(),
                    status: status.to_string(),
                };
                *answers.entry(operation).or_default() += 1;
            }
        }
        compare(*service, &answers, &served_counts(testimony))
    };
    gateway.map(check).into_iter().collect()
}

fn compare(
    service: Service,
    answers: &BTreeMap<Operation, u64>,
    counts: &BTreeMap<Operation, u64>,
) -> Check {
    let mut mismatches = Vec::new();
    for (operation, &answered) in answers {
        let counted = counts.get(operation).copied().unwrap_or(0);
        if counted < answered {
            let Operation { name, status } = operation;
            mismatches.push(Mismatch {
                text: format!("{name} {status}: {answered} answers, {counted} samples"),
                request_ids: Vec::new(),
            });
        }
    }
    let observed = format!(
        "{} answers, {} samples, which may be others' too",
        grouped(answers.values().sum()),
        grouped(counts.values().sum())
    );
    agreement(format!("clients ≤ {service}"), observed, mismatches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Outcome;

    #[test]
    fn more_samples_are_others_and_fewer_are_missing() {
        let operation = |status: &str| Operation::http("GET", "/products", status);
        let answers = BTreeMap::from([(operation("200"), 5), (operation("503"), 1)]);
        let mut counts = BTreeMap::from([(operation("200"), 9), (operation("503"), 1)]);
        let check = compare(Service::Gateway, &answers, &counts);
        assert_eq!(check.outcome, Outcome::Pass, "{check:?}");
        counts.remove(&operation("503"));
        let check = compare(Service::Gateway, &answers, &counts);
        assert_eq!(check.outcome, Outcome::Fail);
        assert_eq!(check.details, ["GET /products 503: 1 answers, 0 samples"]);
    }
}

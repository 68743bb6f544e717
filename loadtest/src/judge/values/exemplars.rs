//! The exemplar of a bucket that has grown points to a span that it has counted.

use std::{collections::BTreeMap, time::Duration};

use super::{
    facts::Facts,
    findings::Findings,
    series::{HISTOGRAMS, Series},
};
use crate::{
    deployment::Service,
    evidence::{Scrape, metrics::Exemplar},
    verdict::Check,
};

/// Each bound with what grew up to it, and its exemplar.
type Buckets<'a> = Vec<(f64, f64, Option<&'a Exemplar>)>;

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, testimony) in facts.testimonies() {
        for scrapes in &testimony.scrapes {
            if let (Some(first), Some(last)) = (scrapes.first(), scrapes.last()) {
                process(facts, service, first, last, &mut findings);
            }
        }
    }
    findings.into_check(
        "exemplars are true",
        "buckets that have grown",
        "each points to a span of its series, as long as it says",
    )
}

fn process(
    facts: &Facts<'_>,
    service: Service,
    first: &Scrape,
    last: &Scrape,
    findings: &mut Findings,
) {
    for (_, histogram) in HISTOGRAMS {
        let name = format!("{histogram}_bucket");
        let exemplars = last.exposition.exemplars().iter();
        let exemplars: BTreeMap<_, _> = exemplars
            .filter(|it| it.name == name)
            .map(|it| (&it.series, it))
            .collect();
        // By series, without its bounds.
        let mut all: BTreeMap<Series, Buckets<'_>> = BTreeMap::new();
        for (labels, value) in last.exposition.series(&name) {
            let bound = labels.get("le").and_then(|it| it.parse().ok());
            let grown = value - first.exposition.value(&name, labels);
            let series = all.entry(Series::labelled(histogram, labels)).or_default();
            let exemplar = exemplars.get(labels).copied();
            series.push((bound.unwrap_or(f64::NAN), grown, exemplar));
        }
        for (series, mut buckets) in all {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (mut below, mut under) = (f64::NEG_INFINITY, 0.0);
            for (bound, grown, exemplar) in buckets {
                // What it was before may be of a span that came before the load.
                if grown > under {
                    findings.look();
                    let bucket = Bucket {
                        series: &series,
                        below,
                        bound,
                    };
                    if let Err((id, said)) = bucket.examine(facts, exemplar) {
                        findings.add(format!("{service}: {series}"), id, || said);
                    }
                }
                (below, under) = (bound, grown);
            }
        }
    }
}

/// Whatever is above `below` and not above `bound`.
struct Bucket<'a> {
    series: &'a Series,
    below: f64,
    bound: f64,
}

impl Bucket<'_> {
    /// The request and what is wrong, if anything is.
    fn examine<'f>(
        &self,
        facts: &'f Facts<'_>,
        exemplar: Option<&Exemplar>,
    ) -> Result<(), (&'f str, String)> {
        let bound = self.bound;
        let Some(exemplar) = exemplar else {
            return Err(("", format!("bucket le={bound} has no exemplar")));
        };
        let value = exemplar.value;
        let span = facts.span(&exemplar.span_id);
        let Some(span) = span.filter(|it| it.trace_id == exemplar.trace_id) else {
            let (trace, id) = (&exemplar.trace_id, &exemplar.span_id);
            let said = format!(
                "the exemplar of le={bound} is of span {id} of trace {trace}, which was not exported"
            );
            return Err(("", said));
        };
        let request = facts.request(span);
        if Series::of(span).as_ref() != Some(self.series) {
            let said = format!(
                "the exemplar of le={bound} is {}, of another series",
                span.name
            );
            return Err((request, said));
        }
        let length = Duration::from_nanos(span.duration_ns().unwrap_or(0)).as_secs_f64();
        #[expect(clippy::float_cmp, reason = "the same number, written and read again")]
        let same = length == value;
        if !same {
            let said = format!("the exemplar of le={bound} is {value} s, its span took {length} s");
            return Err((request, said));
        }
        if value <= self.below || value > bound {
            let said = format!("the exemplar {value} s is not of the bucket le={bound}");
            return Err((request, said));
        }
        Ok(())
    }
}

//! A line's duration is its span's, and a histogram has counted, summed up and sorted into buckets what spans say.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    facts::Facts,
    findings::Findings,
    series::{HISTOGRAMS, Series},
};
use crate::{
    deployment::Service,
    evidence::{Scrape, Testimony, otlp::Span},
    statistics::to_f64,
    verdict::Check,
};

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, testimony) in facts.testimonies() {
        lines(facts, service, testimony, &mut findings);
        histograms(facts, service, testimony, &mut findings);
    }
    findings.into_check(
        "durations agree",
        "lines and series",
        "lines = spans = counts, sums and buckets",
    )
}

fn lines(facts: &Facts<'_>, service: Service, testimony: &Testimony, findings: &mut Findings) {
    let lines = &testimony.lines;
    let access = lines.access.iter();
    let access = access.map(|it| ("access line", &it.span_id, &it.request_id, it.duration_ns));
    let processed = lines.processed.iter();
    let processed =
        processed.map(|it| ("process line", &it.span_id, &it.request_id, it.duration_ns));
    for (what, span_id, request_id, duration_ns) in access.chain(processed) {
        findings.look();
        // One without a span is missing, which is found by the sets.
        let Some(span) = facts.span(span_id) else {
            continue;
        };
        if span.duration_ns() != Some(duration_ns) {
            findings.add(format!("{service}: event.duration"), request_id, || {
                format!(
                    "{duration_ns} ns in the {what}, {} ns in the span",
                    span.end_ns.cast_signed() - span.start_ns.cast_signed()
                )
            });
        }
    }
}

/// What spans say that a series has got, and what its growth says.
#[derive(Debug, Default)]
struct Totals {
    spans: Samples,
    /// Spans of which it cannot be said whether they were counted in between: they ended while a process was asked.
    unsure: Samples,
    counted: Counted,
    request_ids: Vec<String>,
}

/// Durations in nanoseconds.
#[derive(Debug, Default)]
struct Samples(Vec<u64>);

#[derive(Debug, Default)]
struct Counted {
    count: f64,
    sum: f64,
    /// How exact `sum` can be.
    rounding: f64,
    /// By upper bound, as it is written.
    buckets: BTreeMap<String, f64>,
}

impl Samples {
    fn seconds(&self) -> impl Iterator<Item = f64> {
        self.0
            .iter()
            .map(|it| Duration::from_nanos(*it).as_secs_f64())
    }

    fn within(&self, bound: f64) -> f64 {
        to_f64(self.seconds().filter(|it| *it <= bound).count() as u64)
    }
}

/// How many requests are named of one series.
const NAMED: usize = 5;

fn histograms(facts: &Facts<'_>, service: Service, testimony: &Testimony, findings: &mut Findings) {
    let mut series: BTreeMap<Series, Totals> = BTreeMap::new();
    let edges = Edges::of(testimony);
    for span in &testimony.spans {
        let Some(of) = Series::of(span) else { continue };
        let Some(duration) = span.duration_ns() else {
            continue;
        };
        let totals = series.entry(of).or_default();
        match edges.counted(span) {
            Some(true) => totals.spans.0.push(duration),
            Some(false) => continue,
            None => totals.unsure.0.push(duration),
        }
        if totals.request_ids.len() < NAMED {
            totals.request_ids.push(facts.request(span).to_owned());
        }
    }
    for scrapes in &testimony.scrapes {
        if let (Some(first), Some(last)) = (scrapes.first(), scrapes.last()) {
            grow(&mut series, first, last);
        }
    }
    for (of, totals) in series {
        findings.look();
        for said in totals.differences() {
            findings.add_series(&format!("{service}: {of}"), &totals.request_ids, said);
        }
    }
}

/// Adds what grew between two scrapes of one process.
fn grow(series: &mut BTreeMap<Series, Totals>, first: &Scrape, last: &Scrape) {
    for (_, histogram) in HISTOGRAMS {
        let [count, sum, bucket] =
            ["_count", "_sum", "_bucket"].map(|part| format!("{histogram}{part}"));
        for (labels, counted) in last.exposition.series(&count) {
            let totals = series
                .entry(Series::labelled(histogram, labels))
                .or_default();
            let it = &mut totals.counted;
            let summed = last.exposition.value(&sum, labels);
            it.count += counted - first.exposition.value(&count, labels);
            it.sum += summed - first.exposition.value(&sum, labels);
            // Each addition rounds by half a unit in the last place at most.
            it.rounding += counted * summed * f64::EPSILON;
        }
        for (labels, within) in last.exposition.series(&bucket) {
            let totals = series
                .entry(Series::labelled(histogram, labels))
                .or_default();
            let bound = labels.get("le").cloned().unwrap_or_default();
            let grown = within - first.exposition.value(&bucket, labels);
            *totals.counted.buckets.entry(bound).or_default() += grown;
        }
    }
}

impl Totals {
    /// What each side says, where it is not the same.
    fn differences(&self) -> Vec<String> {
        let mut differences = Vec::new();
        let more = to_f64(self.unsure.0.len() as u64);
        let spans = to_f64(self.spans.0.len() as u64);
        let Counted {
            count,
            sum,
            rounding,
            buckets,
        } = &self.counted;
        let is = |value: f64, low: f64, more: f64| low - 0.5 < value && value < low + more + 0.5;
        if !is(*count, spans, more) {
            differences.push(format!("{count} samples, {spans} spans"));
        }
        let expected: f64 = self.spans.seconds().sum();
        let unsure: f64 = self.unsure.seconds().sum();
        let rounding = rounding + (spans + more) * expected * f64::EPSILON + 1e-9;
        if *sum < expected - rounding || *sum > expected + unsure + rounding {
            differences.push(format!("_sum grew by {sum} s, spans took {expected} s"));
        }
        for (bound, grown) in buckets {
            let Ok(limit) = bound.parse() else {
                differences.push(format!("a bucket up to {bound:?}"));
                continue;
            };
            let low = self.spans.within(limit);
            if !is(*grown, low, self.unsure.within(limit)) {
                let text = format!("bucket le={bound:?} grew by {grown}, {low} spans are within");
                differences.push(text);
            }
        }
        if spans > 0.0 && buckets.is_empty() && *count > 0.0 {
            differences.push("no buckets".to_owned());
        }
        differences
    }
}

/// When the processes of a service were asked first and last.
struct Edges {
    first: (SystemTime, SystemTime),
    last: (SystemTime, SystemTime),
}

impl Edges {
    fn of(testimony: &Testimony) -> Self {
        let edge = |pick: fn(&Vec<Scrape>) -> Option<&Scrape>| {
            let scrapes: Vec<_> = testimony.scrapes.iter().filter_map(pick).collect();
            let asked = scrapes.iter().map(|it| it.asked).min();
            let answered = scrapes.iter().map(|it| it.answered).max();
            (asked.unwrap_or(UNIX_EPOCH), answered.unwrap_or(UNIX_EPOCH))
        };
        Self {
            first: edge(|it| it.first()),
            last: edge(|it| it.last()),
        }
    }

    /// Whether `span` was counted after the first scrape and before the last; nothing where it ended during one of them. That
    /// happens to background work alone: the shop is quiet then.
    fn counted(&self, span: &Span) -> Option<bool> {
        let ended = UNIX_EPOCH + Duration::from_nanos(span.end_ns);
        let recorded = ended + SLACK;
        if recorded < self.first.0 || ended > self.last.1 {
            Some(false)
        } else if ended <= self.first.1 || recorded >= self.last.0 {
            None
        } else {
            Some(true)
        }
    }
}

/// Between the end of something and its sample.
const SLACK: Duration = Duration::from_millis(20);

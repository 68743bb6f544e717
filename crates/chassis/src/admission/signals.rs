//! What the gate tells of itself: metrics, and a line when shedding begins and when it is over.

use std::{sync::LazyLock, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};
use telemetry::names;
use tokio::time::{Instant, sleep_until};

use super::{Class, Reason, gate::Gate};

/// Shedding is over when nothing was refused for so long.
const QUIET: Duration = Duration::from_secs(5);

static LIMIT: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Requests that may be under way at once";
    telemetry::register(names::ADMISSION_LIMIT, help, Gauge::default())
});

static IN_FLIGHT: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Requests under way, without those that wait for another service";
    telemetry::register(names::ADMISSION_IN_FLIGHT, help, Gauge::default())
});

static WAITING: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Requests that wait to begin";
    telemetry::register(names::ADMISSION_WAITING, help, Gauge::default())
});

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    class: &'static str,
    reason: &'static str,
}

static SHED: LazyLock<Family<ShedLabels, Counter>> = LazyLock::new(|| {
    let help = "Requests refused before any work was done for them";
    telemetry::register(names::ADMISSION_SHED, help, Family::default())
});

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

type ByClass = Family<ClassLabel, Histogram, fn() -> Histogram>;

static WAITED: LazyLock<ByClass> = LazyLock::new(|| {
    let help = "Time that requests waited to begin, of those that had to wait";
    let new: fn() -> Histogram = || Histogram::new(names::LATENCY_BUCKETS);
    telemetry::register(
        names::ADMISSION_WAIT,
        help,
        Family::new_with_constructor(new),
    )
});

/// Has `/metrics` show everything at zero: a rate misses the first sample of a series that was not there before.
pub(super) fn begin(first: usize) {
    limit(first);
    in_flight(0);
    waiting(0);
    for class in Class::ALL {
        let name = class.name();
        drop(WAITED.get_or_create(&ClassLabel { class: name }));
        for reason in Reason::ALL {
            drop(SHED.get_or_create(&labels(class, reason)));
        }
    }
}

fn labels(class: Class, reason: Reason) -> ShedLabels {
    ShedLabels {
        class: class.name(),
        reason: reason.name(),
    }
}

pub(super) fn limit(count: usize) {
    LIMIT.set(number(count));
}

pub(super) fn in_flight(count: usize) {
    IN_FLIGHT.set(number(count));
}

pub(super) fn waiting(count: usize) {
    WAITING.set(number(count));
}

pub(super) fn waited(class: Class, time: Duration) {
    let class = class.name();
    WAITED
        .get_or_create(&ClassLabel { class })
        .observe(time.as_secs_f64());
}

pub(super) fn shed(class: Class, reason: Reason) {
    SHED.get_or_create(&labels(class, reason)).inc();
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A time in which requests are refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shedding {
    began: Instant,
    last: Instant,
    refused: u64,
}

impl Shedding {
    pub(super) fn begun(now: Instant) -> Self {
        Self {
            began: now,
            last: now,
            refused: 1,
        }
    }

    pub(super) fn again(&mut self, now: Instant) {
        self.last = now;
        self.refused += 1;
    }
}

/// Tells when shedding is over.
pub(super) async fn until_quiet(gate: Gate) {
    loop {
        let Some(shedding) = gate.lock().shedding else {
            return;
        };
        let over = shedding.last + QUIET;
        if Instant::now() < over {
            sleep_until(over).await;
            continue;
        }
        gate.lock().shedding = None;
        let seconds = (shedding.last - shedding.began).as_secs_f64();
        tracing::info!(refused = shedding.refused, seconds, "load shedding ended");
        return;
    }
}

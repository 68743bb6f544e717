//! What was decided, for people and for the report.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    time::{Instant, SystemTime},
};

use anyhow::Context as _;
use hpa::Action;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::sampler::Sampler;
use crate::deployment::{Life, Service};

/// One decision.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) at: Instant,
    pub(crate) service: Service,
    /// How many replicas there were told to be before.
    pub(crate) before: u32,
    /// How many there were told to be from now on.
    pub(crate) desired: u32,
    /// How many took requests.
    pub(crate) ready: u32,
    /// Requests in flight at a replica, on average over those that were measured.
    pub(crate) in_flight: Option<f64>,
    /// In one sentence.
    pub(crate) sentence: String,
}

impl Decision {
    pub(super) fn of(
        at: Instant,
        service: Service,
        lives: &[Life],
        sampler: &Sampler,
        outcome: &hpa::Outcome,
    ) -> Self {
        let count = |it: i32| u32::try_from(it).unwrap_or(0);
        let ready = || {
            lives
                .iter()
                .filter(|it| it.ready.is_some() && it.left.is_none())
        };
        let status = &outcome.status;
        let (before, desired) = match outcome.action {
            Action::None => (status.current_replicas, status.current_replicas),
            _ => (status.current_replicas, status.desired_replicas),
        };
        Self {
            at,
            service,
            before: count(before),
            desired: count(desired),
            ready: u32::try_from(ready().count()).unwrap_or(u32::MAX),
            in_flight: mean(ready().filter_map(|it| {
                let usage = sampler.usage(&it.instance())?;
                Some(usage.requests_in_flight)
            })),
            sentence: outcome.explanation.clone(),
        }
    }

    /// Whether replicas were added or taken away.
    pub(crate) fn changes(&self) -> bool {
        self.before != self.desired
    }

    /// In a few words.
    pub(crate) fn change(&self) -> String {
        format!("{} {} to {}", self.service, self.before, self.desired)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), it| (sum + it, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Where every decision is a line.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    /// A file beside the logs of the services in `dir`.
    pub(crate) fn create(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("logs").join("autoscaler.log");
        let file = File::create(&path);
        Ok(Self(
            file.with_context(|| format!("create {}", path.display()))?,
        ))
    }

    /// Writes a line, in the form of those that services write.
    pub(crate) fn write(&mut self, it: &Decision) -> anyhow::Result<()> {
        let now = OffsetDateTime::from(SystemTime::now()).format(&Rfc3339);
        let line = json!({
            "@timestamp": now?,
            "log.level": "info",
            "message": it.sentence,
            "service.name": "autoscaler",
            "labels": {
                "service": it.service.name(),
                "replicas_before": it.before,
                "replicas_desired": it.desired,
                "replicas_ready": it.ready,
                "requests_in_flight": it.in_flight,
            },
        });
        writeln!(self.0, "{line}").context("write logs/autoscaler.log")
    }
}

//! The verdict as data. `verdict.json` is this without [`Details`]; its version grows when a field changes its meaning
//! or goes away.

use std::time::Duration;

use serde::Serialize;
use telemetry::names;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::waterfall::Waterfall;
use crate::{
    engine::Counts,
    judge::{comparison::Figure, reconcile::Edge},
    observe::Stack,
    run_dir::RunDir,
    statistics::Estimate,
    table::Table,
    verdict::{Check, Claim, Outcome},
};

/// Version of `verdict.json`.
const SCHEMA_VERSION: u32 = 3;

/// A whole run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Document {
    pub(crate) schema_version: u32,
    pub(crate) outcome: Outcome,
    pub(crate) exit_code: u8,
    /// RFC 3339, UTC.
    pub(crate) started: String,
    pub(crate) duration_s: f64,
    pub(crate) seed: u64,
    /// What was typed.
    pub(crate) command: Vec<String>,
    /// What the shop ran on: `files`, or servers; or where its gateway is, if it was not ours.
    pub(crate) backends: String,
    pub(crate) machine: Machine,
    pub(crate) run_dir: String,
    pub(crate) experiments: Vec<ExperimentReport>,
}

/// Where it ran.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) os: &'static str,
    pub(crate) architecture: &'static str,
    pub(crate) cores: usize,
    /// `debug` or `release`, which matters for every figure.
    pub(crate) profile: &'static str,
}

/// One experiment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ExperimentReport {
    pub(crate) name: &'static str,
    pub(crate) question: String,
    pub(crate) outcome: Outcome,
    pub(crate) duration_s: f64,
    pub(crate) arms: Vec<ArmReport>,
    /// What compares arms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) checks: Vec<Check>,
    /// What is shown of all arms together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<Table>,
    /// Of two shops that took turns, if that was the experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comparison: Option<Comparison>,
}

/// What was compared, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    /// What A was.
    pub(crate) a: String,
    /// What B was.
    pub(crate) b: String,
    pub(crate) pairs: usize,
    /// Seconds of a slice, without its lead-in.
    pub(crate) slice_s: f64,
    /// Arrivals a second; none where a closed loop was what loaded them.
    pub(crate) rate: Option<f64>,
    /// How much worse B may be, as a share.
    pub(crate) tolerance: f64,
    pub(crate) figures: Vec<Figure>,
}

/// One arm of an experiment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ArmReport {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) claim: Claim,
    pub(crate) outcome: Outcome,
    pub(crate) checks: Vec<Check>,
    /// How often the measured phase was looked at.
    pub(crate) looks: u32,
    /// Of the intervals of the last look, from 0 to 1.
    pub(crate) confidence: f64,
    pub(crate) load: LoadFigures,
    /// Of the measured phase.
    pub(crate) routes: Vec<RouteFigures>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) resources: Vec<Resources>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tables: Vec<Table>,
    /// Where Prometheus has it, with `--observe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) observed: Option<Observed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) details: Option<Details>,
}

/// What Prometheus recorded meanwhile.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Observed {
    /// RFC 3339, UTC.
    pub(crate) from: String,
    /// The same.
    pub(crate) until: String,
    /// Requests a second by service, over this time. It answers while Prometheus runs.
    pub(crate) link: String,
    /// What starts Prometheus on its data again, at the same address.
    pub(crate) again: String,
}

impl Observed {
    /// The time from `from` to `until` in the Prometheus of `stack`.
    pub(crate) fn new(stack: &Stack, from: OffsetDateTime, until: OffsetDateTime) -> Self {
        let duration = names::HTTP_SERVER_REQUEST_DURATION;
        let query = format!("sum by (service) (rate({duration}_count[15s]))");
        let seconds = format!("{}s", (until - from).whole_seconds().max(1));
        let (hour, minute, second) = until.to_hms();
        let end = format!("{} {hour:02}:{minute:02}:{second:02}", until.date());
        let parameters = [
            ("g0.expr", query),
            ("g0.tab", "0".to_owned()),
            ("g0.range_input", seconds),
            ("g0.end_input", end),
        ];
        let graph = format!("{}/graph", stack.prometheus_url());
        let link = reqwest::Url::parse_with_params(&graph, parameters);
        Self {
            from: from.format(&Rfc3339).unwrap_or_default(),
            until: until.format(&Rfc3339).unwrap_or_default(),
            link: link.map_or(graph, String::from),
            again: stack.again(),
        }
    }
}

/// What the engine did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LoadFigures {
    pub(crate) users: usize,
    pub(crate) attempts: usize,
    /// `None` when the engine ended early.
    pub(crate) counts: Option<Counts>,
    pub(crate) lag_p50_ms: f64,
    pub(crate) lag_p99_ms: f64,
    pub(crate) lag_max_ms: f64,
}

/// One route as the clients saw it; latencies in milliseconds from the intended start.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RouteFigures {
    pub(crate) route: String,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    /// `None` where the samples are too few for a percentile.
    pub(crate) p50_ms: Option<Estimate>,
    pub(crate) p95_ms: Option<Estimate>,
    pub(crate) p99_ms: Option<Estimate>,
    pub(crate) max_ms: f64,
}

/// What the processes of one service used under load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Resources {
    pub(crate) service: String,
    pub(crate) replicas: usize,
    pub(crate) cpu_s: f64,
    /// Resident, highest over all scrapes, all replicas together.
    pub(crate) peak_memory_mb: f64,
}

/// What only the page needs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Details {
    pub(crate) phases: Vec<PhaseSpan>,
    pub(crate) happened: Vec<Mark>,
    /// Of services that had more than one replica, or an autoscaler.
    pub(crate) replicas: Vec<ReplicaChart>,
    pub(crate) seconds: Vec<Second>,
    pub(crate) traces: Vec<Waterfall>,
}

/// When a phase was; seconds since the first arrival was due.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct PhaseSpan {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// A step of the timeline.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mark {
    /// Seconds since the first arrival was due.
    pub(crate) at: f64,
    pub(crate) what: String,
}

/// How many replicas of a service there were. Points are seconds since the first arrival was due, and what was so from then on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ReplicaChart {
    pub(crate) service: String,
    /// What the autoscaler asked for; empty where there is none.
    pub(crate) desired: Vec<(f64, f64)>,
    /// Those that took requests.
    pub(crate) ready: Vec<(f64, f64)>,
    /// Requests in flight at a replica, as the autoscaler saw it.
    pub(crate) in_flight: Vec<(f64, f64)>,
}

/// One second of one route.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Second {
    pub(crate) at: u32,
    pub(crate) route: String,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Document {
    pub(crate) fn new(
        run_dir: &RunDir,
        seed: u64,
        backends: String,
        duration: Duration,
        experiments: Vec<ExperimentReport>,
    ) -> Self {
        let outcome = Outcome::worst(experiments.iter().map(|it| it.outcome));
        Self {
            schema_version: SCHEMA_VERSION,
            outcome,
            exit_code: outcome.exit_code(),
            started: run_dir.started().format(&Rfc3339).unwrap_or_default(),
            duration_s: duration.as_secs_f64(),
            seed,
            command: std::env::args().collect(),
            backends,
            machine: Machine {
                os: std::env::consts::OS,
                architecture: std::env::consts::ARCH,
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                profile: if cfg!(debug_assertions) {
                    "debug"
                } else {
                    "release"
                },
            },
            run_dir: run_dir.path().display().to_string(),
            experiments,
        }
    }

    /// The verdict for programs.
    pub(crate) fn without_details(&self) -> Self {
        let mut it = self.clone();
        for arm in it.experiments.iter_mut().flat_map(|it| &mut it.arms) {
            arm.details = None;
        }
        it
    }
}

//! Replicas that come and go: how many are wanted, by what, and what do shoppers notice of it?
//!
//! The names are those of kube-state-metrics, so the same panels show a cluster and `loadtest up --autoscale`.

use telemetry::names;

use crate::{
    annotations::annotations,
    model::{Colour, Dashboard, Link, Panel, Row, Unit},
    promql::{growth, is, like, quantile, some, sum},
    thresholds::OBJECTIVES,
};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-autoscaling",
        title: "Autoscaling",
        description: "Replicas that come and go: how many are wanted, by what, and what do shoppers notice of it?",
        variables: Vec::new(),
        annotations: annotations(),
        rows: vec![replicas(), load(), versions()],
    }
}

/// The largest value for each autoscaler: whoever tells it, tells it once.
fn of_each(metric: &str) -> String {
    format!("max by (horizontalpodautoscaler) ({metric})")
}

fn replicas() -> Row {
    Row {
        title: "Replicas",
        panels: vec![
            Panel::lines(
                "How many replicas are wanted, and how many were there?",
                Unit::Count,
                "desired: what the autoscaler wants after its windows and limits. current: what it found. Desired at the highest line for long means that it may not ask for what it needs.",
            )
            .ask(of_each(names::HPA_DESIRED_REPLICAS), "{{horizontalpodautoscaler}}: desired")
            .ask(of_each(names::HPA_CURRENT_REPLICAS), "{{horizontalpodautoscaler}}: current")
            .ask(of_each(names::HPA_MIN_REPLICAS), "{{horizontalpodautoscaler}}: fewest allowed")
            .ask(of_each(names::HPA_MAX_REPLICAS), "{{horizontalpodautoscaler}}: most allowed")
            .wide(12),
            Panel::lines(
                "How many of those that were told to be there are ready?",
                Unit::Count,
                "The difference is replicas that start, or that cannot: see ReplicasMissing if it stays. Without an autoscaler of the load test nobody says how many were told.",
            )
            .ask(
                format!("max by (service) ({})", names::SERVICE_REPLICAS_TOLD),
                "{{service}}: told",
            )
            .ask(
                format!(
                    "{} and on (service) {}",
                    sum(&["service"], names::SERVICE_READY),
                    names::SERVICE_REPLICAS_TOLD
                ),
                "{{service}}: ready",
            )
            .to(Link::Service)
            .wide(12),
            Panel::lines(
                "How far is each metric from its target?",
                Unit::Times,
                "1 is on target; beyond 1.1 more replicas are asked for. The metric that asks for most decides.",
            )
            .ask(
                format!(
                    "max by (horizontalpodautoscaler, metric_name) ({} / {})",
                    names::HPA_CURRENT_METRIC,
                    names::HPA_TARGET_METRIC
                ),
                "{{horizontalpodautoscaler}}: {{metric_name}}",
            )
            .warn_above(1.1)
            .wide(12),
            Panel::lines(
                "Can it scale, does it, and is it held back?",
                Unit::Count,
                "AbleToScale and ScalingActive must be yes: else the target cannot be changed, or its metrics cannot be read. ScalingLimited is yes where more or fewer were wanted than is allowed at once.",
            )
            .ask(
                format!(
                    "max by (horizontalpodautoscaler, condition) ({}{{{}}})",
                    names::HPA_CONDITION,
                    is("status", "true")
                ),
                "{{horizontalpodautoscaler}}: {{condition}}",
            )
            .words(&[(0, "no", Colour::Note), (1, "yes", Colour::Note)])
            .wide(12),
        ],
    }
}

/// What fills the panels of versions, and what they say before.
const TRIAL: &str = "a version that is tried";
const NONE: &str = "No version is tried.";

fn versions() -> Row {
    let requests = format!("{}_count", names::HTTP_SERVER_REQUEST_DURATION);
    let tried = some("track");
    let failed = like(names::HTTP_RESPONSE_STATUS_CODE, "5..");
    let tracks = ["service", "track"];
    Row {
        title: "Versions that are tried",
        panels: vec![
            Panel::lines(
                "How often are a canary and its baseline asked?",
                Unit::PerSecond,
                "Both get the same share of the requests, and each shopper stays on one side. In a cluster the stable replicas have a line too.",
            )
            .ask(growth(&tracks, &requests, &[&tried]), "{{service}}: {{track}}")
            .only_with(TRIAL, NONE),
            Panel::lines(
                "What share of the attempts fails there?",
                Unit::Share,
                "Attempts, as the replicas have counted them: what callers try again elsewhere counts here, although hardly any shopper notices.",
            )
            .ask(
                format!(
                    "{} / {}",
                    growth(&tracks, &requests, &[&tried, &failed]),
                    growth(&tracks, &requests, &[&tried])
                ),
                "{{service}}: {{track}}",
            )
            .only_with(TRIAL, NONE),
            Panel::lines(
                "What is the evidence that the canary does worse?",
                Unit::Times,
                "On average 1 at most where it does no worse. Where the mean of both signals reaches 100 it is rolled back, which is wrong in one of a hundred trials at most.",
            )
            .ask(
                format!("max by (service, signal) ({})", names::CANARY_EVIDENCE),
                "{{service}}: {{signal}}",
            )
            .warn_above(100.0)
            .only_with(TRIAL, NONE),
            Panel::lines(
                "How did canaries end?",
                Unit::Count,
                "Since whoever tries them was started. Each that was rolled back is a ticket for an hour.",
            )
            .ask(
                format!("sum by (service, decision) ({})", names::CANARY_DECISIONS),
                "{{service}}: {{decision}}",
            )
            .only_with(TRIAL, NONE),
        ],
    }
}

fn load() -> Row {
    let search = is("service", "search");
    let searches = [search.as_str(), &is(names::HTTP_ROUTE, "/search")].map(str::to_owned);
    let searches = searches.each_ref().map(String::as_str);
    let latency = names::HTTP_SERVER_REQUEST_DURATION;
    Row {
        title: "Load of search, which is scaled",
        panels: vec![
            Panel::lines(
                "How long do searches take?",
                Unit::Seconds,
                "At the replicas: shoppers wait a little longer. It rises with a step of the load, and must fall again within a minute.",
            )
            .ask_with_exemplars(quantile(0.5, &[], latency, &searches), "half are faster than")
            .ask_with_exemplars(quantile(0.99, &[], latency, &searches), "99 % are faster than")
            .at_most(OBJECTIVES.search_seconds),
            Panel::lines(
                "How many requests are in flight at each replica?",
                Unit::Count,
                "What requests took together, for each second that passed: this is what search is scaled by. Lines that stay apart are shares that are not even.",
            )
            .ask(
                growth(&["instance"], &format!("{latency}_sum"), &[&search]),
                "{{instance}}",
            ),
            Panel::lines(
                "How much of a processor does each replica take?",
                Unit::Processors,
                "The second metric: beyond it search computes more than it waits.",
            )
            .ask(
                growth(&["instance"], names::PROCESS_CPU_SECONDS, &[&search]),
                "{{instance}}",
            ),
        ],
    }
}

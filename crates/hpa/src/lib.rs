//! The Kubernetes `HorizontalPodAutoscaler` (`autoscaling/v2`) as a pure function.
//!
//! [`Controller::decide`] takes the object, what is remembered of it ([`State`]), what is seen of the cluster ([`Observation`]) and the
//! time, and answers what the controller of Kubernetes 1.37 does: the replicas, the status with its conditions, the events, the error,
//! and one sentence that explains it. There is no clock, no I/O, no thread and no randomness in it.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use hpa::{Controller, HorizontalPodAutoscaler, Observation, State};
//!
//! let mut autoscaler = HorizontalPodAutoscaler::from_yaml(
//!     "apiVersion: autoscaling/v2
//! kind: HorizontalPodAutoscaler
//! metadata: {name: search, namespace: shop}
//! spec:
//!   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: search}
//!   minReplicas: 2
//!   maxReplicas: 6
//!   metrics:
//!   - type: Pods
//!     pods:
//!       metric: {name: in_flight}
//!       target: {type: AverageValue, averageValue: 500m}",
//! )?;
//! let seen: Observation = hpa::read(
//!     "target: {scale: {replicas: 2, statusReplicas: 2, selector: app=search}}
//! pods:
//! - {name: a, labels: {app: search}, phase: Running}
//! - {name: b, labels: {app: search}, phase: Running}
//! metrics:
//! - pods: [{pod: a, value: 900m}, {pod: b, value: 700m}]",
//! )?;
//!
//! let mut state = State::default();
//! let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
//! let decision = Controller::default().decide(&autoscaler, &mut state, &seen, now);
//! let outcome = decision.settle(&mut state, |replicas| {
//!     assert_eq!(replicas, 4, "ceil(800m / 500m * 2)");
//!     Ok(()) // here the target is given so many
//! });
//! assert_eq!(
//!     outcome.explanation,
//!     "takes Deployment/shop/search from 2 to 4 replicas: pods metric in_flight is at 1.60 of its target and asks for 4"
//! );
//! autoscaler.status = outcome.status; // the next decision begins with it
//! # Ok::<(), hpa::ManifestError>(())
//! ```
//!
//! # What is in it
//!
//! * all sources (`Resource`, `ContainerResource`, `Pods`, `Object`, `External`) and targets (`Utilization`, `Value`, `AverageValue`);
//! * missing, unready, pending, failed and deleted pods; the CPU initialization period and the initial readiness delay;
//! * several metrics, some of which fail; tolerance per direction;
//! * stabilization windows, policies by pods and percent, `selectPolicy`, the limits of the specification, zero replicas;
//! * every condition, event and error with the controller's reasons and texts;
//! * the defaults and the refusals of the API server, quantities read exactly, label selectors.
//!
//! Totals are `i64` thousandths that wrap, utilization is an `i32` without a fraction, and only ratios are floats: as in the
//! controller. Each part can be called alone: [`Calculator`] for one metric, [`State::stabilize`], [`State::stabilize_by`],
//! [`State::limit_rate`], [`GrowthLimit::limit`] for what comes after.
//!
//! # Where it differs
//!
//! * A float beyond the range of an int32 becomes the nearest one. Go leaves it to the processor (`math.MinInt32` on amd64).
//! * [`Quantity::milli`] of more than an int64 holds is the greatest int64, where Kubernetes gives 0 or wraps.
//! * A metric without the block of its type (`type: Pods` without `pods`) fails like one that cannot be read, where the controller
//!   panics; an API server refuses it.
//! * A specification without any metric fails, where the controller would scale down; an API server adds one.
//! * Of several autoscalers that select the same pods, the message of `AmbiguousSelector` names this one first.
//! * What the text of a label selector is refused for is said in this crate's words where a key or a value is invalid.

mod arithmetic;
mod behavior;
mod calculator;
mod controller;
mod explanation;
mod grouping;
mod instant;
mod labels;
mod limits;
mod manifest;
mod metric;
mod object;
mod observation;
mod outcome;
mod pod;
mod quantity;
mod reading;
mod recommendation;
mod sample;
mod selection;
mod state;
mod status;
mod validation;

pub use behavior::{Behavior, PolicyType, ScalingPolicy, ScalingRules, SelectPolicy};
pub use calculator::{Calculation, CalculationError, Calculator, Tolerances};
pub use controller::{Controller, Decision, ScaleToZero};
pub use grouping::Groups;
pub use instant::unset;
pub use labels::{LabelSelector, LabelSelectorRequirement, Labels, Selector, SelectorError};
pub use limits::{GrowthLimit, Limited, Limits};
pub use manifest::{ManifestError, read};
pub use metric::{Failure, Proposal};
pub use object::{
    ContainerResourceMetric, ExternalMetric, HorizontalPodAutoscaler, Metadata, MetricIdentifier,
    MetricSpec, MetricTarget, ObjectMetric, ObjectReference, PodsMetric, ResourceMetric, Spec,
};
pub use observation::{Observation, OtherAutoscaler, Scale, Target};
pub use outcome::{Action, Error, Evaluation, Outcome, Rescale};
pub use pod::{Container, Phase, Pod, Readiness, Resources};
pub use quantity::{Format, Quantity, QuantityError};
pub use reading::{Reading, total, total_per_replica};
pub use sample::{
    ContainerUsage, PodUsage, PodValue, Sample, Samples, pod_samples, resource_samples,
};
pub use state::{Recommendation, ScaleEvent, State, change_within};
pub use status::{
    Condition, ConditionStatus, ConditionType, ContainerResourceStatus, Event, EventType,
    MetricStatus, MetricValue, ObjectStatus, ResourceStatus, SeriesStatus, Status,
};
pub use validation::Violation;

/// The README's example is compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! What an API server refuses: each violation with its field path, in the API server's words.

use std::fmt;

use crate::{
    behavior::{Behavior, ScalingPolicy, ScalingRules},
    labels::LabelSelector,
    object::{
        HorizontalPodAutoscaler, MetricIdentifier, MetricSpec, MetricTarget, ObjectReference, Spec,
    },
};

/// The longest period of a policy, in seconds.
const MAX_PERIOD_SECONDS: i32 = 1800;
/// The longest stabilization window, in seconds.
const MAX_STABILIZATION_WINDOW_SECONDS: i32 = 3600;
const SOURCES: [&str; 5] = [
    "ContainerResource",
    "External",
    "Object",
    "Pods",
    "Resource",
];

/// A value that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which field: `spec.metrics[0].pods.target.averageValue`.
    pub path: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path, self.problem)
    }
}

/// The violations found so far, and the path of the field that is looked at.
struct Check<'a> {
    found: &'a mut Vec<Violation>,
    path: String,
}

impl Check<'_> {
    fn at(&mut self, field: &str) -> Check<'_> {
        Check {
            path: format!("{}.{field}", self.path),
            found: self.found,
        }
    }

    fn item(&mut self, at: usize) -> Check<'_> {
        Check {
            path: format!("{}[{at}]", self.path),
            found: self.found,
        }
    }

    fn refuse(&mut self, problem: impl Into<String>) {
        self.found.push(Violation {
            path: self.path.clone(),
            problem: problem.into(),
        });
    }

    fn refuse_if(&mut self, wrong: bool, field: &str, problem: &str) {
        if wrong {
            self.at(field).refuse(problem);
        }
    }
}

impl HorizontalPodAutoscaler {
    /// Everything that an API server would refuse about this object; nothing if it is valid.
    pub fn validate(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut top = |path: &str, wrong: bool, problem: &str| {
            if wrong {
                found.push(Violation {
                    path: path.to_owned(),
                    problem: problem.to_owned(),
                });
            }
        };
        let (version, kind) = (&self.api_version, &self.kind);
        top(
            "apiVersion",
            version != "autoscaling/v2",
            "must be `autoscaling/v2`",
        );
        top(
            "kind",
            kind != "HorizontalPodAutoscaler",
            "must be `HorizontalPodAutoscaler`",
        );
        top(
            "metadata.name",
            self.metadata.name.is_empty(),
            "Required value",
        );
        check_spec(
            &self.spec,
            Check {
                found: &mut found,
                path: "spec".to_owned(),
            },
        );
        found
    }
}

fn check_spec(spec: &Spec, mut check: Check<'_>) {
    let minimum = spec.min_replicas;
    check.refuse_if(
        minimum.is_some_and(|it| it < 0),
        "minReplicas",
        "must be greater than or equal to 0",
    );
    check.refuse_if(
        spec.max_replicas == 0,
        "maxReplicas",
        "must be set and greater than 0",
    );
    check.refuse_if(
        spec.max_replicas < 0,
        "maxReplicas",
        "must be greater than or equal to 1",
    );
    check.refuse_if(
        minimum.is_some_and(|it| spec.max_replicas < it),
        "maxReplicas",
        "must be greater than or equal to `minReplicas`",
    );
    check_reference(&spec.scale_target_ref, check.at("scaleTargetRef"));
    for (at, metric) in spec.metrics.iter().enumerate() {
        check_metric(metric, check.at("metrics").item(at));
    }
    check.refuse_if(
        minimum == Some(0) && !spec.has_metric_without_pods(),
        "metrics",
        "must specify at least one Object or External metric to support scaling to zero replicas",
    );
    if let Some(behavior) = spec.behavior.as_ref().map(Behavior::with_defaults) {
        let mut check = check.at("behavior");
        for (field, rules) in [
            ("scaleUp", behavior.scale_up),
            ("scaleDown", behavior.scale_down),
        ] {
            if let Some(rules) = rules {
                check_rules(&rules, check.at(field));
            }
        }
    }
}

fn check_reference(reference: &ObjectReference, mut check: Check<'_>) {
    for (field, value) in [("kind", &reference.kind), ("name", &reference.name)] {
        check.refuse_if(value.is_empty(), field, "Required value");
        let segment = !value.contains(['/', '%']) && value != "." && value != "..";
        check.refuse_if(!segment, field, "must be a path segment");
    }
    check.refuse_if(
        reference.api_version.matches('/').count() > 1,
        "apiVersion",
        "must be GROUP/VERSION or VERSION",
    );
}

fn check_metric(metric: &MetricSpec, mut check: Check<'_>) {
    if !SOURCES.contains(&metric.r#type.as_str()) {
        let problem = format!(
            "must be one of {}, not `{}`",
            SOURCES.join(", "),
            metric.r#type
        );
        check.at("type").refuse(problem);
    }
    let fields = [
        ("Object", "object", metric.object.is_some()),
        ("External", "external", metric.external.is_some()),
        ("Pods", "pods", metric.pods.is_some()),
        ("Resource", "resource", metric.resource.is_some()),
        (
            "ContainerResource",
            "containerResource",
            metric.container_resource.is_some(),
        ),
    ];
    for (source, field, given) in fields {
        let wanted = metric.r#type == source;
        check.refuse_if(
            wanted && !given,
            field,
            "must populate information for the given metric source",
        );
        check.refuse_if(
            !wanted && given,
            field,
            "must populate the given metric source only",
        );
    }
    if let Some(it) = &metric.object {
        let mut check = check.at("object");
        check_reference(&it.described_object, check.at("describedObject"));
        check_identifier(&it.metric, check.at("metric"));
        check_target(&it.target, Wanted::Value, check.at("target"));
    }
    if let Some(it) = &metric.external {
        let mut check = check.at("external");
        check_identifier(&it.metric, check.at("metric"));
        check_target(&it.target, Wanted::OneValue, check.at("target"));
    }
    if let Some(it) = &metric.pods {
        let mut check = check.at("pods");
        check_identifier(&it.metric, check.at("metric"));
        check_target(&it.target, Wanted::Average, check.at("target"));
    }
    if let Some(it) = &metric.resource {
        let mut check = check.at("resource");
        check.refuse_if(it.name.is_empty(), "name", "must specify a resource name");
        check_target(&it.target, Wanted::Utilization, check.at("target"));
    }
    if let Some(it) = &metric.container_resource {
        let mut check = check.at("containerResource");
        check.refuse_if(it.name.is_empty(), "name", "must specify a resource name");
        check.refuse_if(
            it.container.is_empty(),
            "container",
            "must specify a container",
        );
        check_target(&it.target, Wanted::Utilization, check.at("target"));
    }
}

fn check_identifier(metric: &MetricIdentifier, mut check: Check<'_>) {
    check.refuse_if(metric.name.is_empty(), "name", "must specify a metric name");
    let segment = !metric.name.contains(['/', '%']) && metric.name != "." && metric.name != "..";
    check.refuse_if(!segment, "name", "must be a path segment");
    if let Some(Err(error)) = metric.selector.as_ref().map(LabelSelector::to_selector) {
        check.at("selector").refuse(error.to_string());
    }
}

/// Which fields of a target a source needs.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    /// `value` or `averageValue`.
    Value,
    /// `value` or `averageValue`, not both.
    OneValue,
    /// `averageValue`.
    Average,
    /// `averageUtilization` or `averageValue`, not both.
    Utilization,
}

fn check_target(target: &MetricTarget, wanted: Wanted, mut check: Check<'_>) {
    let (value, average, utilization) = (
        target.value.is_some(),
        target.average_value.is_some(),
        target.average_utilization.is_some(),
    );
    if !matches!(
        target.r#type.as_str(),
        "Utilization" | "Value" | "AverageValue"
    ) {
        let problem = "must be either Utilization, Value, or AverageValue";
        check.at("type").refuse(problem);
    }
    for (field, quantity) in [
        ("value", target.value),
        ("averageValue", target.average_value),
    ] {
        check.refuse_if(
            quantity.is_some_and(|it| it.signum() != 1),
            field,
            "must be positive",
        );
    }
    check.refuse_if(
        target.average_utilization.is_some_and(|it| it < 1),
        "averageUtilization",
        "must be greater than 0",
    );
    match wanted {
        Wanted::Value | Wanted::OneValue => {
            let problem = "must set either a target value or averageValue";
            check.refuse_if(!value && !average, "averageValue", problem);
            let problem = "may not set both a target value for metric and a per-pod target";
            check.refuse_if(
                wanted == Wanted::OneValue && value && average,
                "value",
                problem,
            );
        }
        Wanted::Average => {
            let problem = "must specify a positive target averageValue";
            check.refuse_if(!average, "averageValue", problem);
        }
        Wanted::Utilization => {
            let problem = "must set either a target raw value or a target utilization";
            check.refuse_if(!utilization && !average, "averageUtilization", problem);
            let problem = "may not set both a target raw value and a target utilization";
            check.refuse_if(utilization && average, "averageValue", problem);
        }
    }
}

fn check_rules(rules: &ScalingRules, mut check: Check<'_>) {
    let field = "stabilizationWindowSeconds";
    let window = rules.stabilization_window_seconds.unwrap_or(0);
    check.refuse_if(window < 0, field, "must be greater than or equal to zero");
    if window > MAX_STABILIZATION_WINDOW_SECONDS {
        let problem = format!("must be less than or equal to {MAX_STABILIZATION_WINDOW_SECONDS}");
        check.at(field).refuse(problem);
    }
    check.refuse_if(
        rules.tolerance.is_some_and(|it| it.signum() < 0),
        "tolerance",
        "must be greater than or equal to 0",
    );
    let policies = rules.policies.as_deref().unwrap_or_default();
    check.refuse_if(
        policies.is_empty(),
        "policies",
        "must specify at least one Policy",
    );
    for (at, policy) in policies.iter().enumerate() {
        check_policy(policy, check.at("policies").item(at));
    }
}

fn check_policy(policy: &ScalingPolicy, mut check: Check<'_>) {
    check.refuse_if(policy.value <= 0, "value", "must be greater than zero");
    let field = "periodSeconds";
    check.refuse_if(
        policy.period_seconds <= 0,
        field,
        "must be greater than zero",
    );
    if policy.period_seconds > MAX_PERIOD_SECONDS {
        let problem = format!("must be less than or equal to {MAX_PERIOD_SECONDS}");
        check.at(field).refuse(problem);
    }
}

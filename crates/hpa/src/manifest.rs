//! Reading the object from the YAML that is also given to a cluster.

use std::fmt;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{
    behavior::Behavior,
    object::{HorizontalPodAutoscaler, MetricSpec, MetricTarget, ResourceMetric, Spec},
    validation::Violation,
};

/// What the API server takes as the target of CPU where no metric is given, in percent of what is requested.
const DEFAULT_CPU_UTILIZATION: i32 = 80;

/// Why a text is no `HorizontalPodAutoscaler`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// It is no YAML, or has a field that is unknown or of another type.
    Unreadable {
        /// Where: `spec.metrics[0].pods.target`; empty where the text is no YAML.
        path: String,
        /// What is wrong, with the line.
        problem: String,
    },
    /// Its fields are known, but an API server would refuse their values: everything that is wrong.
    Invalid(Vec<Violation>),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, problem } if path.is_empty() => out.write_str(problem),
            Self::Unreadable { path, problem } => write!(out, "{path}: {problem}"),
            Self::Invalid(violations) => {
                for (at, violation) in violations.iter().enumerate() {
                    write!(out, "{}{violation}", if at == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ManifestError {}

impl HorizontalPodAutoscaler {
    /// Reads and checks one object, and adds the defaults of the API server.
    ///
    /// ```
    /// use hpa::HorizontalPodAutoscaler;
    ///
    /// let error = HorizontalPodAutoscaler::from_yaml(
    ///     "apiVersion: autoscaling/v2
    /// kind: HorizontalPodAutoscaler
    /// metadata: {name: search}
    /// spec:
    ///   scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: search}
    ///   maxReplicas: 6
    ///   behavior: {scaleDown: {stabilizationWindow: 60}}",
    /// )
    /// .unwrap_err();
    /// assert!(error.to_string().starts_with("spec.behavior.scaleDown.stabilizationWindow: unknown field"));
    /// ```
    pub fn from_yaml(text: &str) -> Result<Self, ManifestError> {
        let object: Self = read(text)?;
        let violations = object.validate();
        if violations.is_empty() {
            Ok(object.with_defaults())
        } else {
            Err(ManifestError::Invalid(violations))
        }
    }

    /// Writes the object as YAML.
    pub fn to_yaml(&self) -> String {
        yaml_serde::to_string(self).expect("every field has a form in YAML")
    }

    /// With what an API server adds: at least one replica, CPU at 80 %, the rest of a `behavior`, the namespace `default`.
    #[must_use]
    pub fn with_defaults(mut self) -> Self {
        if self.metadata.namespace.is_empty() {
            "default".clone_into(&mut self.metadata.namespace);
        }
        self.spec = self.spec.with_defaults();
        self
    }
}

impl Spec {
    fn with_defaults(mut self) -> Self {
        self.min_replicas.get_or_insert(1);
        if self.metrics.is_empty() {
            self.metrics.push(MetricSpec {
                r#type: "Resource".to_owned(),
                resource: Some(ResourceMetric {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        r#type: "Utilization".to_owned(),
                        average_utilization: Some(DEFAULT_CPU_UTILIZATION),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            });
        }
        self.behavior = self.behavior.as_ref().map(Behavior::with_defaults);
        self
    }
}

/// For lists and maps: `null` is an empty one, as to an API server, which writes it for a status without metrics.
pub(crate) fn or_empty<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads YAML into the given type; what is unknown is refused with the path of its field.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, ManifestError> {
    let deserializer = yaml_serde::Deserializer::from_str(text);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        let text = error.into_inner().to_string();
        // The YAML reader names a path too, of what contains the field.
        let problem = match text.split_once(": ") {
            Some((container, problem)) if path.starts_with(container) => problem.to_owned(),
            _ => text,
        };
        ManifestError::Unreadable { path, problem }
    })
}

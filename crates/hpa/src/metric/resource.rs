//! CPU, memory and the like, of whole pods or of one container.

use super::{Evaluator, Failure, Proposal};
use crate::{
    calculator::Calculation,
    object::{MetricSpec, MetricTarget},
    quantity::{Format, Quantity},
    reading::{self, Reading},
    sample::resource_samples,
    status::{ContainerResourceStatus, MetricStatus, MetricValue, ResourceStatus},
};

impl Evaluator<'_> {
    pub(super) fn resource(
        &self,
        spec: &MetricSpec,
        reading: Option<&Reading>,
    ) -> Result<Proposal, Failure> {
        const REASON: &str = "FailedGetResourceMetric";
        let Some(metric) = &spec.resource else {
            return Err(Failure::without_source(REASON));
        };
        let name = &metric.name;
        let (calculation, kind) =
            self.usage(name, None, &metric.target, reading)
                .map_err(|cause| {
                    let error = format!("failed to get {name} resource metric value: {cause}");
                    Failure::new(REASON, cause, error)
                })?;
        let status = ResourceStatus {
            name: name.clone(),
            current: resource_value(name, &calculation),
        };
        Ok(Proposal {
            metric: format!("{name} {kind}"),
            calculation,
            status: MetricStatus {
                r#type: spec.r#type.clone(),
                resource: Some(status),
                ..MetricStatus::default()
            },
        })
    }

    pub(super) fn container_resource(
        &self,
        spec: &MetricSpec,
        reading: Option<&Reading>,
    ) -> Result<Proposal, Failure> {
        const REASON: &str = "FailedGetContainerResourceMetric";
        let Some(metric) = &spec.container_resource else {
            return Err(Failure::without_source(REASON));
        };
        let (name, container) = (&metric.name, &metric.container);
        let named = (!container.is_empty()).then_some(container.as_str());
        let (calculation, kind) =
            self.usage(name, named, &metric.target, reading)
                .map_err(|cause| {
                    let error =
                        format!("failed to get {container} container metric value: {cause}");
                    Failure::new(REASON, cause, error)
                })?;
        let kind = match calculation.utilization {
            Some(_) => format!("container {kind}"),
            None => kind.to_owned(),
        };
        let status = ContainerResourceStatus {
            name: name.clone(),
            container: container.clone(),
            current: resource_value(name, &calculation),
        };
        Ok(Proposal {
            metric: format!("{name} {kind}"),
            calculation,
            status: MetricStatus {
                r#type: spec.r#type.clone(),
                container_resource: Some(status),
                ..MetricStatus::default()
            },
        })
    }

    /// A resource of pods or of one container, and what the metric is called after its name.
    fn usage(
        &self,
        resource: &str,
        container: Option<&str>,
        target: &MetricTarget,
        reading: Option<&Reading>,
    ) -> Result<(Calculation, &'static str), String> {
        let samples = || {
            let usages = reading::resource(reading).map_err(|error| {
                format!("unable to get metrics for resource {resource}: {error}")
            })?;
            Ok::<_, String>(resource_samples(usages, resource, container))
        };
        if let Some(average) = target.average_value {
            let calculation = samples().and_then(|it| {
                let calculation = self
                    .calculator
                    .average(average.milli(), Some(resource), &it);
                calculation.map_err(|error| error.to_string())
            });
            let calculation =
                calculation.map_err(|it| format!("failed to get {resource} usage: {it}"))?;
            return Ok((calculation, "resource"));
        }
        let percent = target.average_utilization.ok_or(
            "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set",
        )?;
        let calculation = samples().and_then(|it| {
            let calculation = self
                .calculator
                .utilization(percent, resource, container, &it);
            calculation.map_err(|error| error.to_string())
        });
        let calculation =
            calculation.map_err(|it| format!("failed to get {resource} utilization: {it}"))?;
        Ok((calculation, "resource utilization (percentage of request)"))
    }
}

/// Memory is written in powers of two, as the metrics server writes it.
fn resource_value(resource: &str, calculation: &Calculation) -> MetricValue {
    let quantity = Quantity::from_milli(calculation.usage);
    MetricValue {
        value: None,
        average_value: Some(match resource {
            "memory" => quantity.with_format(Format::BinarySi),
            _ => quantity,
        }),
        average_utilization: calculation.utilization,
    }
}

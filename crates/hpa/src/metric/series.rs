//! Metrics that have a name: of the pods, of an object, from outside the cluster.

use super::{Evaluator, Failure, NO_SOURCE, Proposal};
use crate::{
    arithmetic,
    calculator::{Calculation, CalculationError},
    labels::LabelSelector,
    object::{ExternalMetric, MetricIdentifier, ObjectMetric, PodsMetric},
    quantity::Quantity,
    reading::{self, Reading, total, total_per_replica},
    status::{MetricStatus, MetricValue, ObjectStatus, SeriesStatus},
};

impl Evaluator<'_> {
    pub(super) fn pods(
        &self,
        metric: Option<&PodsMetric>,
        reading: Option<&Reading>,
    ) -> Result<Proposal, Failure> {
        let fail = |cause: String| {
            let error = format!("failed to get pods metric value: {cause}");
            Failure::new("FailedGetPodsMetric", cause, error)
        };
        let metric = metric.ok_or_else(|| fail(NO_SOURCE.to_owned()))?;
        check_selector(&metric.metric).map_err(fail)?;
        let name = &metric.metric.name;
        let target = metric.target.average_value.ok_or_else(|| {
            fail("invalid pods metric source: no average value target was set".to_owned())
        })?;
        let samples = reading::pods(reading)
            .map_err(|error| fail(format!("unable to get metric {name}: {error}")))?;
        let calculation = self.calculator.average(target.milli(), None, &samples);
        let calculation = calculation.map_err(|it| fail(it.to_string()))?;
        Ok(Proposal {
            metric: format!("pods metric {name}"),
            calculation,
            status: MetricStatus {
                r#type: "Pods".to_owned(),
                pods: Some(SeriesStatus {
                    metric: metric.metric.clone(),
                    current: average(calculation.usage),
                }),
                ..MetricStatus::default()
            },
        })
    }

    pub(super) fn object(
        &self,
        metric: Option<&ObjectMetric>,
        reading: Option<&Reading>,
    ) -> Result<Proposal, Failure> {
        let fail = |cause: String, error: &str| {
            let error = format!("failed to get object metric value: {error}");
            Failure::new("FailedGetObjectMetric", cause, error)
        };
        let plain = |cause: String| {
            let error = cause.clone();
            fail(cause, &error)
        };
        let metric = metric.ok_or_else(|| plain(NO_SOURCE.to_owned()))?;
        check_selector(&metric.metric).map_err(plain)?;
        let (name, object, target) = (
            &metric.metric.name,
            &metric.described_object,
            &metric.target,
        );
        let value = || {
            reading::object(reading).map_err(|error| {
                let (kind, of) = (&object.kind, &object.name);
                format!(
                    "unable to get metric {name} on {kind} {}/{of}: {error}",
                    self.namespace
                )
            })
        };
        let wanted = (target.r#type.as_str(), target.value, target.average_value);
        let (title, calculation, current) = match wanted {
            ("Value", Some(wanted), _) => {
                let calculation =
                    value().and_then(|it| text(self.calculator.value(wanted.milli(), it)));
                let it = calculation.map_err(plain)?;
                let title = format!("{} metric {name}", object.kind);
                (title, it, whole(it.usage))
            }
            ("AverageValue", _, Some(wanted)) => {
                let value = value().map_err(|cause| {
                    let error = format!("failed to get {name} object metric: {cause}");
                    fail(cause, &error)
                })?;
                let calculator = &self.calculator;
                let it = calculator.value_per_replica(wanted.milli(), value, self.status_replicas);
                (series_name(&metric.metric), it, average(it.usage))
            }
            _ => {
                let cause = "invalid object metric source: neither a value target nor an average value target was set";
                return Err(plain(cause.to_owned()));
            }
        };
        Ok(Proposal {
            metric: title,
            calculation,
            status: MetricStatus {
                r#type: "Object".to_owned(),
                object: Some(ObjectStatus {
                    described_object: object.clone(),
                    metric: metric.metric.clone(),
                    current,
                }),
                ..MetricStatus::default()
            },
        })
    }

    pub(super) fn external(
        &self,
        metric: Option<&ExternalMetric>,
        reading: Option<&Reading>,
    ) -> Result<Proposal, Failure> {
        let name = metric.map_or("", |it| &it.metric.name);
        let fail = |cause: String, error: &str| {
            let error = format!("failed to get {name} external metric value: {error}");
            Failure::new("FailedGetExternalMetric", cause, error)
        };
        let metric = metric.ok_or_else(|| fail(NO_SOURCE.to_owned(), NO_SOURCE))?;
        let target = &metric.target;
        let values = || {
            check_selector(&metric.metric)?;
            reading::external(reading).map_err(|error| {
                let (namespace, selector) = (self.namespace, selector_text(&metric.metric));
                format!("unable to get external metric {namespace}/{name}/{selector}: {error}")
            })
        };
        let (calculation, current) = if let Some(wanted) = target.average_value {
            let value = values().map(|it| total_per_replica(&it)).map_err(|cause| {
                let error = format!("failed to get {name} external metric: {cause}");
                fail(cause, &error)
            })?;
            let calculator = &self.calculator;
            let mut calculation =
                calculator.value_per_replica(wanted.milli(), value, self.status_replicas);
            if arithmetic::float(value) >= arithmetic::float(i64::MAX) {
                calculation.usage = i64::MAX;
            }
            (calculation, average(calculation.usage))
        } else if let Some(wanted) = target.value {
            let calculation = values()
                .map(|it| total(&it))
                .and_then(|it| text(self.calculator.value(wanted.milli(), it)))
                .map_err(|cause| {
                    let error = format!("failed to get external metric {name}: {cause}");
                    fail(cause, &error)
                })?;
            (calculation, whole(calculation.usage))
        } else {
            let cause = "invalid external metric source: neither a value target nor an average value target was set";
            return Err(fail(cause.to_owned(), cause));
        };
        Ok(Proposal {
            metric: series_name(&metric.metric),
            calculation,
            status: MetricStatus {
                r#type: "External".to_owned(),
                external: Some(SeriesStatus {
                    metric: metric.metric.clone(),
                    current,
                }),
                ..MetricStatus::default()
            },
        })
    }
}

fn text(result: Result<Calculation, CalculationError>) -> Result<Calculation, String> {
    result.map_err(|error| error.to_string())
}

fn check_selector(metric: &MetricIdentifier) -> Result<(), String> {
    match metric.selector.as_ref().map(LabelSelector::to_selector) {
        Some(Err(error)) => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn selector_text(metric: &MetricIdentifier) -> String {
    match &metric.selector {
        Some(selector) => selector.to_string(),
        None => "nil".to_owned(),
    }
}

fn series_name(metric: &MetricIdentifier) -> String {
    format!("external metric {}({})", metric.name, selector_text(metric))
}

fn whole(milli: i64) -> MetricValue {
    MetricValue {
        value: Some(Quantity::from_milli(milli)),
        ..MetricValue::default()
    }
}

fn average(milli: i64) -> MetricValue {
    MetricValue {
        average_value: Some(Quantity::from_milli(milli)),
        ..MetricValue::default()
    }
}

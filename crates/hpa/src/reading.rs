//! What the metrics APIs answer for one metric.

use serde::{Deserialize, Serialize};

use crate::{
    quantity::Quantity,
    sample::{PodUsage, PodValue, Samples, pod_samples},
};

const OTHER_API: &str = "what was read is of another API";

/// What was measured for one metric of the specification, or why nothing was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub enum Reading {
    /// From the resource metrics API, for `Resource` and `ContainerResource`.
    Resource(Vec<PodUsage>),
    /// From the custom metrics API, for `Pods`.
    Pods(Vec<PodValue>),
    /// From the custom metrics API, for `Object`.
    Object(Quantity),
    /// From the external metrics API, for `External`: a value for each series.
    External(Vec<Quantity>),
    /// The API could not be asked, or answered with this error.
    Failed(String),
}

/// A reading as a map with one field, in whatever format.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Vec<PodUsage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<Vec<PodValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external: Option<Vec<Quantity>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl TryFrom<Fields> for Reading {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, &'static str> {
        let given = [
            fields.resource.map(Self::Resource),
            fields.pods.map(Self::Pods),
            fields.object.map(Self::Object),
            fields.external.map(Self::External),
            fields.failed.map(Self::Failed),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(reading), None) => Ok(reading),
            _ => Err("must have one of resource, pods, object, external and failed"),
        }
    }
}

impl From<Reading> for Fields {
    fn from(reading: Reading) -> Self {
        let mut fields = Self::default();
        match reading {
            Reading::Resource(it) => fields.resource = Some(it),
            Reading::Pods(it) => fields.pods = Some(it),
            Reading::Object(it) => fields.object = Some(it),
            Reading::External(it) => fields.external = Some(it),
            Reading::Failed(it) => fields.failed = Some(it),
        }
        fields
    }
}

/// What an API answered: its error, or that it answered nothing.
fn answer<'a, T>(
    reading: Option<&'a Reading>,
    api: &str,
    pick: impl Fn(&'a Reading) -> Option<T>,
) -> Result<T, String> {
    let failed = |error: &str| format!("unable to fetch metrics from {api} metrics API: {error}");
    match reading {
        None => Err(format!("no metrics returned from {api} metrics API")),
        Some(Reading::Failed(error)) => Err(failed(error)),
        Some(reading) => pick(reading).ok_or_else(|| failed(OTHER_API)),
    }
}

fn not_empty<T>(values: &[T], api: &str) -> Result<(), String> {
    if values.is_empty() {
        return Err(format!("no metrics returned from {api} metrics API"));
    }
    Ok(())
}

pub(crate) fn resource(reading: Option<&Reading>) -> Result<&[PodUsage], String> {
    let usages = answer(reading, "resource", |it| match it {
        Reading::Resource(usages) => Some(usages.as_slice()),
        _ => None,
    })?;
    not_empty(usages, "resource").map(|()| usages)
}

pub(crate) fn pods(reading: Option<&Reading>) -> Result<Samples, String> {
    let values = answer(reading, "custom", |it| match it {
        Reading::Pods(values) => Some(values),
        _ => None,
    })?;
    not_empty(values, "custom").map(|()| pod_samples(values))
}

pub(crate) fn object(reading: Option<&Reading>) -> Result<i64, String> {
    answer(reading, "custom", |it| match it {
        Reading::Object(value) => Some(value.milli()),
        _ => None,
    })
}

pub(crate) fn external(reading: Option<&Reading>) -> Result<Vec<i64>, String> {
    let values = answer(reading, "external", |it| match it {
        Reading::External(values) => Some(values),
        _ => None,
    })?;
    not_empty(values, "external")?;
    Ok(values.iter().map(Quantity::milli).collect())
}

/// The sum of all series, for a target as one value: it stops at the greatest int64.
pub fn total(values: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for value in values {
        sum = match sum.checked_add(*value) {
            None if *value > 0 => return i64::MAX,
            _ => sum.wrapping_add(*value),
        };
    }
    sum
}

/// The sum of all series, for a target per replica: a negative sum is taken for an overflow.
pub fn total_per_replica(values: &[i64]) -> i64 {
    let mut sum = 0_i64;
    for value in values {
        sum = sum.wrapping_add(*value);
        if sum < 0 {
            return i64::MAX;
        }
    }
    sum
}

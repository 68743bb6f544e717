//! What the environment says about telemetry: `RUST_LOG` and the standard `OTEL_*` variables, read once.

use std::{collections::BTreeMap, env, fmt::Display, str::FromStr, time::Duration};

use anyhow::Context as _;
use opentelemetry::KeyValue;
use tracing_subscriber::filter::Targets;

use crate::sampler::Sampler;

/// How spans are sent off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batching {
    pub(crate) max_queue: usize,
    pub(crate) max_batch: usize,
    pub(crate) delay: Duration,
}

/// How the collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    HttpProtobuf,
}

/// Everything that was set, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) filter: Targets,
    pub(crate) service: String,
    pub(crate) instance: String,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) sampler: Sampler,
    pub(crate) batching: Batching,
    /// Where spans go; the exporter reads the address itself.
    pub(crate) traces: Option<Protocol>,
}

impl Settings {
    /// Reads the environment of this process.
    pub(crate) fn from_env(service: &str) -> anyhow::Result<Self> {
        Self::read(service, |name| {
            env::var(name).ok().filter(|it| !it.is_empty())
        })
    }

    fn read(service: &str, get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let mut attributes = resource_attributes(get("OTEL_RESOURCE_ATTRIBUTES").as_deref())?;
        let service = get("OTEL_SERVICE_NAME").unwrap_or_else(|| service.to_owned());
        attributes.remove("service.name");
        let instance = attributes
            .remove("service.instance.id")
            .unwrap_or_else(|| format!("{service}-{:08x}", fastrand::u32(..)));
        let filter = get("RUST_LOG").unwrap_or_else(|| "info".to_owned());
        let enabled = !get("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        let endpoint = get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| get("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let protocol = get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
            .or_else(|| get("OTEL_EXPORTER_OTLP_PROTOCOL"));
        let protocol = match protocol.as_deref() {
            None | Some("grpc") => Protocol::Grpc,
            Some("http/protobuf") => Protocol::HttpProtobuf,
            Some(other) => {
                anyhow::bail!(
                    "OTEL_EXPORTER_OTLP_PROTOCOL must be grpc or http/protobuf, not {other:?}"
                )
            }
        };
        let (kind, argument) = (get("OTEL_TRACES_SAMPLER"), get("OTEL_TRACES_SAMPLER_ARG"));
        Ok(Self {
            filter: filter
                .parse()
                .with_context(|| format!("read RUST_LOG, {filter:?}"))?,
            service,
            instance,
            attributes: attributes
                .into_iter()
                .map(|(key, value)| KeyValue::new(key, value))
                .collect(),
            sampler: Sampler::parse(kind.as_deref(), argument.as_deref())?,
            batching: Batching {
                max_queue: number(&get, "OTEL_BSP_MAX_QUEUE_SIZE", 8192)?,
                max_batch: number(&get, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1024)?,
                delay: Duration::from_millis(number(&get, "OTEL_BSP_SCHEDULE_DELAY", 1_000)?),
            },
            traces: (enabled && endpoint.is_some()).then_some(protocol),
        })
    }
}

fn number<T: FromStr + PartialOrd + Default>(
    get: impl Fn(&str) -> Option<String>,
    name: &str,
    default: T,
) -> anyhow::Result<T>
where
    T::Err: Display,
{
    let Some(text) = get(name) else {
        return Ok(default);
    };
    match text.parse() {
        Ok(number) if number > T::default() => Ok(number),
        _ => anyhow::bail!("{name} must be a positive integer, not {text:?}"),
    }
}

/// `key=value,key=value`, as the OpenTelemetry specification has it.
fn resource_attributes(text: Option<&str>) -> anyhow::Result<BTreeMap<String, String>> {
    let pairs = text
        .unwrap_or_default()
        .split(',')
        .filter(|it| !it.trim().is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').with_context(|| {
                format!("OTEL_RESOURCE_ATTRIBUTES must be key=value,…, found {pair:?}")
            })?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::read("shop", |name| {
            let found = variables.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_means_no_export_and_one_trace_in_ten() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.traces, None);
        assert_eq!(settings.sampler, Sampler::default());
        assert!(settings.instance.starts_with("shop-"));
    }

    #[test]
    fn the_standard_variables_are_read() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.instance.id=shop-1, deployment.environment.name=test",
            ),
            ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ])
        .unwrap();
        assert_eq!(settings.traces, Some(Protocol::HttpProtobuf));
        assert_eq!(settings.instance, "shop-1");
        assert_eq!(
            settings.attributes,
            [KeyValue::new("deployment.environment.name", "test")]
        );
        assert_eq!(settings.batching.delay, Duration::from_millis(200));
    }

    #[test]
    fn a_wrong_value_is_refused_by_name() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_RESOURCE_ATTRIBUTES", "nonsense"),
            ("RUST_LOG", "shop=loud"),
        ] {
            let error = format!("{:#}", read(&[(name, value)]).unwrap_err());
            assert!(error.contains(name), "{error}");
        }
    }
}

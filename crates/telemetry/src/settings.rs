//! What the environment says about telemetry: `RUST_LOG` and the standard `OTEL_*` variables, read once.
//!
//! A value that is not understood is warned of and taken for none, as OpenTelemetry's specification asks: whoever sets these
//! variables for many programs must be able to use one that we do not know.
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use std::{cell::RefCell, collections::BTreeMap, env, str::FromStr, time::Duration};

use anyhow::Context as _;
use opentelemetry::KeyValue;
use percent_encoding::percent_decode_str;
use tracing_subscriber::filter::Targets;

use crate::sampler::{self, Sampler};

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
    pub(crate) version: String,
    pub(crate) instance: String,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) sampler: Sampler,
    pub(crate) batching: Batching,
    /// Where spans go; the exporter reads the address itself.
    pub(crate) traces: Option<Protocol>,
    /// Variables with a value that is not understood, in words.
    pub(crate) warnings: Vec<String>,
}

/// Variables, and what is to be said of their values.
struct Variables<G> {
    get: G,
    warnings: RefCell<Vec<String>>,
}

impl<G: Fn(&str) -> Option<String>> Variables<G> {
    fn text(&self, name: &str) -> Option<String> {
        (self.get)(name).filter(|it| !it.is_empty())
    }

    /// What `read` makes of a variable, or `default` if it is not set or nothing can be made of it.
    fn value<T>(
        &self,
        name: &str,
        default: T,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        let Some(text) = self.text(name) else {
            return default;
        };
        read(text.trim()).unwrap_or_else(|| {
            let warning = format!("{name} ignored: expected {expected}, found {text:?}");
            self.warnings.borrow_mut().push(warning);
            default
        })
    }

    fn number<T: FromStr + PartialOrd + Default>(&self, name: &str, default: T) -> T {
        let positive = |it: &T| *it > T::default();
        self.value(name, default, "a positive integer", |text| {
            text.parse().ok().filter(positive)
        })
    }

    /// The first of `names` that is set decides.
    fn first<'a>(&self, names: [&'a str; 2]) -> &'a str {
        let [special, general] = names;
        if self.text(special).is_some() {
            special
        } else {
            general
        }
    }
}

impl Settings {
    /// Reads the environment of this process. `service` and `version` are what it is unless that says otherwise.
    pub(crate) fn from_env(service: &str, version: &str) -> anyhow::Result<Self> {
        Self::read(service, version, |name| env::var(name).ok())
    }

    fn read(
        service_name: &str,
        version: &str,
        get: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Self> {
        let variables = Variables {
            get,
            warnings: RefCell::default(),
        };
        let mut attributes = variables.value(
            "OTEL_RESOURCE_ATTRIBUTES",
            BTreeMap::new(),
            "key=value,…, percent-encoded",
            resource_attributes,
        );
        let named = attributes.remove("service.name");
        let service = variables.text("OTEL_SERVICE_NAME").or(named);
        let service = service.unwrap_or_else(|| service_name.to_owned());
        let version = attributes
            .remove("service.version")
            .unwrap_or_else(|| version.to_owned());
        let instance = attributes
            .remove("service.instance.id")
            .unwrap_or_else(|| format!("{service}-{:08x}", fastrand::u32(..)));
        let filter = variables
            .text("RUST_LOG")
            .unwrap_or_else(|| "info".to_owned());
        let disabled = variables.value("OTEL_SDK_DISABLED", false, "true or false", boolean);
        let exported = variables.value("OTEL_TRACES_EXPORTER", true, "otlp or none", exporter);
        let endpoint = variables.text(variables.first([
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ]));
        let protocol = variables.value(
            variables.first([
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                "OTEL_EXPORTER_OTLP_PROTOCOL",
            ]),
            Protocol::Grpc,
            "grpc or http/protobuf",
            protocol,
        );
        let ratio = variables.value(
            "OTEL_TRACES_SAMPLER_ARG",
            sampler::DEFAULT_RATIO,
            "a ratio from 0 to 1",
            sampler::ratio,
        );
        let sampler = variables.value(
            "OTEL_TRACES_SAMPLER",
            Sampler::new(true, ratio),
            "always_on, always_off, traceidratio or one of these after parentbased_",
            |kind| Sampler::parse(kind, ratio),
        );
        let batching = Batching {
            max_queue: variables.number("OTEL_BSP_MAX_QUEUE_SIZE", 8192),
            max_batch: variables.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1024),
            delay: Duration::from_millis(variables.number("OTEL_BSP_SCHEDULE_DELAY", 1_000)),
        };
        Ok(Self {
            filter: filter
                .parse()
                .with_context(|| format!("read RUST_LOG, {filter:?}"))?,
            service,
            version,
            instance,
            attributes: attributes
                .into_iter()
                .map(|(key, value)| KeyValue::new(key, value))
                .collect(),
            sampler,
            batching,
            traces: (!disabled && exported && endpoint.is_some()).then_some(protocol),
            warnings: variables.warnings.into_inner(),
        })
    }
}

/// Anything but `true` is false, whatever its letter case; what is neither is worth a warning.
fn boolean(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    (is("true") || is("false")).then(|| is("true"))
}

/// Whether spans are exported at all.
fn exporter(text: &str) -> Option<bool> {
    match text {
        "otlp" => Some(true),
        "none" => Some(false),
        _ => None,
    }
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "grpc" => Some(Protocol::Grpc),
        "http/protobuf" => Some(Protocol::HttpProtobuf),
        _ => None,
    }
}

/// `key=value,key=value`, both percent-encoded where they need to be. One broken pair discards all.
///
/// <https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable>
fn resource_attributes(text: &str) -> Option<BTreeMap<String, String>> {
    let pairs = text.split(',').filter(|it| !it.trim().is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = decode(key.trim())?;
            (!key.is_empty()).then_some((key, decode(value.trim())?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    // What the decoder leaves alone: a sign that begins no escape.
    let escapes = text.split('%').skip(1);
    let hex = |it: &str| {
        let digits = it.as_bytes().get(..2);
        digits.is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit))
    };
    escapes.into_iter().all(hex).then(|| decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::read("shop", "1.2.3", |name| {
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
    fn a_value_that_is_not_understood_is_warned_of_by_name_and_taken_for_none() {
        let none = read(&[]).unwrap();
        assert_eq!(none.warnings, [""; 0]);
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
            ("OTEL_RESOURCE_ATTRIBUTES", "nonsense"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=%zz"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=1"),
            ("OTEL_SDK_DISABLED", "yes"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "10"),
        ] {
            let settings = read(&[(name, value)]).unwrap();
            let [warning] = &settings.warnings[..] else {
                panic!("{name}={value}: {:?}", settings.warnings);
            };
            assert!(
                warning.contains(name) && warning.contains(value),
                "{warning}"
            );
            assert_eq!(settings.attributes, []);
            assert_eq!(settings.sampler, none.sampler);
            assert_eq!(settings.batching, none.batching);
        }
    }

    #[test]
    fn what_is_written_to_the_log_is_not_guessed() {
        let error = read(&[("RUST_LOG", "shop=loud")]).unwrap_err();
        assert!(format!("{error:#}").contains("RUST_LOG"));
    }

    #[test]
    fn attributes_of_the_resource_are_percent_decoded() {
        let text = "service.version=2%2C0,team=%C3%A9quipe%20bleue,a%3Db=1%25";
        let settings = read(&[("OTEL_RESOURCE_ATTRIBUTES", text)]).unwrap();
        assert_eq!(settings.version, "2,0");
        let expected = [("a=b", "1%"), ("team", "équipe bleue")];
        let expected = expected.map(|(key, value)| KeyValue::new(key, value));
        assert_eq!(settings.attributes, expected);
    }

    #[test]
    fn a_service_is_named_by_its_own_variable_then_by_its_resource_then_by_itself() {
        let named = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=theirs");
        assert_eq!(read(&[]).unwrap().service, "shop");
        assert_eq!(read(&[named]).unwrap().service, "theirs");
        let own = ("OTEL_SERVICE_NAME", "own");
        assert_eq!(read(&[named, own]).unwrap().service, "own");
        assert_eq!(read(&[]).unwrap().version, "1.2.3");
    }

    #[test]
    fn nothing_is_exported_where_that_is_switched_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        assert!(read(&[endpoint]).unwrap().traces.is_some());
        for off in [
            ("OTEL_SDK_DISABLED", "TRUE"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            assert_eq!(read(&[endpoint, off]).unwrap().traces, None, "{off:?}");
        }
    }
}

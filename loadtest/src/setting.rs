//! What a shop can be that is compared with another: a build, settings of its services, or faults.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use clap::CommandFactory;

use crate::deployment::{SERVICES, Service};

/// Variables of telemetry that all services know beside those of their flags (`crates/telemetry/src/settings.rs`).
const OF_TELEMETRY: [&str; 9] = [
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "RUST_LOG",
];
/// What a deployment tells its services itself, by the environment or by flags that all of them get.
const DECIDED: [&str; 7] = [
    "ADMIN_LISTEN",
    "BROKER_URL",
    "DATABASE_URL",
    "FAULTS",
    "LISTEN",
    "SEARCH_URL",
    "SUPERVISED",
];
/// How many names are suggested in place of one that no service knows.
const SUGGESTED: usize = 3;

/// One part of what a shop is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    text: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// This program, as it was built.
    Here,
    /// A build of a revision.
    Git(String),
    /// Variables of every service's environment.
    Environment(Vec<(String, String)>),
    /// What goes wrong at every replica of a service.
    Fault(Service, chassis::Fault),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = match text.split_once(':') {
            None if text == "." => Kind::Here,
            Some(("git", "")) => return Err("git: names no revision".to_owned()),
            Some(("git", revision)) => Kind::Git(revision.to_owned()),
            Some(("env", variables)) => Kind::Environment(environment(variables)?),
            Some(("fault", fault)) => {
                let (service, fault) = self::fault(fault)?;
                Kind::Fault(service, fault)
            }
            _ => {
                return Err(
                    "expected ., git:REVISION, env:NAME=VALUE or fault:SERVICE:FIELD=VALUE"
                        .to_owned(),
                );
            }
        };
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

/// `NAME=VALUE,NAME=VALUE`.
fn assignments(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let assignment = |it: &str| format!("expected NAME=VALUE, got {it:?}");
    let parts = text.split(',');
    parts
        .map(|it| it.split_once('=').ok_or_else(|| assignment(it)))
        .collect()
}

fn environment(text: &str) -> Result<Vec<(String, String)>, String> {
    let known = known();
    let mut variables = Vec::new();
    for (name, value) in assignments(text)? {
        if is_decided(name) {
            return Err(format!(
                "{name} is decided by loadtest, which starts the services"
            ));
        }
        if !known.contains(name) {
            return Err(unknown(name, &known));
        }
        variables.push((name.to_owned(), value.to_owned()));
    }
    Ok(variables)
}

fn is_decided(name: &str) -> bool {
    DECIDED.contains(&name) || SERVICES.iter().any(|it| it.decided().any(|it| it == name))
}

/// Every variable that some service reads.
fn known() -> BTreeSet<String> {
    let commands = [
        catalog::Config::command(),
        gateway::Config::command(),
        inventory::Config::command(),
        orders::Config::command(),
        payments::Config::command(),
        search::Config::command(),
        users::Config::command(),
    ];
    let variables = commands.iter().flat_map(clap::Command::get_arguments);
    let variables = variables.filter_map(|it| it.get_env()?.to_str());
    let of_telemetry = OF_TELEMETRY.into_iter();
    variables.chain(of_telemetry).map(str::to_owned).collect()
}

/// That no service knows `name`, and what may be meant.
fn unknown(name: &str, known: &BTreeSet<String>) -> String {
    let parts: BTreeSet<_> = name.split('_').collect();
    let likeness = |it: &str| it.split('_').filter(|part| parts.contains(part)).count();
    let mut alike: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for it in known.iter().filter(|it| !is_decided(it)) {
        alike.entry(likeness(it)).or_default().push(it);
    }
    alike.remove(&0);
    let best: Vec<_> = alike
        .into_values()
        .rev()
        .flatten()
        .take(SUGGESTED)
        .collect();
    let mut text = format!("no service knows the variable {name:?}");
    if best.is_empty() {
        text.push_str(": see `loadtest service NAME --help`");
    } else {
        text.push_str(": perhaps ");
        text.push_str(&best.join(", "));
    }
    text
}

/// `SERVICE:FIELD=VALUE,FIELD=VALUE`.
fn fault(text: &str) -> Result<(Service, chassis::Fault), String> {
    let (name, fields) = text
        .split_once(':')
        .ok_or("expected fault:SERVICE:FIELD=VALUE, such as fault:catalog:latency_ms=5")?;
    let named = |it: &&Service| it.name() == name;
    let service = SERVICES.iter().find(named).copied().ok_or_else(|| {
        let names = SERVICES.map(Service::name).join(", ");
        format!("unknown service {name:?}; known: {names}")
    })?;
    let mut fault = serde_json::Map::new();
    for (field, value) in assignments(fields)? {
        // Numbers and true; anything else is a text.
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        fault.insert(field.to_owned(), value);
    }
    let fault = serde_json::from_value(fault.into());
    let fault = fault.map_err(|error| format!("no fault of a service: {error}"))?;
    Ok((service, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<Setting>().unwrap_err()
    }

    #[test]
    fn a_setting_is_a_build_variables_or_a_fault() {
        let kind = |text: &str| text.parse::<Setting>().unwrap().kind;
        assert_eq!(kind("."), Kind::Here);
        assert_eq!(kind("git:HEAD~1"), Kind::Git("HEAD~1".into()));
        let variables = [("CACHE_TTL", "0s"), ("RUST_LOG", "debug")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = "env:CACHE_TTL=0s,RUST_LOG=debug";
        assert_eq!(kind(text), Kind::Environment(variables.to_vec()));
        let fault = chassis::Fault {
            route: "/products/{id}".into(),
            latency_ms: 2,
            error_ratio: 0.5,
            ..chassis::Fault::default()
        };
        let text = "fault:catalog:route=/products/{id},latency_ms=2,error_ratio=0.5";
        assert_eq!(kind(text), Kind::Fault(Service::Catalog, fault));
        assert_eq!(text.parse::<Setting>().unwrap().to_string(), text);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        for (text, word) in [
            ("", "git:REVISION"),
            ("main", "git:REVISION"),
            ("git:", "no revision"),
            ("env:CACHE_TTL", "NAME=VALUE"),
            ("env:CACHE=off", "CACHE_"),
            ("env:FLOPPY=1", "loadtest service NAME --help"),
            ("fault:catalog", "fault:SERVICE:FIELD=VALUE"),
            ("fault:kiosk:latency_ms=1", "inventory"),
            ("fault:catalog:latency=1", "latency_ms"),
            ("fault:catalog:latency_ms=x", "u64"),
        ] {
            let said = refused(text);
            assert!(said.contains(word), "{text}: {said}");
        }
    }

    #[test]
    fn what_the_deployment_decides_cannot_be_set() {
        for name in ["DATABASE_URL", "LISTEN", "CATALOG_ADDR", "SIGNING_KEY_FILE"] {
            let said = refused(&format!("env:{name}=x"));
            assert!(said.contains("decided by loadtest"), "{said}");
        }
        let known = known();
        for name in DECIDED {
            assert!(known.contains(name), "{name} is a variable of a service");
        }
    }
}

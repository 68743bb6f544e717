//! Which series of which histogram has counted a span.

use std::{collections::HashMap, sync::LazyLock};

use telemetry::{conventions, names};

use super::facts::kind;
use crate::evidence::{metrics::Labels, otlp::Span};

/// The histogram that counts each kind of span.
pub(super) const HISTOGRAMS: [(&str, &str); 7] = [
    ("HTTP server", names::HTTP_SERVER_REQUEST_DURATION),
    ("gRPC server", names::RPC_SERVER_CALL_DURATION),
    ("HTTP client", names::HTTP_CLIENT_REQUEST_DURATION),
    ("gRPC client", names::RPC_CLIENT_CALL_DURATION),
    ("database client", names::DB_CLIENT_OPERATION_DURATION),
    ("producer", names::MESSAGING_CLIENT_OPERATION_DURATION),
    ("consumer", names::MESSAGING_PROCESS_DURATION),
];

/// A histogram with the values of its labels, in the order of the table of conventions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Series {
    pub(super) histogram: &'static str,
    values: Vec<String>,
}

/// The labels of each histogram that a span has as attributes too. A port is a label only where an address names it, while a
/// span has it in any case.
static LABELS: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let labels = HISTOGRAMS.iter().map(|&(_, histogram)| {
        let table = conventions::metric(histogram).expect("it is in the table");
        let mut labels = table.required().to_vec();
        labels.retain(|it| *it != names::SERVER_PORT);
        (histogram, labels)
    });
    labels.collect()
});

impl Series {
    /// That which has counted `span`.
    pub(super) fn of(span: &Span) -> Option<Self> {
        let &(_, histogram) = HISTOGRAMS.iter().find(|it| it.0 == kind(span))?;
        let mut values: Vec<_> = vec![String::new(); LABELS[histogram].len()];
        for (name, value) in &span.attributes {
            // A label is called as its attribute is, with underscores for dots.
            let is = |label: &&str| {
                let same = |(a, b): (u8, u8)| a == b || (a == b'.' && b == b'_');
                label.len() == name.len() && name.bytes().zip(label.bytes()).all(same)
            };
            if let Some(place) = LABELS[histogram].iter().position(is) {
                values[place].clone_from(value);
            }
        }
        Some(Self { histogram, values })
    }

    /// That of a sample with these labels, if it is of `histogram`.
    pub(super) fn labelled(histogram: &'static str, labels: &Labels) -> Self {
        let value = |label: &&str| labels.get(*label).cloned().unwrap_or_default();
        let values = LABELS[histogram].iter().map(value).collect();
        Self { histogram, values }
    }
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{{", self.histogram)?;
        let labels = LABELS[self.histogram].iter().zip(&self.values);
        let mut before = "";
        for (label, value) in labels.filter(|it| !it.1.is_empty()) {
            write!(f, "{before}{label}={value:?}")?;
            before = ",";
        }
        f.write_str("}")
    }
}

//! An alert as Alertmanager tells it, in version 4 of
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>.

use serde::{Deserialize, Serialize};

use super::prometheus::Labels;

/// What comes to a webhook.
#[derive(Serialize, Deserialize)]
pub(crate) struct Notification {
    pub(crate) receiver: String,
    pub(crate) alerts: Vec<Alert>,
}

/// An alert as it was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) status: Status,
    pub(crate) labels: Labels,
    pub(crate) annotations: Labels,
    /// Names this set of labels.
    pub(crate) fingerprint: String,
}

/// Whether an alert is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Firing,
    Resolved,
}

impl Alert {
    /// Whether it is on.
    pub(crate) fn fires(&self) -> bool {
        self.status == Status::Firing
    }

    /// A label, or nothing.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// An annotation, or nothing.
    pub(crate) fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }

    /// What somebody on call reads: which alert, of what, and the page to open.
    pub(super) fn in_words(&self) -> String {
        let status = if self.fires() { "FIRING" } else { "resolved" };
        let (name, summary) = (self.label("alertname"), self.annotation("summary"));
        let mut words = format!("{status:9} {name}: {summary}");
        if self.fires() {
            for url in ["runbook_url", "dashboard_url"].map(|it| self.annotation(it)) {
                if !url.is_empty() {
                    words.push_str("\n          ");
                    words.push_str(url);
                }
            }
        }
        words
    }
}

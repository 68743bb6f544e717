//! What stands on the time axis of every dashboard.

use telemetry::names;

use crate::model::{Annotation, Colour};

/// Alerts and restarts, on every time axis.
pub(crate) fn annotations() -> Vec<Annotation> {
    vec![
        Annotation {
            name: "Alerts",
            expr: "ALERTS{alertstate=\"firing\",severity=~\"page|ticket\"}".to_owned(),
            text: "{{alertname}} {{service}}{{slo}}",
            colour: Colour::Bad,
        },
        Annotation {
            name: "Restarts",
            expr: format!(
                "changes({}[$__rate_interval]) > 0",
                names::PROCESS_START_TIME_SECONDS
            ),
            text: "{{service}} restarted",
            colour: Colour::Note,
        },
    ]
}

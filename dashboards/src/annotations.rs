//! What stands on time axes.

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

/// Phases of a load.
pub(crate) fn phases() -> Annotation {
    Annotation {
        name: "Phases",
        expr: format!("{} == 1", names::LOADTEST_PHASE),
        text: "{{experiment}}, {{arm}}: {{phase}}",
        colour: Colour::Note,
    }
}

/// What was done to the shop on a timeline, marked for a few scrapes.
pub(crate) fn steps() -> Annotation {
    Annotation {
        name: "Steps",
        expr: format!("time() - {} < 15", names::LOADTEST_STEP),
        text: "{{step}}",
        colour: Colour::Warning,
    }
}

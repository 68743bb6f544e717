//! What is promised, what is left of it, and how fast that is spent.

use slo::windows::{ROWS, WINDOWS};

use crate::{
    annotations::annotations,
    model::{Dashboard, Link, Panel, Row, Unit, Variable},
    promql::is,
};

const BUDGET: &str = "slo:error_budget:ratio";
const LEFT: &str = "slo:period_error_budget_remaining:ratio";
const BURN: &str = "slo:current_burn_rate:ratio";
/// From where on a budget is said to be nearly spent.
const NEARLY_SPENT: f64 = 0.25;

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-slo",
        title: "Objectives",
        description: "What is promised over 30 days (observability/slo.yaml), how much may still go wrong, and how fast that is being spent.",
        variables: vec![Variable {
            name: "slo",
            metric: "slo:objective:ratio",
            label: "slo",
            first: "checkout-availability",
            drawn: "browse-availability",
        }],
        annotations: annotations(),
        rows: vec![all(), one()],
    }
}

/// How much of each budget is left, on this dashboard and on the overview.
pub(crate) fn left() -> Panel {
    Panel::figures(
        "How much of each budget is left?",
        Unit::Share,
        "Of what may go wrong in 30 days. At 0 the promise is broken: what is risky waits until there is some again.",
    )
    .ask(format!("min by (slo) ({LEFT})"), "{{slo}}")
    .at_least(0.0)
    .warn_below(NEARLY_SPENT)
    .to(Link::Objective)
}

fn all() -> Row {
    let slowest = ROWS.last().expect("there are rows").factor;
    let fastest = ROWS[0].factor;
    Row {
        title: "All objectives",
        panels: vec![
            left().wide(24),
            Panel::table(
                "What is promised?",
                Unit::Share,
                &[("slo", "objective"), ("service", "service"), ("team", "team")],
                "good",
                "The share of events that must be good, over 30 days.",
            )
            .ask("max by (slo, service, team) (slo:objective:ratio)", "")
            .to(Link::Objective)
            .to(Link::Service),
            Panel::lines(
                "Which budgets are being spent?",
                Unit::Times,
                "Burn rate over 5 minutes: at 1 the budget lasts for exactly 30 days, at the upper line for 50 hours, and somebody is called.",
            )
            .ask(format!("max by (slo) ({BURN})"), "{{slo}}")
            .warn_above(slowest)
            .at_most(fastest)
            .to(Link::Objective),
            Panel::lines(
                "How have budgets gone down?",
                Unit::Share,
                "What is left of each. A steep fall is an incident, a slope is a fault that nobody has found.",
            )
            .ask(format!("min by (slo) ({LEFT})"), "{{slo}}")
            .at_least(0.0)
            .may_fall()
            .to(Link::Objective),
        ],
    }
}

fn one() -> Row {
    let chosen = is("slo", "$slo");
    let of = |metric: &str| format!("max by (slo) ({metric}{{{chosen}}})");
    let error = |window: &str| of(&format!("slo:sli_error:ratio_rate{window}"));
    let mut windows = Panel::lines(
        "What share was bad in each window?",
        Unit::Share,
        "The budget is what may be bad over 30 days. Long windows say that it matters, short ones that it goes on.",
    )
    .ask(of(BUDGET), "budget");
    for window in WINDOWS {
        windows = windows.ask(error(window), window);
    }
    let mut rows = Panel::lines(
        "How near is an alert?",
        Unit::Share,
        "An alert fires at 100 %, once it has stayed there for a while. Each is named after its long window; both that and its short one must burn so fast. 1h and 6h call somebody, 1d and 3d are tickets.",
    )
    .at_most(1.0);
    for row in ROWS {
        let (long, short) = (error(row.long), error(row.short));
        // The smaller of the two.
        let both = format!("({long} <= {short} or {short})");
        rows = rows.ask(
            format!("{both} / ({} * {})", row.factor, of(BUDGET)),
            row.long,
        );
    }
    let events = |window: &str| of(&format!("slo:events:increase{window}"));
    let bad = |window: &str| of(&format!("slo:events_bad:increase{window}"));
    Row {
        title: "$slo",
        panels: vec![
            rows,
            windows,
            Panel::lines(
                "How many events were there, and how many were bad?",
                Unit::Count,
                "In the last 5 minutes. With few events one bad one is a large share: an alert needs at least ten.",
            )
            .ask(events("5m"), "all")
            .ask(bad("5m"), "bad"),
            Panel::figures(
                "How many more may be bad?",
                Unit::Count,
                "What is left of the budget as events, at the traffic of the last 30 days.",
            )
            .ask(format!("{} * {} - {}", of(BUDGET), events("30d"), bad("30d")), "events")
            .at_least(0.0)
            .wide(12),
            Panel::figures(
                "How long will the budget last?",
                Unit::Seconds,
                "If it goes on as in the last hour, what is left is spent after this. Nothing is shown while nothing is bad.",
            )
            .ask(
                format!("clamp_min({}, 0) * 30 * 86400 / ({} / {} > 0)", of(LEFT), error("1h"), of(BUDGET)),
                "until it is spent",
            )
            .at_least(3.0 * 86_400.0)
            .quiet_until("errors at catalog", "nothing is bad")
            .wide(12),
        ],
    }
}

//! What is said in the end, and how it is arrived at.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statistics::Estimate;

/// How a check, an arm, an experiment or a run came out; the last is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// The interval straddles the limit, or what had to hurt did not.
    Inconclusive,
    /// The run itself was no good: the generator was late, telemetry was dropped, a precondition did not hold.
    Invalid,
    /// It does not hold.
    Fail,
}

impl Outcome {
    /// The exit code of a run.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Inconclusive => 2,
            Self::Invalid => 3,
        }
    }

    /// The worst of several; of none, [`Outcome::Invalid`], because nothing was shown.
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().max().unwrap_or(Self::Invalid)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Invalid => "INVALID",
            Self::Fail => "FAIL",
        })
    }
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Whether the run can be trusted.
    Validity,
    /// What the shop promises its clients.
    Objective,
    /// Whether all signals tell the same story.
    Reconciliation,
    /// Whether every promise was kept, by the ledgers.
    Audit,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Validity => "validity",
            Self::Objective => "objective",
            Self::Reconciliation => "reconciliation",
            Self::Audit => "audit",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What it is about.
    pub group: Group,
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// Whether it counts. What too few requests can neither prove nor refute is shown and does not.
    pub counts: bool,
    /// What was seen, in words.
    pub observed: String,
    /// What would have been right, in words.
    pub expected: String,
    /// The figure behind `observed`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// What explains it; one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub details: Vec<String>,
    /// Requests to look up in logs and traces.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub request_ids: Vec<String>,
}

impl Check {
    /// A check without figures.
    pub fn new(group: Group, name: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            group,
            name: name.into(),
            outcome,
            counts: true,
            observed: String::new(),
            expected: String::new(),
            estimate: None,
            details: Vec::new(),
            request_ids: Vec::new(),
        }
    }

    /// With what was seen and what would have been right.
    #[must_use]
    pub fn saw(mut self, observed: impl Into<String>, expected: impl Into<String>) -> Self {
        self.observed = observed.into();
        self.expected = expected.into();
        self
    }

    /// With explanations.
    #[must_use]
    pub fn because(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }
}

/// An upper limit against an interval.
pub fn at_most(estimate: Estimate, limit: f64) -> Outcome {
    if estimate.high <= limit {
        Outcome::Pass
    } else if estimate.low > limit {
        Outcome::Fail
    } else {
        Outcome::Inconclusive
    }
}

/// What an arm of an experiment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Everything holds.
    Holds,
    /// An objective is missed, which shows that the checks can fail. The rest holds.
    MustHurt,
}

/// Judges an arm by its checks.
///
/// In an arm that must hurt, a missed objective is what it is for, and none missed is [`Outcome::Inconclusive`].
pub fn judge(expectation: Expectation, checks: &[Check]) -> Outcome {
    let counting = || checks.iter().filter(|it| it.counts);
    if expectation == Expectation::Holds {
        return Outcome::worst(counting().map(|it| it.outcome));
    }
    let (objectives, others): (Vec<_>, Vec<_>) =
        counting().partition(|it| it.group == Group::Objective);
    let outcomes = |of: &[&Check]| of.iter().map(|it| it.outcome).collect::<Vec<_>>();
    let hurt = match Outcome::worst(outcomes(&objectives)) {
        Outcome::Fail => Outcome::Pass,
        Outcome::Pass | Outcome::Inconclusive => Outcome::Inconclusive,
        Outcome::Invalid => Outcome::Invalid,
    };
    Outcome::worst(outcomes(&others)).max(hurt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_outcome_decides_and_nothing_shown_is_invalid() {
        use Outcome::{Fail, Inconclusive, Invalid, Pass};
        assert_eq!(Outcome::worst([Pass, Inconclusive, Pass]), Inconclusive);
        assert_eq!(Outcome::worst([Invalid, Inconclusive]), Invalid);
        assert_eq!(Outcome::worst([Fail, Invalid]), Fail);
        assert_eq!(Outcome::worst([]), Invalid);
        let codes = [Pass, Fail, Inconclusive, Invalid].map(Outcome::exit_code);
        assert_eq!(codes, [0, 1, 2, 3]);
    }

    #[test]
    fn a_limit_inside_the_interval_is_inconclusive() {
        let estimate = Estimate {
            value: 0.02,
            low: 0.01,
            high: 0.03,
        };
        assert_eq!(at_most(estimate, 0.03), Outcome::Pass);
        assert_eq!(at_most(estimate, 0.02), Outcome::Inconclusive);
        assert_eq!(at_most(estimate, 0.005), Outcome::Fail);
    }

    #[test]
    fn an_arm_that_must_hurt_passes_only_when_an_objective_is_missed_and_the_rest_holds() {
        let arm = |objective, reconciliation| {
            let checks = [
                Check::new(Group::Objective, "availability", objective),
                Check::new(Group::Reconciliation, "signals agree", reconciliation),
            ];
            judge(Expectation::MustHurt, &checks)
        };
        assert_eq!(arm(Outcome::Fail, Outcome::Pass), Outcome::Pass);
        assert_eq!(arm(Outcome::Pass, Outcome::Pass), Outcome::Inconclusive);
        assert_eq!(arm(Outcome::Fail, Outcome::Fail), Outcome::Fail);
        assert_eq!(arm(Outcome::Fail, Outcome::Invalid), Outcome::Invalid);
    }
}

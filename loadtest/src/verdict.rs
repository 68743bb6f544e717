//! What is said in the end, and how it is arrived at.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statistics::Estimate;

/// How many requests a check names.
const NAMED: usize = 5;

/// How a check, an arm, an experiment or a run came out; the last is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// The interval straddles the limit, or what must fail did not.
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

    /// Whether what must hold does.
    pub(crate) fn pass_or_fail(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }

    /// Whether the run is any good.
    pub(crate) fn pass_or_invalid(good: bool) -> Self {
        if good { Self::Pass } else { Self::Invalid }
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
    /// Whether every promise was kept, by the ledgers.
    Audit,
    /// Whether all signals tell the same story.
    Reconciliation,
    /// How one shop differs from another.
    Comparison,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Validity => "validity",
            Self::Objective => "objective",
            Self::Reconciliation => "reconciliation",
            Self::Audit => "audit",
            Self::Comparison => "comparison",
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

    /// With some of these requests to look up, where it did not pass.
    #[must_use]
    pub(crate) fn naming(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        if self.outcome != Outcome::Pass {
            self.request_ids = ids.into_iter().take(NAMED).map(Into::into).collect();
        }
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

/// A share against what is promised, and against what cannot be noise any more.
pub(crate) fn graded(share: f64, promised: f64, harm: f64) -> Outcome {
    if share >= promised {
        Outcome::Pass
    } else if share < harm {
        Outcome::Fail
    } else {
        Outcome::Inconclusive
    }
}

/// What an arm of an experiment claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Everything holds.
    Holds,
    /// Each check of these names fails, which shows that it can; everything else holds.
    MustFail(&'static [&'static str]),
}

impl Claim {
    /// Whether `check` must fail.
    pub fn must_fail(self, check: &Check) -> bool {
        match self {
            Self::Holds => false,
            Self::MustFail(names) => names.contains(&check.name.as_str()),
        }
    }

    /// How `check` bears on the arm. What must fail and does is as claimed; what does not shows nothing.
    pub fn judge(self, check: &Check) -> Outcome {
        match check.outcome {
            it if !self.must_fail(check) => it,
            Outcome::Fail => Outcome::Pass,
            Outcome::Pass | Outcome::Inconclusive => Outcome::Inconclusive,
            Outcome::Invalid => Outcome::Invalid,
        }
    }

    /// What must fail and is not among `checks`, each as a check that says so.
    pub fn missing(self, checks: &[Check]) -> Vec<Check> {
        let names = match self {
            Self::Holds => &[],
            Self::MustFail(names) => names,
        };
        let absent = names
            .iter()
            .filter(|name| !checks.iter().any(|it| it.name == **name));
        absent
            .map(|name| {
                Check::new(Group::Validity, *name, Outcome::Invalid)
                    .saw("not judged", "it is judged, and fails")
            })
            .collect()
    }
}

/// Judges an arm by its checks. A check that must fail and is not there makes it [`Outcome::Invalid`].
pub fn judge(claim: Claim, checks: &[Check]) -> Outcome {
    let counting = checks
        .iter()
        .filter(|it| it.counts || claim.must_fail(it))
        .map(|it| claim.judge(it));
    let missing = claim.missing(checks).into_iter().map(|it| it.outcome);
    Outcome::worst(counting.chain(missing))
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
    fn an_arm_passes_only_when_what_must_fail_does_and_the_rest_holds() {
        use Outcome::{Fail, Inconclusive, Invalid, Pass};
        let arm = |available, agree| {
            let checks = [
                Check::new(Group::Objective, "available", available),
                Check::new(Group::Reconciliation, "agree", agree),
            ];
            (
                judge(Claim::MustFail(&["available"]), &checks),
                judge(Claim::MustFail(&["agree"]), &checks),
                judge(Claim::MustFail(&["available", "agree"]), &checks),
            )
        };
        assert_eq!(arm(Fail, Pass), (Pass, Fail, Inconclusive));
        assert_eq!(arm(Pass, Fail), (Fail, Pass, Inconclusive));
        assert_eq!(arm(Pass, Pass).2, Inconclusive, "nothing failed");
        assert_eq!(arm(Fail, Fail), (Fail, Fail, Pass));
        assert_eq!(arm(Fail, Invalid), (Invalid, Fail, Invalid));
        assert_eq!(arm(Inconclusive, Pass).0, Inconclusive);
    }

    #[test]
    fn what_must_fail_counts_even_if_it_is_only_shown_and_has_to_be_there() {
        let mut few = Check::new(Group::Objective, "fast", Outcome::Inconclusive);
        few.counts = false;
        let other = Check::new(Group::Audit, "money", Outcome::Pass);
        let checks = [few, other];
        assert_eq!(judge(Claim::Holds, &checks), Outcome::Pass);
        let fast = Claim::MustFail(&["fast"]);
        assert_eq!(judge(fast, &checks), Outcome::Inconclusive);
        let absent = Claim::MustFail(&["slow"]);
        assert_eq!(judge(absent, &checks), Outcome::Invalid);
        assert_eq!(absent.missing(&checks)[0].name, "slow");
        assert_eq!(fast.missing(&checks), []);
    }
}

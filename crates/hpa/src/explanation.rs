//! A decision in one sentence.

use std::fmt::{self, Display, Formatter};

use crate::{
    limits::Limited,
    metric::Proposal,
    object::Spec,
    outcome::{Action, Error, Evaluation},
};

/// On what a decision was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Basis {
    /// The target could not be read.
    NoScale,
    /// The target's pods could not be told.
    NoSelector,
    /// Too few metrics said anything.
    NoMetric,
    /// The target has no replicas, and none may be added.
    Disabled,
    /// There are more than `maxReplicas`.
    AboveMax,
    /// There are fewer than `minReplicas`.
    BelowMin,
    /// What metrics asked for, and what became of it.
    Metrics {
        desired: i32,
        stabilized: Limited,
        limited: Limited,
    },
}

/// The parts of the sentence.
pub(crate) struct Explanation<'a> {
    pub(crate) reference: &'a str,
    pub(crate) spec: &'a Spec,
    pub(crate) from: i32,
    pub(crate) to: i32,
    pub(crate) action: Action,
    pub(crate) basis: &'a Basis,
    pub(crate) evaluations: &'a [Evaluation],
    pub(crate) error: Option<&'a Error>,
}

impl Display for Explanation<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            reference,
            from,
            to,
            ..
        } = self;
        match self.action {
            Action::None if *self.basis == Basis::NoScale => {
                write!(out, "leaves {reference} as it is")?;
            }
            Action::None => write!(out, "leaves {reference} at {}", replicas(*from))?,
            _ => write!(out, "takes {reference} from {from} to {}", replicas(*to))?,
        }
        out.write_str(": ")?;
        match self.basis {
            Basis::NoScale | Basis::NoSelector | Basis::NoMetric => self.fmt_failure(out),
            Basis::Disabled => {
                out.write_str("it has no replicas, and was not taken there by the autoscaler")
            }
            Basis::AboveMax => self.fmt_bound(out, "more", "maxReplicas", self.spec.max_replicas),
            Basis::BelowMin => self.fmt_bound(
                out,
                "fewer",
                "minReplicas",
                self.spec.min_replicas.unwrap_or(1),
            ),
            Basis::Metrics {
                desired,
                stabilized,
                limited,
            } => self.fmt_metrics(out, *desired, stabilized, limited),
        }
    }
}

impl Explanation<'_> {
    /// Why nothing could be decided: the first metric that failed, or else the error itself.
    fn fmt_failure(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut failures = self
            .evaluations
            .iter()
            .filter_map(|it| it.result.as_ref().err());
        match (failures.next(), self.error) {
            (Some(failure), _) => write!(out, "{failure}"),
            (None, Some(error)) => write!(out, "{error}"),
            (None, None) => out.write_str("nothing is known"),
        }
    }

    fn fmt_bound(
        &self,
        out: &mut Formatter<'_>,
        than: &str,
        name: &str,
        bound: i32,
    ) -> fmt::Result {
        let are = if self.from == 1 { "is" } else { "are" };
        write!(out, "{} {are} {than} than {name}, {bound}", self.from)?;
        self.fmt_failed_update(out)
    }

    fn fmt_metrics(
        &self,
        out: &mut Formatter<'_>,
        desired: i32,
        stabilized: &Limited,
        limited: &Limited,
    ) -> fmt::Result {
        let proposals = self
            .evaluations
            .iter()
            .filter_map(|it| it.result.as_ref().ok());
        let most = proposals.fold(None, |most: Option<&Proposal>, it| match most {
            Some(most) if most.calculation.replicas >= it.calculation.replicas => Some(most),
            _ => Some(it),
        });
        if let Some(proposal) = most {
            fmt_proposal(out, proposal, desired)?;
        }
        if stabilized.replicas != desired {
            let held = if stabilized.replicas > desired {
                "more"
            } else {
                "fewer"
            };
            write!(
                out,
                ", recent recommendations of {held} hold it at {}",
                stabilized.replicas
            )?;
        }
        if limited.replicas != stabilized.replicas {
            let by = match limited.reason {
                "TooManyReplicas" => "maxReplicas allows",
                "TooFewReplicas" => "minReplicas asks for",
                _ => "the rate of change allows",
            };
            write!(out, ", {by} {}", limited.replicas)?;
        }
        if limited.replicas != self.to && self.action != Action::None {
            write!(out, ", from zero it goes to minReplicas, {}", self.to)?;
        }
        let failed = self
            .evaluations
            .iter()
            .filter(|it| it.result.is_err())
            .count();
        if failed > 0 {
            write!(
                out,
                " ({failed} of {} metrics could not be read)",
                self.evaluations.len()
            )?;
        }
        self.fmt_failed_update(out)
    }

    /// That the target had to be changed and was not.
    fn fmt_failed_update(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.error {
            Some(error) if error.message.starts_with("failed to rescale") => {
                write!(out, ", but {error}")
            }
            _ => Ok(()),
        }
    }
}

fn fmt_proposal(out: &mut Formatter<'_>, proposal: &Proposal, desired: i32) -> fmt::Result {
    let calculation = &proposal.calculation;
    write!(
        out,
        "{} is at {:.2} of its target",
        proposal.metric, calculation.ratio
    )?;
    if let Some(ratio) = calculation.cautious_ratio {
        write!(
            out,
            " ({ratio:.2} if pods without a sample speak against a change)"
        )?;
    }
    write!(out, " and asks for {desired}")
}

fn replicas(count: i32) -> String {
    match count {
        1 => "1 replica".to_owned(),
        _ => format!("{count} replicas"),
    }
}

//! The experiments, a file each, and the list of them: the command line, the README and the report follow it.

mod autoscaling;
mod baseline;
mod caching;
mod canary;
mod crash;
mod deadline;
mod degrade;
mod isolation;
mod outage;
mod overload;
mod rollout;
mod spike;
mod storm;
mod topology;

use std::{fmt, fmt::Write as _};

pub(crate) use autoscaling::CAPACITY;

use crate::{args::RunArgs, experiment::Experiment};

/// Every experiment, in the order they run.
pub const ALL: &[Experiment] = &[
    baseline::BASELINE,
    autoscaling::AUTOSCALING,
    caching::CACHING,
    canary::CANARY,
    crash::CRASH,
    deadline::DEADLINE,
    degrade::DEGRADE,
    isolation::ISOLATION,
    outage::OUTAGE,
    overload::OVERLOAD,
    rollout::ROLLOUT,
    spike::SPIKE,
    storm::STORM,
    topology::TOPOLOGY,
];

/// Experiments that cannot be chosen.
#[derive(Debug)]
pub enum BadChoice {
    /// No experiment has this name.
    Unknown(String),
    /// It needs servers, and files are none.
    NoServers(&'static str),
    /// It does something to the shop, and this one is not ours.
    Touches(&'static str),
    /// It has no version replace another.
    Replaces(&'static str),
}

impl fmt::Display for BadChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let names: Vec<_> = ALL.iter().map(|it| it.name).collect();
                let names = names.join(", ");
                write!(f, "unknown experiment {name:?}; known: {names}")
            }
            Self::NoServers(name) => write!(
                f,
                "{name} needs servers, and files are none: choose some with --backends"
            ),
            Self::Touches(name) => {
                let loads = ALL.iter().filter(|it| it.has_mere_load());
                let loads: Vec<_> = loads.map(|it| it.name).collect();
                write!(
                    f,
                    "{name} does something to the shop, and a --target is only loaded; choose {}",
                    loads.join(", ")
                )
            }
            Self::Replaces(name) => {
                write!(f, "{name} replaces no version: --from is for rollout")
            }
        }
    }
}

/// The experiments called `names`, each once; if there are no names, all that can be carried out as `args` have it.
pub(crate) fn choose(names: &[String], args: &RunArgs) -> Result<Vec<Experiment>, BadChoice> {
    let on_target = args.target.target.is_some();
    let obstacle = |it: &Experiment| {
        if !it.fits(&args.backends) {
            Some(BadChoice::NoServers(it.name))
        } else if on_target && !it.has_mere_load() {
            Some(BadChoice::Touches(it.name))
        } else if args.from.is_some() && !replaces(it) {
            Some(BadChoice::Replaces(it.name))
        } else {
            None
        }
    };
    if names.is_empty() {
        let usual = ALL.iter().filter(|it| it.by_default || args.from.is_some());
        let possible = usual.filter(|it| obstacle(it).is_none());
        return Ok(possible.copied().collect());
    }
    let mut chosen: Vec<Experiment> = Vec::new();
    for name in names {
        let found = ALL.iter().find(|it| it.name == name);
        let found = found.ok_or_else(|| BadChoice::Unknown(name.clone()))?;
        if let Some(obstacle) = obstacle(found) {
            return Err(obstacle);
        }
        if !chosen.iter().any(|it| it.name == found.name) {
            chosen.push(*found);
        }
    }
    Ok(chosen)
}

/// Whether a version replaces another in it.
fn replaces(it: &Experiment) -> bool {
    let mut steps = it.arms.iter().flat_map(|it| it.timeline);
    steps.any(|it| it.replaces())
}

/// A line for each experiment.
pub fn list() -> String {
    let mut text = String::new();
    for it in ALL {
        writeln!(text, "{:<12} {}", it.name, it.question)
            .expect("writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::faults;

    #[test]
    fn every_experiment_is_written_as_it_must_be() {
        let wrong: Vec<_> = ALL.iter().flat_map(faults).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_readme_has_the_experiments_in_its_table() {
        let readme = include_str!("../../README.md");
        let mut table = String::from(
            "| experiment | question | what shows that it can fail |\n|---|---|---|\n",
        );
        for it in ALL {
            let row = format!("| `{}` | {} | {} |\n", it.name, it.question, it.can_fail);
            table.push_str(&row);
        }
        assert!(readme.contains(&table), "paste into README.md:\n\n{table}");
    }
}

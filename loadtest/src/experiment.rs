//! What an experiment is: a question, and arms that answer it, all of it data.

mod shop;

use std::{fmt, time::Duration};

pub use shop::{SEEDED, SHOP, Shop};

use crate::{
    args::RunArgs,
    deployment::{Backends, Topology},
    engine::plan::{Arrivals, Phase},
    measurement::{ClientView, Measurement},
    table::Table,
    timeline::{Rounds, Step},
    verdict::{Check, Claim},
};

/// A question and what answers it.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it answers.
    pub question: &'static str,
    /// What shows that its checks can fail.
    pub can_fail: &'static str,
    /// What it cannot do without.
    pub needs: Needs,
    /// Whether it is carried out where no experiment is named.
    pub by_default: bool,
    /// Carried out one after the other, each on a shop of its own.
    pub arms: &'static [Arm],
    /// What compares arms, once all are over.
    pub(crate) across: &'static [Across],
    /// What is shown of all of them together.
    pub(crate) compared: &'static [fn(&[Measurement]) -> Table],
}

/// What compares the arms of an experiment, given all of them in their order.
pub(crate) type Across = fn(&[Measurement]) -> Vec<Check>;

/// What an experiment cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// It runs on files.
    Nothing,
    /// Servers to do something to.
    Servers,
}

/// One shop, one load, and what must be true of it.
#[derive(Clone, Copy)]
pub struct Arm {
    /// Names files and request ids: of the characters `[A-Za-z0-9._]`.
    pub name: &'static str,
    /// What is done, in a sentence.
    pub description: &'static str,
    /// What it claims of its checks.
    pub claim: Claim,
    /// What it is done to.
    pub shop: Shop,
    /// Phases, one after the other.
    pub load: &'static [LoadPhase],
    /// Goose users for each arrival a second.
    pub users_per_rate: f64,
    /// How long clients say that they will wait, in milliseconds, if they say so; only some gateways listen.
    pub deadline_ms: Option<u64>,
    /// What happens meanwhile.
    pub timeline: &'static [Step],
    /// What is judged of the measured phase by what the clients saw, and may prolong it while it is undecided.
    pub(crate) objectives: &'static [fn(&ClientView) -> Vec<Check>],
    /// What is judged once all is over.
    pub(crate) checks: &'static [fn(&Measurement) -> Vec<Check>],
    /// What is shown beside that.
    pub(crate) tables: &'static [fn(&Measurement) -> Table],
}

/// What arms are made of: `Arm { name: "…", ..ARM }`.
pub const ARM: Arm = Arm {
    name: "",
    description: "",
    claim: Claim::Holds,
    shop: SHOP,
    load: &[],
    // A visit takes about half a second, so most of them are idle.
    users_per_rate: 3.0,
    deadline_ms: None,
    timeline: &[],
    objectives: &[],
    checks: &[],
    tables: &[],
};

/// A stretch of load.
#[derive(Clone, Copy)]
pub struct LoadPhase {
    /// What timelines and checks call it.
    pub name: &'static str,
    length: Length,
    rate: Rate,
    kind: Kind,
}

/// How many arrivals there are in a second.
#[derive(Clone, Copy)]
enum Rate {
    /// So many times the nominal rate.
    Nominal(f64),
    /// So many, whatever the nominal rate is.
    Exactly(f64),
}

#[derive(Clone, Copy)]
enum Length {
    Seconds(u32),
    /// As long as the rounds take that are in it.
    Rounds,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Connections and caches fill.
    WarmUp,
    Plain,
    /// What objectives are judged on. It is steady, so it may go on.
    Measured,
}

/// So many seconds in which connections and caches fill; reconciled, not judged.
pub const fn warm_up(seconds: u32) -> LoadPhase {
    LoadPhase {
        kind: Kind::WarmUp,
        ..nominal("warm-up", seconds)
    }
}

/// So many seconds without arrivals, in which something is put in place.
pub const fn quiet(name: &'static str, seconds: u32) -> LoadPhase {
    nominal(name, seconds).times(0.0)
}

/// So many seconds of the nominal load.
pub const fn nominal(name: &'static str, seconds: u32) -> LoadPhase {
    LoadPhase {
        name,
        length: Length::Seconds(seconds),
        rate: Rate::Nominal(1.0),
        kind: Kind::Plain,
    }
}

/// The nominal load for as long as the rounds take that are in it.
pub const fn during_rounds(name: &'static str) -> LoadPhase {
    LoadPhase {
        length: Length::Rounds,
        ..nominal(name, 0)
    }
}

/// The longest warm-up of load that goes on after a look.
const SHORT_WARM_UP: Duration = Duration::from_secs(1);

impl LoadPhase {
    /// At a multiple of the nominal rate.
    #[must_use]
    pub const fn times(self, factor: f64) -> Self {
        let rate = match self.rate {
            Rate::Nominal(it) => Rate::Nominal(it * factor),
            Rate::Exactly(it) => Rate::Exactly(it * factor),
        };
        Self { rate, ..self }
    }

    /// At so many arrivals a second, whatever the nominal rate is: for what has a capacity of its own.
    #[must_use]
    pub const fn at(self, per_second: f64) -> Self {
        Self {
            rate: Rate::Exactly(per_second),
            ..self
        }
    }

    /// This is what objectives are judged on. `--duration` says how long it is, and it goes on while they are undecided.
    #[must_use]
    pub const fn measured(self) -> Self {
        Self {
            kind: Kind::Measured,
            ..self
        }
    }

    fn length(&self, timeline: &[Step], args: &RunArgs, backends: &Backends) -> Duration {
        match self.length {
            Length::Seconds(seconds) if self.kind == Kind::Measured => {
                Duration::from_secs(seconds.into()).mul_f64(args.stretch())
            }
            Length::Seconds(seconds) => Duration::from_secs(seconds.into()),
            Length::Rounds => {
                let rounds = timeline.iter().filter_map(|step| match step {
                    Step::Rounds(it) if it.phase == self.name => Some(it),
                    _ => None,
                });
                let lengths = rounds.map(|it: &Rounds| it.length(backends));
                lengths.max().unwrap_or_default()
            }
        }
    }
}

impl Arm {
    /// What the engine is to do before the first look.
    pub(crate) fn phases(&self, args: &RunArgs, backends: &Backends) -> Vec<Phase> {
        self.plan(args, |it| it.length(self.timeline, args, backends))
    }

    /// And before each further look: the measured phase once more, the others not at all but for a short warm-up, because the
    /// engine's connections are new.
    pub(crate) fn more(&self, args: &RunArgs, backends: &Backends) -> Vec<Phase> {
        self.plan(args, |it| {
            let length = it.length(self.timeline, args, backends);
            match it.kind {
                Kind::WarmUp => length.min(SHORT_WARM_UP),
                Kind::Plain => Duration::ZERO,
                Kind::Measured => length,
            }
        })
    }

    fn plan(&self, args: &RunArgs, length: impl Fn(&LoadPhase) -> Duration) -> Vec<Phase> {
        let phase = |it: &LoadPhase| Phase {
            name: it.name.to_owned(),
            seconds: length(it).as_secs_f64(),
            arrivals: Arrivals::Poisson {
                rate: match it.rate {
                    Rate::Nominal(factor) => args.rate * factor,
                    Rate::Exactly(rate) => rate,
                },
            },
        };
        self.load.iter().map(phase).collect()
    }

    /// Whether it takes the shop as it is and does nothing to it but to load it.
    pub(crate) fn only_loads(&self) -> bool {
        let Shop {
            topology,
            environment,
            upstreams,
            replicas,
            autoscaled,
            mix,
            products: _,
            backends,
        } = self.shop;
        self.timeline.is_empty()
            && topology == Topology::Services
            && environment.is_empty()
            && upstreams.is_empty()
            && replicas.is_empty()
            && autoscaled.is_none()
            // Whoever started it has its admin's password.
            && mix.editor == 0
            && backends.is_none()
    }

    /// The index of the phase that objectives are judged on.
    pub(crate) fn measured(&self) -> Option<u16> {
        let measured = |it: &LoadPhase| it.kind == Kind::Measured;
        u16::try_from(self.load.iter().position(measured)?).ok()
    }
}

impl Experiment {
    /// Whether it can be carried out on `backends`.
    pub(crate) fn fits(&self, backends: &Backends) -> bool {
        self.needs == Needs::Nothing || !backends.servers().is_empty()
    }

    /// Whether anything of it can be carried out on a shop that is not to be touched.
    pub(crate) fn has_mere_load(&self) -> bool {
        self.arms.iter().any(Arm::only_loads)
    }
}

impl fmt::Debug for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What is wrong with how an experiment is written; nothing, if it is right.
#[cfg(test)]
pub(crate) fn faults(it: &Experiment) -> Vec<String> {
    let mut wrong = Vec::new();
    for arm in it.arms {
        let mut complain = |text: &str| wrong.push(format!("{} {}: {text}", it.name, arm.name));
        let simple = |it: char| it.is_ascii_alphanumeric() || "._".contains(it);
        if arm.name.is_empty() || !arm.name.chars().all(simple) {
            complain("its name does not fit into request ids");
        }
        if arm.checks.is_empty() {
            complain("it checks nothing");
        }
        let known = |it: &Step| arm.load.iter().any(|phase| phase.name == it.phase());
        if !arm.timeline.iter().all(known) {
            complain("a step goes by a phase that it does not have");
        }
        match arm.measured().map(usize::from) {
            None if !arm.objectives.is_empty() => complain("objectives need a measured phase"),
            None => (),
            Some(measured) => {
                if measured + 1 != arm.load.len() {
                    complain("a phase follows the measured one, which may go on");
                }
                let name = arm.load[measured].name;
                let inside = |step: &&Step| {
                    let begins = matches!(step, Step::Once(crate::timeline::Moment::Start(_), _));
                    step.phase() == name && !begins
                };
                if arm.timeline.iter().any(|it| inside(&it)) {
                    complain("something happens in the measured phase, which is not steady then");
                }
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests;

//! What can be done to the shop under load, and when.

use std::{fmt, pin::Pin, time::Duration};

use anyhow::Context as _;

use crate::{
    canary::Trial,
    deployment::{Backends, Deployment, Farewell, Server, Service, Topology},
    measurement::PhaseTime,
};

/// Something that is done to the shop.
#[derive(Clone, Copy)]
pub enum Do {
    /// Sets a fault on every replica of a service.
    Fault(Service, Fault),
    /// Sets a fault on the newest replica of a service.
    FaultOne(Service, Fault),
    /// Clears all faults of a service.
    ClearFaults(Service),
    /// Kills the newest replica of a service with SIGKILL, and waits until it runs again.
    Kill(Service),
    /// Has a service hold more and more memory until its process is killed for that, and waits until it runs again.
    Leak(Service),
    /// Kills a server, which then stays away.
    StopServer(Server),
    /// Starts it again, and waits until it answers and all that was asked is ready.
    StartServer(Server),
    /// Starts or stops replicas of a service until there are so many.
    Scale(Service, u32),
    /// Replaces every replica of a service, one at a time, by one that calls itself of this version.
    Replace(Service, &'static str, Farewell),
    /// Sets a fault on every replica of one version of a service that is started from now on.
    FaultVersion(Service, &'static str, Fault),
    /// Tries a version as a canary until that is promoted or rolled back.
    Try(Trial),
    /// Anything else, in a few words and as a function.
    Call(&'static str, Act),
}

/// What a step of its own does.
pub type Act =
    for<'a> fn(&'a Deployment) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>>;

impl fmt::Display for Do {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(service, fault) if fault.route.is_empty() => {
                write!(f, "fault at {service}")
            }
            Self::Fault(service, fault) => write!(f, "fault at {service} {}", fault.route),
            Self::FaultOne(service, _) => write!(f, "fault at one {service}"),
            Self::ClearFaults(service) => write!(f, "no fault at {service}"),
            Self::Kill(service) => write!(f, "kill {service}"),
            Self::Leak(service) => write!(f, "leak in {service}"),
            Self::StopServer(server) => write!(f, "kill {}", server.name()),
            Self::StartServer(server) => write!(f, "start {}", server.name()),
            Self::Scale(service, replicas) => write!(f, "{replicas} of {service}"),
            Self::Replace(service, version, _) => write!(f, "{service} {version}"),
            Self::FaultVersion(service, version, _) => write!(f, "fault of {service} {version}"),
            Self::Try(trial) => write!(f, "canary of {}", trial.service),
            Self::Call(what, _) => f.write_str(what),
        }
    }
}

/// What goes wrong on one route, as `chassis::Fault` has it.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Route template, gRPC method or type of event; empty for every route.
    pub route: &'static str,
    /// How many requests these milliseconds pass for at once; 0 for all.
    pub workers: usize,
    /// Milliseconds of busy work.
    pub cpu_ms: u64,
    /// Milliseconds of waiting.
    pub latency_ms: u64,
    /// Never answer.
    pub hang: bool,
    /// The share of requests, from 0 to 1, that are answered with an error.
    pub error_ratio: f64,
    /// The status of that error; 0 is 500.
    pub error_status: u16,
}

/// No fault at all, on every route.
pub const FAULT: Fault = Fault {
    route: "",
    workers: 0,
    cpu_ms: 0,
    latency_ms: 0,
    hang: false,
    error_ratio: 0.0,
    error_status: 0,
};

/// When something is done.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// When a phase begins.
    Start(&'static str),
    /// When it ends.
    End(&'static str),
    /// So long after it has begun.
    After(&'static str, Duration),
}

impl Moment {
    fn phase(self) -> &'static str {
        match self {
            Self::Start(phase) | Self::End(phase) | Self::After(phase, _) => phase,
        }
    }
}

/// A part of a timeline.
#[derive(Clone, Copy)]
pub enum Step {
    /// One act.
    Once(Moment, Do),
    /// Several rounds, one after the other.
    Rounds(Rounds),
}

/// Rounds of acts, regularly. A round that is about a server which the shop does not run on is left out.
#[derive(Clone, Copy)]
pub struct Rounds {
    /// The phase that they are in.
    pub phase: &'static str,
    /// When the first round begins, after the phase has begun.
    pub first: Duration,
    /// From one round to the next.
    pub every: Duration,
    /// A round that took long delays the next, which begins at least so long after its end.
    pub rest: Duration,
    /// What each does, and when, from its beginning. The time between two acts counts from the end of the first.
    pub rounds: &'static [&'static [(Duration, Do)]],
}

/// One act when a phase begins.
pub const fn at_start(phase: &'static str, act: Do) -> Step {
    Step::Once(Moment::Start(phase), act)
}

/// One act when a phase ends.
pub const fn at_end(phase: &'static str, act: Do) -> Step {
    Step::Once(Moment::End(phase), act)
}

/// One act so many seconds after a phase has begun.
pub const fn after(phase: &'static str, seconds: u64, act: Do) -> Step {
    Step::Once(Moment::After(phase, Duration::from_secs(seconds)), act)
}

impl Rounds {
    /// The rounds that concern a shop on `backends`.
    fn of(&self, backends: &Backends) -> impl Iterator<Item = &'static [(Duration, Do)]> {
        let known = |act: Do| match act {
            Do::StopServer(it) | Do::StartServer(it) => backends.servers().contains(&it),
            _ => true,
        };
        let rounds = self.rounds.iter().copied();
        rounds.filter(move |it| it.iter().all(|it| known(it.1)))
    }

    /// How long they take on `backends`, from the beginning of their phase to the time the next would begin.
    pub(crate) fn length(&self, backends: &Backends) -> Duration {
        let count = u32::try_from(self.of(backends).count()).unwrap_or(u32::MAX);
        self.first + self.every * count
    }
}

impl Step {
    /// The phase that it goes by.
    pub(crate) fn phase(self) -> &'static str {
        match self {
            Self::Once(moment, _) => moment.phase(),
            Self::Rounds(it) => it.phase,
        }
    }

    /// Whether a version replaces another by it.
    pub(crate) fn replaces(self) -> bool {
        self.any(|it| matches!(it, Do::Replace(..)))
    }

    /// Whether gateways, or the processes they are in, come and go by it, so that none of their addresses lasts.
    pub(crate) fn replaces_gateways(self, topology: Topology) -> bool {
        self.any(|act| match act {
            Do::Replace(it, ..) | Do::Scale(it, _) => topology.process(*it).is_public(),
            _ => false,
        })
    }

    fn any(self, such: impl Fn(&Do) -> bool) -> bool {
        match self {
            Self::Once(_, act) => such(&act),
            Self::Rounds(it) => it.rounds.iter().flat_map(|it| *it).any(|it| such(&it.1)),
        }
    }
}

/// A step with its time.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    /// Since the first arrival.
    pub(super) at: Duration,
    /// At least so long after the end of what came before.
    pub(super) rest: Duration,
    pub(super) act: Do,
}

/// The steps of a timeline in the order of their times.
///
/// # Errors
/// A phase that there is not.
pub(crate) fn schedule(
    steps: &[Step],
    phases: &[PhaseTime],
    backends: &Backends,
) -> anyhow::Result<Vec<Due>> {
    let mut all = Vec::new();
    for step in steps {
        let name = step.phase();
        let phase = phases.iter().find(|it| it.name == name);
        let phase = phase.with_context(|| format!("find the phase {name:?} of a step"))?;
        match step {
            Step::Once(moment, act) => all.push(Due {
                at: match moment {
                    Moment::Start(_) => phase.from,
                    Moment::End(_) => phase.to,
                    Moment::After(_, it) => phase.from + *it,
                },
                rest: Duration::ZERO,
                act: *act,
            }),
            Step::Rounds(rounds) => {
                let mut begin = phase.from + rounds.first;
                for round in rounds.of(backends) {
                    let mut rest = rounds.rest;
                    let mut before = Duration::ZERO;
                    for &(offset, act) in round {
                        // What takes a while, such as ending a server, does not shorten the time to what follows.
                        rest += offset.saturating_sub(before);
                        all.push(Due {
                            at: begin + offset,
                            rest,
                            act,
                        });
                        (rest, before) = (Duration::ZERO, offset);
                    }
                    begin += rounds.every;
                }
            }
        }
    }
    all.sort_by_key(|it| it.at);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn phases() -> Vec<PhaseTime> {
        let phase = |name: &str, from, to| PhaseTime {
            name: name.into(),
            from: seconds(from),
            to: seconds(to),
        };
        vec![phase("before", 0, 8), phase("trigger", 8, 12)]
    }

    fn scheduled(steps: &[Step], backends: &str) -> Vec<(u64, String)> {
        let due = schedule(steps, &phases(), &backends.parse().unwrap()).unwrap();
        let told = |it: Due| (it.at.as_secs(), it.act.to_string());
        due.into_iter().map(told).collect()
    }

    #[test]
    fn steps_go_by_their_phases_and_come_in_order() {
        let slow = Fault {
            latency_ms: 100,
            ..FAULT
        };
        let steps = [
            at_end("trigger", Do::ClearFaults(Service::Catalog)),
            at_start("trigger", Do::Fault(Service::Catalog, slow)),
            after("before", 3, Do::Scale(Service::Search, 2)),
            after(
                "trigger",
                1,
                Do::Call("nothing", |_| Box::pin(async { Ok(()) })),
            ),
        ];
        let expected = [
            (3, "2 of search"),
            (8, "fault at catalog"),
            (9, "nothing"),
            (12, "no fault at catalog"),
        ];
        let expected = expected.map(|(at, what)| (at, what.to_owned()));
        assert_eq!(scheduled(&steps, "files"), expected);
        let unknown = [at_start("after", Do::Kill(Service::Users))];
        assert!(schedule(&unknown, &phases(), &Backends::default()).is_err());
    }

    #[test]
    fn rounds_about_servers_that_are_not_there_are_left_out() {
        const ROUNDS: Rounds = Rounds {
            phase: "before",
            first: seconds(1),
            every: seconds(5),
            rest: seconds(1),
            rounds: &[
                &[
                    (seconds(0), Do::StopServer(Server::Postgres)),
                    (seconds(2), Do::StartServer(Server::Postgres)),
                ],
                &[(seconds(0), Do::StopServer(Server::Redis))],
                &[(seconds(0), Do::Kill(Service::Orders))],
            ],
        };
        let expected = [
            (1, "kill postgres"),
            (3, "start postgres"),
            (6, "kill orders"),
        ];
        let expected = expected.map(|(at, what)| (at, what.to_owned()));
        assert_eq!(scheduled(&[Step::Rounds(ROUNDS)], "postgres"), expected);
        let length = |backends: &str| ROUNDS.length(&backends.parse().unwrap()).as_secs();
        assert_eq!([length("files"), length("postgres,redis")], [6, 16]);
    }
}

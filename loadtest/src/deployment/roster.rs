//! Which replicas there are, and what else a deployment and their keepers share.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use anyhow::Context as _;
use chassis::Fault;
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use super::{
    backends::Backends,
    discovery::{self, Replica, Weights},
    life::Life,
    servers::Servers,
    service::Service,
    topology::Topology,
    track::Make,
};
use crate::interrupted::Interrupt;

/// How a deployment is started.
pub struct Options {
    /// Whose services run until they are given a version, if not those of this program: another build of it.
    pub program: Option<PathBuf>,
    /// Which processes there are.
    pub topology: Topology,
    /// Port of the gateway; 0 takes any free one.
    pub gateway_port: u16,
    /// Where spans go; `None` leaves that to the `OTEL_*` variables of the environment.
    pub otlp: Option<SocketAddr>,
    /// Where the services keep their data.
    pub backends: Backends,
    /// What every service finds in its environment beside that.
    pub environment: Vec<(String, String)>,
    /// What every address of a service ends in: parameters, such as `breaker=off`.
    pub upstreams: &'static str,
    /// Whether a process that died is started again.
    pub restart: bool,
    /// Where a death is told as it happens.
    pub tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// A process that died without being told to.
#[derive(Debug, Clone)]
pub struct Incident {
    /// When.
    pub at: Instant,
    /// One sentence, with the last lines of its log.
    pub text: String,
}

/// What a replica said when it had drained.
#[derive(Debug, Clone)]
pub struct LastWords {
    /// Who.
    pub replica: Replica,
    /// When.
    pub said: SystemTime,
    /// Its metrics as OpenMetrics; all of them, if they end as such.
    pub metrics: String,
}

/// What the replicas' keepers share.
pub(super) struct Roster {
    pub(super) options: Options,
    pub(super) dir: PathBuf,
    pub(super) http: reqwest::Client,
    pub(super) servers: Servers,
    /// Asked for from outside.
    pub(super) interrupt: Interrupt,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) live: BTreeMap<(Service, u32), Replica>,
    pub(super) incidents: Vec<Incident>,
    /// Where the first gateway was found first: whoever knows it finds it there again when it has died.
    pub(super) gateway_port: Option<u16>,
    /// Processes that we kill ourselves.
    pub(super) condemned: BTreeSet<u32>,
    pub(super) next: BTreeMap<Service, u32>,
    pub(super) stops: BTreeMap<(Service, u32), CancellationToken>,
    /// What goes wrong on purpose, at replicas that are started later too: at all of a service, or at those of a version.
    pub(super) faults: BTreeMap<(Service, Option<&'static str>), Vec<Fault>>,
    /// The versions of replicas that are started from now on, where they were chosen.
    pub(super) versions: BTreeMap<Service, &'static str>,
    pub(super) weights: Weights,
    /// Of replicas that have drained.
    pub(super) last_words: Vec<LastWords>,
    /// Every process that was started, in their order.
    pub(super) lives: Vec<Life>,
    /// Where the metrics of whoever scales are.
    pub(super) scaler: Option<SocketAddr>,
}

impl Roster {
    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn discovery_file(&self) -> PathBuf {
        self.dir.join("services.json")
    }

    pub(super) fn enter(&self, replica: &Replica) -> anyhow::Result<()> {
        let key = (replica.service, replica.number);
        if replica.service.is_public() && replica.number == 1 {
            self.state().gateway_port = Some(replica.public.port());
        }
        self.change(|live| live.insert(key, replica.clone()))?;
        self.note(replica, |life, now| life.ready = Some(now));
        Ok(())
    }

    pub(super) fn leave(&self, replica: &Replica) -> anyhow::Result<()> {
        let key = (replica.service, replica.number);
        self.note(replica, |life, now| life.left = Some(now));
        self.change(|live| live.remove(&key))
    }

    /// A process was started.
    pub(super) fn born(&self, service: Service, number: u32, start: u32, make: Make) {
        self.state().lives.push(Life {
            service,
            number,
            start,
            make,
            started: Instant::now(),
            ready: None,
            left: None,
            ended: None,
        });
    }

    /// Its process has ended, whatever it came to.
    pub(super) fn ended(&self, service: Service, number: u32, start: u32) {
        self.write_down(service, number, start, |life, now| life.ended = Some(now));
    }

    fn note(&self, replica: &Replica, write: impl FnOnce(&mut Life, Instant)) {
        self.write_down(replica.service, replica.number, replica.start, write);
    }

    fn write_down(
        &self,
        service: Service,
        number: u32,
        start: u32,
        write: impl FnOnce(&mut Life, Instant),
    ) {
        let mut state = self.state();
        let own = |it: &&mut Life| (it.service, it.number, it.start) == (service, number, start);
        if let Some(life) = state.lives.iter_mut().rev().find(own) {
            write(life, Instant::now());
        }
    }

    /// A replica that has drained said so.
    pub(super) fn hear(&self, replica: &Replica, metrics: String) {
        self.state().last_words.push(LastWords {
            replica: replica.clone(),
            said: SystemTime::now(),
            metrics,
        });
    }

    /// Remembers a fault for replicas that are started from now on.
    pub(super) fn remember(&self, service: Service, version: Option<&'static str>, fault: Fault) {
        let mut state = self.state();
        let faults = state.faults.entry((service, version)).or_default();
        faults.retain(|it| it.route != fault.route);
        faults.push(fault);
    }

    /// Replicas that are started from now on have no fault of this service.
    pub(super) fn forget_faults(&self, service: Service) {
        let mut state = self.state();
        state.faults.retain(|it, _| it.0 != service);
    }

    /// What goes wrong on purpose at a replica, each at the service it is about: because of that, or because of its version.
    pub(super) fn faults(&self, replica: &Replica) -> Vec<(Service, Fault)> {
        let state = self.state();
        let own = replica.make.version;
        let of = |service: Service| {
            let mut known = vec![state.faults.get(&(service, None))];
            if own.is_some() {
                known.push(state.faults.get(&(service, own)));
            }
            let known: Vec<_> = known.into_iter().flatten().flatten().cloned().collect();
            known.into_iter().map(move |it| (service, it))
        };
        replica.service.parts().into_iter().flat_map(of).collect()
    }

    /// Changes who can be found. The lock is held until the file is written, so that files follow each other as changes do.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<(Service, u32), Replica>) -> T,
    ) -> anyhow::Result<()> {
        let mut state = self.state();
        change(&mut state.live);
        let path = self.discovery_file();
        discovery::write(&path, state.live.values(), &state.weights, state.scaler)
    }

    /// The port of a gateway that is about to start; 0 takes any free one. The first, or one that is alone, is where whoever knows
    /// the shop looks for it.
    pub(super) fn gateway_port(&self, number: u32) -> u16 {
        let state = self.state();
        let known = state.gateway_port.unwrap_or(self.options.gateway_port);
        let alone = !state.live.values().any(|it| it.service.is_public());
        if number == 1 || alone { known } else { 0 }
    }

    /// The newest replica of a process that takes requests.
    pub(super) fn newest(&self, process: Service) -> Option<Replica> {
        let state = self.state();
        let newest = state.live.values().rfind(|it| it.service == process);
        newest.cloned()
    }

    /// Kills a process, which is no incident then.
    pub(super) fn strike(&self, victim: &Replica) -> anyhow::Result<()> {
        self.state().condemned.insert(victim.pid);
        let pid = i32::try_from(victim.pid).ok().and_then(Pid::from_raw);
        let pid = pid.context("read the id of a process")?;
        kill_process(pid, Signal::KILL).with_context(|| format!("kill {}", victim.service))
    }

    /// Whether this process was killed by us.
    pub(super) fn is_condemned(&self, pid: u32) -> bool {
        self.state().condemned.contains(&pid)
    }

    pub(super) fn report(&self, text: String) {
        (self.options.tell)(&text);
        let at = Instant::now();
        self.state().incidents.push(Incident { at, text });
    }
}

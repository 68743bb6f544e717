//! Which replicas there are, and what else a deployment and their keepers share.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use chassis::Fault;
use tokio_util::sync::CancellationToken;

use super::{
    backends::Backends,
    discovery::{self, Replica, Weights},
    life::Life,
    servers::Servers,
    service::Service,
    track::Make,
};
use crate::interrupted::Interrupt;

/// How a deployment is started.
pub struct Options {
    /// Whose services run until they are given a version, if not those of this program: another build of it.
    pub program: Option<PathBuf>,
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

    /// What goes wrong on purpose at a replica: because of its service, or because of its version.
    pub(super) fn faults(&self, replica: &Replica) -> Vec<Fault> {
        let state = self.state();
        let own = replica.make.version;
        let of = |version| state.faults.get(&(replica.service, version));
        let mut faults = of(None).cloned().unwrap_or_default();
        if own.is_some() {
            faults.extend(of(own).cloned().unwrap_or_default());
        }
        faults
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

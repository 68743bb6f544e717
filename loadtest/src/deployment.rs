//! The shop as local processes: started, found, supervised and stopped.
//!
//! Every replica is a process of its own in its own process group, with its log in the run directory and a Unix socket
//! as standard input. The socket closes when this process ends, however it ends, and the replica then drains and exits.

pub(crate) mod backends;
mod discovery;
mod life;
mod log_tail;
mod replica;
mod room;
mod roster;
pub(crate) mod secrets;
mod servers;
mod service;
mod standing;
mod topology;
mod track;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context as _;
pub use backends::{Backends, Server};
pub use discovery::Replica;
pub use life::Life;
use roster::Roster;
pub use roster::{Incident, LastWords, Options};
pub use service::{SERVICES, Service};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
pub use topology::Topology;
pub use track::{Farewell, Make, Track};

use crate::{
    http,
    interrupted::{Interrupt, Interrupted},
};

/// A server that has not deleted the data of a run by then is not waited for.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is asked whether a replica has ended.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A running shop. Dropping it closes every replica's socket; [`Deployment::stop`] waits for them as well.
pub struct Deployment {
    roster: Arc<Roster>,
    keepers: TaskTracker,
    stop: CancellationToken,
}

impl Deployment {
    /// Starts one replica of every service and waits until all are ready. Logs, data and the discovery file are below `dir`,
    /// which must be absolute. Whatever ends the start early, `interrupt` too, nothing of it is left on the servers.
    ///
    /// # Errors
    /// A port that is taken, a service that will not start, with the last lines of its log, or [`Interrupted`].
    pub(crate) async fn start(
        dir: &Path,
        options: Options,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        room::make(dir).with_context(|| format!("make {}", dir.display()))?;
        room::check_port(options.gateway_port)?;
        let http = http::client(Duration::from_secs(2))?;
        secrets::make(dir)?;
        let servers = servers::Servers::prepare(&options.backends).await?;
        let it = Self {
            roster: Arc::new(Roster {
                options,
                dir: dir.to_owned(),
                http,
                servers,
                interrupt: interrupt.clone(),
                state: Mutex::default(),
            }),
            keepers: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let ready = tokio::select! {
            ready = it.first_replicas() => ready,
            () = interrupt.cancelled() => Err(Interrupted.into()),
        };
        Ok(it.or_stop(ready).await?.0)
    }

    async fn first_replicas(&self) -> anyhow::Result<()> {
        self.roster.change(|_| ())?;
        let processes = self.roster.options.topology.processes();
        let starting: Vec<_> = processes.iter().map(|&it| self.begin_stable(it)).collect();
        for ready in starting {
            wait(ready).await?;
        }
        Ok(())
    }

    /// Goes on with what was `made` in the shop; where that failed, stops it first.
    pub(crate) async fn or_stop<T>(self, made: anyhow::Result<T>) -> anyhow::Result<(Self, T)> {
        match made {
            Ok(made) => Ok((self, made)),
            Err(error) => {
                self.stop().await;
                Err(error)
            }
        }
    }

    /// Starts one more replica of `service` and waits until it is ready.
    pub async fn add(&self, service: Service) -> anyhow::Result<()> {
        wait(self.begin_stable(service)).await
    }

    /// Starts a replica of `service` as `make`, beside those that are there, and waits until it is ready.
    pub(crate) async fn add_as(&self, service: Service, make: Make) -> anyhow::Result<()> {
        wait(self.begin(service, make)).await
    }

    fn begin_stable(&self, service: Service) -> oneshot::Receiver<anyhow::Result<()>> {
        let version = self.version(service);
        let track = Track::Stable;
        self.begin(service, Make { version, track })
    }

    fn begin(&self, service: Service, make: Make) -> oneshot::Receiver<anyhow::Result<()>> {
        let (ready, wait) = oneshot::channel();
        let stop = self.stop.child_token();
        let number = {
            let mut state = self.roster.state();
            let next = state.next.entry(service).or_insert(1);
            let number = *next;
            *next += 1;
            state.stops.insert((service, number), stop.clone());
            number
        };
        let roster = Arc::clone(&self.roster);
        let keeper = replica::keep(roster, (service, number), make, stop, ready);
        self.keepers.spawn(keeper);
        wait
    }

    /// Takes the newest replica of `service` out of the discovery file and lets it drain. Returns before it has ended.
    pub fn remove(&self, service: Service) {
        let mut state = self.roster.state();
        let newest = state.stops.keys().rfind(|it| it.0 == service).copied();
        if let Some(stop) = newest.and_then(|it| state.stops.remove(&it)) {
            stop.cancel();
        }
    }

    /// Starts replicas of what `service` is, or is in, until there are `count`, each ready before the next is begun, or takes
    /// away the newest.
    ///
    /// # Errors
    /// A replica that does not start.
    pub async fn scale(&self, service: Service, count: u32) -> anyhow::Result<()> {
        let service = self.process(service);
        while self.told(service) < count {
            self.add(service).await?;
        }
        self.tell(service, count);
        Ok(())
    }

    /// Tells `service` to have `count` replicas: starts those that are missing, all at once, or has the newest drain. It waits for
    /// none; a replica that does not start is an incident, and is told to be there no longer.
    pub(crate) fn tell(&self, service: Service, count: u32) {
        for _ in self.told(service)..count {
            drop(self.begin_stable(service));
        }
        for _ in count..self.told(service) {
            self.remove(service);
        }
    }

    /// How many replicas `service` was told to have.
    pub(crate) fn told(&self, service: Service) -> u32 {
        let state = self.roster.state();
        let told = state.stops.keys().filter(|it| it.0 == service).count();
        u32::try_from(told).unwrap_or(u32::MAX)
    }

    /// The process that `service` is, or is in.
    pub(crate) fn process(&self, service: Service) -> Service {
        self.roster.options.topology.process(service)
    }

    /// Replaces each stable replica of the process that `service` is, or is in, by one of `version`: the new one is ready before
    /// the old one goes, which has gone before the next is begun.
    ///
    /// # Errors
    /// A replica that does not start; what runs then goes on.
    pub(crate) async fn replace(
        &self,
        service: Service,
        version: &'static str,
        farewell: Farewell,
    ) -> anyhow::Result<()> {
        let service = self.process(service);
        let old = self.numbers(service, Track::Stable);
        self.roster.state().versions.insert(service, version);
        for number in old {
            self.add(service).await?;
            self.retire(service, number, farewell).await?;
        }
        Ok(())
    }

    /// Has every replica of `service` on `track` go, and waits until they have ended.
    pub(crate) async fn retire_all(&self, service: Service, track: Track) -> anyhow::Result<()> {
        for number in self.numbers(service, track) {
            self.retire(service, number, Farewell::Drain).await?;
        }
        Ok(())
    }

    /// The replicas of `service` on `track` that are there, or about to be.
    fn numbers(&self, service: Service, track: Track) -> Vec<u32> {
        let state = self.roster.state();
        let there = |it: &&Life| {
            (it.service, it.make.track) == (service, track)
                && it.left.is_none()
                && it.ended.is_none()
        };
        state
            .lives
            .iter()
            .filter(there)
            .map(|it| it.number)
            .collect()
    }

    /// Has a replica go, and waits until it has ended.
    async fn retire(
        &self,
        service: Service,
        number: u32,
        farewell: Farewell,
    ) -> anyhow::Result<()> {
        let stop = self.roster.state().stops.remove(&(service, number));
        if farewell == Farewell::Kill {
            let victim = self.roster.state().live.get(&(service, number)).cloned();
            let victim = victim.with_context(|| format!("{service}-{number} is not running"))?;
            self.roster.strike(&victim)?;
        }
        if let Some(stop) = stop {
            stop.cancel();
        }
        let own = |it: &Life| (it.service, it.number) == (service, number);
        let runs = || self.lives().iter().any(|it| own(it) && it.ended.is_none());
        while runs() {
            sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    /// From now on the replicas of `service` on `track` weigh so much each, and one each where that is none.
    pub(crate) fn weigh(
        &self,
        service: Service,
        track: Track,
        weight: Option<f64>,
    ) -> anyhow::Result<()> {
        {
            let mut state = self.roster.state();
            match weight {
                Some(weight) => state.weights.insert((service, track), weight),
                None => state.weights.remove(&(service, track)),
            };
        }
        self.roster.change(|_| ())
    }

    /// Remembers a fault for replicas of `service` that are started from now on, or for those of one version.
    pub(crate) fn remember(
        &self,
        service: Service,
        version: Option<&'static str>,
        fault: &chassis::Fault,
    ) {
        self.roster.remember(service, version, fault.clone());
    }

    /// Replicas of `service` that are started from now on have no fault.
    pub(crate) fn forget_faults(&self, service: Service) {
        self.roster.forget_faults(service);
    }

    /// What replicas said that have drained.
    pub(crate) fn last_words(&self) -> Vec<LastWords> {
        self.roster.state().last_words.clone()
    }

    /// Every process that was started, in their order.
    pub fn lives(&self) -> Vec<Life> {
        self.roster.state().lives.clone()
    }

    /// Has whoever reads the discovery file know where the metrics of the scaler are, if there is one.
    pub(crate) fn introduce_scaler(&self, metrics: Option<SocketAddr>) -> anyhow::Result<()> {
        self.roster.state().scaler = metrics;
        self.roster.change(|_| ())
    }

    /// Kills the newest replica of the process that `service` is, or is in, with SIGKILL, as an experiment: its death is no incident.
    /// It is started again.
    ///
    /// # Errors
    /// None is running.
    pub fn kill(&self, service: Service) -> anyhow::Result<Replica> {
        let victim = self.newest(service)?;
        self.roster.strike(&victim)?;
        Ok(victim)
    }

    /// The newest replica of the process that `service` is, or is in, if one is running.
    pub(crate) fn newest(&self, service: Service) -> anyhow::Result<Replica> {
        let newest = self.roster.newest(self.process(service));
        newest.with_context(|| format!("{service} is not running"))
    }

    /// The replicas that take requests now.
    pub fn replicas(&self) -> Vec<Replica> {
        self.roster.state().live.values().cloned().collect()
    }

    /// Where the shop takes requests.
    ///
    /// # Errors
    /// The gateway is not running.
    pub fn gateway(&self) -> anyhow::Result<SocketAddr> {
        let state = self.roster.state();
        let gateway = state.live.values().find(|it| it.service.is_public());
        Ok(gateway.context("the gateway is not running")?.public)
    }

    /// Tells something as it happens.
    pub(crate) fn say(&self, text: &str) {
        (self.roster.options.tell)(text);
    }

    /// A file beside the logs of the services.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.roster.dir.join("logs").join(name)
    }

    /// What new replicas of `service` call their version, if that was chosen.
    pub(crate) fn version(&self, service: Service) -> Option<&'static str> {
        self.roster.state().versions.get(&service).copied()
    }

    /// Where replicas are found, as an address.
    pub(crate) fn discovery(&self) -> String {
        service::file_address(&self.roster.discovery_file(), "")
    }

    /// What died since the start.
    pub fn incidents(&self) -> Vec<Incident> {
        self.roster.state().incidents.clone()
    }

    /// The client of probes, scrapes and faults.
    pub fn http(&self) -> &reqwest::Client {
        &self.roster.http
    }

    /// Drains every replica, or kills them when it is asked to stop at once, and returns when the last has ended and nothing of
    /// it is left on the servers.
    pub async fn stop(self) {
        self.stop.cancel();
        self.keepers.close();
        self.keepers.wait().await;
        let cleared = timeout(CLEAR_TIMEOUT, self.roster.servers.clear()).await;
        let cleared = cleared
            .unwrap_or_else(|_| Err(anyhow::anyhow!("no response within {CLEAR_TIMEOUT:?}")));
        if let Err(error) = cleared {
            (self.roster.options.tell)(&format!(
                "data of this run not deleted from the servers: {error:#}"
            ));
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn wait(ready: oneshot::Receiver<anyhow::Result<()>>) -> anyhow::Result<()> {
    ready.await.context("service supervisor ended")?
}

//! Prometheus and Alertmanager beside the shop, on the project's own configuration.
//!
//! Both are programs that somebody installed; they run on free ports, keep their data in the run directory, and end when we do.
//! Alertmanager tells a webhook in this process ([`receiver`]), which is also where Prometheus finds what our clients saw
//! ([`clients`]).

mod alert;
mod clients;
pub(crate) mod keeper;
mod marks;
mod programs;
mod prometheus;
mod receiver;
mod server;
mod settings;
mod switch;
mod variables;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(crate) use alert::Notification;
use anyhow::Context as _;
pub(crate) use clients::Clients;
pub(crate) use programs::find;
pub(crate) use prometheus::{Labels, Prometheus, Sample};
pub(crate) use receiver::Receiver;
use server::{Launch, Server};
use settings::Settings;
pub(crate) use switch::{SWITCH, Switch};

use crate::{deployment::Deployment, http, interrupted::Interrupt};

/// The dead man's switch has been missed when it was last heard so long ago.
const SWITCH_MISSED: Duration = Duration::from_mins(15);
/// How long Prometheus and Alertmanager have for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What is observed, and how.
pub(crate) struct Options {
    /// Where configuration, data and logs are; absolute.
    pub(crate) dir: PathBuf,
    /// Discovery files of shops. Those that are not there yet are looked for again.
    pub(crate) discovery: Vec<PathBuf>,
    /// By how much all time in rules and routes is divided: 1, but for drills.
    pub(crate) clock: f64,
    /// Where alerts are told as they come and go.
    pub(crate) tell: Box<dyn Fn(&str) + Send + Sync>,
}

/// Prometheus, Alertmanager and the receiver of alerts, running.
pub(crate) struct Stack {
    prometheus: Server,
    alertmanager: Server,
    pub(crate) receiver: Receiver,
    pub(crate) clients: Arc<Clients>,
    dir: PathBuf,
}

impl Stack {
    /// Starts all three and waits until they are ready.
    ///
    /// # Errors
    /// A program that is not on the `PATH`, with how to get it, or one that does not start, with the end of its log.
    pub(crate) async fn start(options: Options) -> anyhow::Result<Self> {
        let Options {
            dir,
            discovery,
            clock,
            tell,
        } = options;
        let (prometheus, alertmanager) = (find("prometheus")?, find("alertmanager")?);
        std::fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        let clients = Arc::new(Clients::default());
        let missed = SWITCH_MISSED.div_f64(clock);
        let notes = dir.join("notifications.jsonl");
        let receiver = Receiver::start(&notes, missed, tell, Arc::clone(&clients)).await?;
        let (at_prometheus, at_alertmanager) = free_addresses()?;
        let settings = Settings {
            dir: &dir,
            discovery: &discovery,
            clock,
            prometheus: at_prometheus,
            alertmanager: at_alertmanager,
            receiver: receiver.address,
        };
        settings.write()?;
        let alertmanager = Launch {
            name: "alertmanager",
            program: alertmanager,
            arguments: settings.alertmanager_flags(),
            log: dir.join("alertmanager.log"),
            address: at_alertmanager,
        };
        let prometheus = Launch {
            name: "prometheus",
            program: prometheus,
            arguments: settings.prometheus_flags(),
            log: dir.join("prometheus.log"),
            address: at_prometheus,
        };
        let (alertmanager, prometheus) =
            tokio::try_join!(alertmanager.start(), prometheus.start())?;
        Ok(Self {
            prometheus,
            alertmanager,
            receiver,
            clients,
            dir,
        })
    }

    /// Where to ask Prometheus.
    pub(crate) fn prometheus(&self) -> anyhow::Result<Prometheus> {
        Ok(Prometheus::new(
            http::client(ANSWER_TIMEOUT)?,
            self.prometheus_url(),
        ))
    }

    pub(crate) fn prometheus_url(&self) -> String {
        format!("http://{}", self.prometheus.launch.address)
    }

    pub(crate) fn alertmanager_url(&self) -> String {
        format!("http://{}", self.alertmanager.launch.address)
    }

    /// What commands on the pages in `runbooks/` call the places of this shop, whose run is in `dir`.
    pub(crate) fn variables(&self, deployment: &Deployment, dir: &Path) -> Vec<(String, String)> {
        let urls = [self.prometheus_url(), self.alertmanager_url()];
        variables::variables(deployment, dir, urls)
    }

    /// Where all that it leaves is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The command that shows what was recorded once we have ended.
    pub(crate) fn again(&self) -> String {
        let launch = &self.prometheus.launch;
        let flags = launch.arguments.join(" ");
        format!("{} {flags}", launch.program.display())
    }

    /// Kills Prometheus with SIGKILL and starts it again when `meanwhile` is over.
    pub(crate) async fn without_prometheus<T>(
        &mut self,
        meanwhile: impl AsyncFnOnce(&Receiver) -> T,
    ) -> anyhow::Result<T> {
        self.prometheus.kill()?;
        let seen = meanwhile(&self.receiver).await;
        self.prometheus = self.prometheus.launch.clone().start().await?;
        Ok(seen)
    }

    /// Stops all, and at once if that is asked for.
    pub(crate) async fn stop(self, interrupt: &Interrupt) {
        tokio::join!(
            self.prometheus.stop(interrupt),
            self.alertmanager.stop(interrupt)
        );
    }
}

/// Two ports that are free now. Both are held before either is let go, or they might be the same.
fn free_addresses() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port");
    let (one, other) = (free()?, free()?);
    Ok((one.local_addr()?, other.local_addr()?))
}

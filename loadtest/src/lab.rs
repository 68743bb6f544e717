//! Where experiments are carried out: a running shop, a receiver for its spans, and the engine.

use std::{convert::Infallible, path::PathBuf, time::Duration};

use anyhow::Context as _;
use chassis::Fault;
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    accounts,
    args::RunArgs,
    deployment::{Deployment, Options, Service},
    engine::{
        Counts,
        mix::NOMINAL,
        parent::{self, Load},
        plan::{Arrivals, Phase, Plan},
    },
    evidence::{collect::Window, ledgers::Ledgers, otlp::Receiver},
    interrupted::Interrupted,
    measurement::Measurement,
    processors::Processors,
    progress::Progress,
    recording::Recording,
    run_dir::RunDir,
};

/// What the shop is seeded with, which is the services' default.
const PRODUCTS: u32 = 1000;
/// Shoppers who are logged in before the load begins; buyers take turns with their tokens, each far below its rate limit.
const SHOPPERS: u32 = 20;
/// The longest a client waits.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the shop is scraped under load.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);
/// Goose users for each arrival a second: a visit takes about half a second, so most of them are idle.
const USERS_PER_RATE: f64 = 3.0;
/// Goose users there are in any case.
const MIN_USERS: f64 = 60.0;

/// A running shop and all that is needed to put it to the test.
pub(crate) struct Lab<'a> {
    deployment: Deployment,
    receiver: Receiver,
    /// Everything of this experiment: its shop begins with no data, whatever ran before it.
    dir: PathBuf,
    pub(crate) args: &'a RunArgs,
    pub(crate) seed: u64,
    /// Tokens of shoppers who are logged in.
    tokens: Vec<String>,
    progress: &'a Progress,
    stop: &'a CancellationToken,
}

impl<'a> Lab<'a> {
    pub(crate) async fn open(
        run_dir: &RunDir,
        experiment: &str,
        environment: Vec<(&'static str, &'static str)>,
        args: &'a RunArgs,
        seed: u64,
        progress: &'a Progress,
        stop: &'a CancellationToken,
    ) -> anyhow::Result<Self> {
        progress.step("starting the shop");
        let dir = run_dir.path().join(experiment);
        let receiver = Receiver::start().await?;
        let said = progress.clone();
        let options = Options {
            gateway_port: 0,
            otlp: Some(receiver.address),
            backends: args.backends.clone(),
            environment,
            restart: true,
            tell: Box::new(move |text| said.say(text)),
        };
        let deployment = Deployment::start(&dir, options, stop).await?;
        progress.step("logging shoppers in");
        let gateway = format!("http://{}", deployment.gateway()?);
        let tokens = tokio::select! {
            tokens = accounts::shoppers(deployment.http(), &gateway, SHOPPERS) => tokens,
            () = stop.cancelled() => Err(Interrupted.into()),
        };
        let (deployment, tokens) = deployment.or_stop(tokens).await?;
        let lab = Self {
            deployment,
            receiver,
            dir,
            args,
            seed,
            tokens,
            progress,
            stop,
        };
        if let Some(signal) = args.lose {
            let loss = Fault {
                telemetry_loss: Some(chassis::TelemetryLoss {
                    signal,
                    one_in: 1000,
                }),
                ..Fault::default()
            };
            lab.set_fault(Service::Gateway, &loss).await?;
        }
        Ok(lab)
    }

    /// Loads the shop with `phases` and collects what everyone said about it. `arm` names files and request ids.
    pub(crate) async fn measure(
        &self,
        arm: &str,
        phases: Vec<Phase>,
    ) -> anyhow::Result<Measurement> {
        let measured = self.measure_while(arm, phases, async |_| Ok(())).await?;
        Ok(measured.0)
    }

    /// The same while `disturb` does something to the shop; it begins, and hears when that was, with the first arrival.
    pub(crate) async fn measure_while<T>(
        &self,
        arm: &str,
        phases: Vec<Phase>,
        disturb: impl AsyncFnOnce(Instant) -> anyhow::Result<T>,
    ) -> anyhow::Result<(Measurement, T)> {
        let plan = self.plan(arm, phases)?;
        self.progress.step(format!("{arm}: waiting for quiet"));
        let mut window = Window::open(&self.deployment, &self.receiver.spans).await?;
        let before = Processors::now();
        let (load, disturbed) = self.drive(&plan, &mut window, disturb).await?;
        let stolen = before.and_then(|it| Some(Processors::now()?.stolen_since(it)));
        self.progress.step(format!("{arm}: comparing the signals"));
        let (evidence, incidents, restless) =
            window.close(&self.deployment, &self.receiver.spans).await?;
        let measurement = Measurement {
            recording: Recording::of(&load.attempts),
            plan,
            load,
            evidence,
            ledgers: Ledgers::read(&self.deployment).await?,
            incidents,
            stolen,
            restless,
        };
        Ok((measurement, disturbed))
    }

    /// Runs the engine and scrapes the shop meanwhile.
    async fn drive<T>(
        &self,
        plan: &Plan,
        window: &mut Window,
        disturb: impl AsyncFnOnce(Instant) -> anyhow::Result<T>,
    ) -> anyhow::Result<(Load, T)> {
        self.progress.load(&plan.name, plan.length());
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        let mut began = Instant::now();
        let follow = |counts: &Counts| {
            if counts.due.iter().any(|it| *it > 0)
                && let Some(tell) = tell.take()
            {
                began = Instant::now();
                // Whoever no longer waits does not want to know.
                let _ = tell.send(began);
            }
            self.progress.follow(began.elapsed(), counts);
        };
        let disturbed = async {
            let began = told.await.context("the load never began")?;
            disturb(began).await
        };
        let load = async { tokio::try_join!(parent::run(plan, self.stop, follow), disturbed) };
        // Side by side: services whose server is away take their time, and what disturbs them keeps to its own.
        tokio::select! {
            load = load => load,
            never = self.scrape(window) => match never {},
        }
    }

    async fn scrape(&self, window: &mut Window) -> Infallible {
        let mut ticks = interval(SCRAPE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            window.scrape(&self.deployment).await;
        }
    }

    fn plan(&self, arm: &str, phases: Vec<Phase>) -> anyhow::Result<Plan> {
        let peak = phases
            .iter()
            .map(|it| it.arrivals.peak())
            .fold(0.0, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rates are limited by the command line"
        )]
        let users = (peak * USERS_PER_RATE).max(MIN_USERS) as usize;
        Ok(Plan {
            name: arm.to_owned(),
            target: format!("http://{}", self.deployment.gateway()?),
            seed: self.seed,
            users,
            products: PRODUCTS,
            mix: NOMINAL,
            tokens: self.tokens.clone(),
            timeout_ms: u64::try_from(CLIENT_TIMEOUT.as_millis())?,
            phases,
            output: self.dir.join(arm),
            starve_ms: self.args.starve_ms,
        })
    }

    /// A phase of so many seconds at the nominal load.
    pub(crate) fn nominal(&self, name: &str, seconds: f64) -> Phase {
        Phase {
            name: name.to_owned(),
            seconds,
            arrivals: Arrivals::Poisson {
                rate: self.args.rate,
            },
        }
    }

    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Sets a fault on every replica of `service`.
    pub(crate) async fn set_fault(&self, service: Service, fault: &Fault) -> anyhow::Result<()> {
        let http = self.deployment.http();
        self.faults(service, "set a fault at", |url| http.put(url).json(fault))
            .await
    }

    /// Clears the faults of one route of `service`; the empty route is the fault without one.
    pub(crate) async fn clear_fault(&self, service: Service, route: &str) -> anyhow::Result<()> {
        let http = self.deployment.http();
        self.faults(service, "clear a fault at", |url| {
            http.delete(url).query(&[("route", route)])
        })
        .await
    }

    async fn faults(
        &self,
        service: Service,
        what: &str,
        request: impl Fn(String) -> reqwest::RequestBuilder,
    ) -> anyhow::Result<()> {
        let replicas = self.deployment.replicas();
        for replica in replicas.iter().filter(|it| it.service == service) {
            let url = format!("http://{}/faults", replica.admin);
            let answer = request(url).send().await;
            answer
                .and_then(reqwest::Response::error_for_status)
                .with_context(|| format!("{what} {service}"))?;
        }
        Ok(())
    }

    pub(crate) async fn close(self) {
        self.progress.step("stopping the shop");
        self.deployment.stop().await;
    }
}

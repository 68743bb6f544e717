//! Where drills take place: a shop under load, and Prometheus and Alertmanager on a fast clock.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use serde_json::json;
use telemetry::names::LOADTEST_REQUEST_DURATION;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    runtime::Runtime,
    time::{Instant, sleep},
};

use super::{
    act::{Act, Deployed, Presence, Scaler, Tried, sh},
    cache::Cache,
    scaled::Scaled,
    tried::Canary,
};
use crate::{
    accounts,
    args::DrillArgs,
    deployment::{self, Backends, Deployment, SERVICES},
    engine::{
        mix::{Mix, NOBODY},
        parent,
        plan::{Arrivals, Phase, Plan},
    },
    evidence::otlp::{Receiver, Spans},
    interrupted::Interrupt,
    observe::{self, Labels, Prometheus, Stack},
    progress::Progress,
};

/// By how much time is divided: an hour is a minute.
pub(super) const CLOCK: f64 = 60.0;
/// More buyers than usual, so that what is rare is seen.
const MIX: Mix = Mix {
    browser: 50,
    searcher: 30,
    buyer: 20,
    ..NOBODY
};
/// A busy machine must not look like a cache that is away.
const CACHE_TIMEOUT: &str = "500ms";
/// Longer than all drills.
const LOAD: Duration = Duration::from_hours(6);
/// Tokens outlive the load.
const TOKEN_TTL: &str = "12h";
/// What each service is told that it may use, in bytes.
const MEMORY_LIMIT: &str = "536870912";
/// Goose users; a visit takes about half a second, and some seconds while something is at fault.
const USERS: usize = 200;
const SHOPPERS: u32 = 10;
const PRODUCTS: u32 = 1000;
const CLIENT_TIMEOUT_MS: u64 = 6000;
/// A shop of which Prometheus has no data by then is not observed.
const DATA_WITHIN: Duration = Duration::from_mins(2);

/// The shop and who observes it.
pub(super) struct Ground {
    deployment: Arc<Deployment>,
    scaled: Scaled,
    canary: Canary,
    pub(super) stack: Stack,
    pub(super) prometheus: Prometheus,
    /// Objectives that earlier drills have hurt: the slow rows of their burn rates look back for some minutes.
    pub(super) hurt: BTreeSet<String>,
    otlp: Otlp,
    cache: Cache,
    http: reqwest::Client,
    dir: PathBuf,
    gateway: String,
    tokens: Vec<String>,
    admin: String,
    rate: f64,
    interrupt: Interrupt,
}

impl Ground {
    /// Starts all of it.
    pub(super) async fn open(
        dir: &Path,
        args: &DrillArgs,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        progress.step("starting the shop, Prometheus and Alertmanager");
        // Missing programs are told before anything is started.
        observe::find("prometheus").and_then(|_| observe::find("alertmanager"))?;
        std::fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
        let cache = Cache::start(dir.join("cache.log")).await?;
        let otlp = Otlp::start(0).await?;
        let told = progress.clone();
        let options = deployment::Options {
            topology: deployment::Topology::Services,
            gateway_port: 0,
            otlp: Some(otlp.address),
            backends: Backends::default(),
            program: None,
            environment: vec![
                ("TOKEN_TTL".to_owned(), TOKEN_TTL.to_owned()),
                ("MEMORY_LIMIT".to_owned(), MEMORY_LIMIT.to_owned()),
                ("CACHE_URL".to_owned(), cache.url()),
                ("CACHE_TIMEOUT".to_owned(), CACHE_TIMEOUT.to_owned()),
            ],
            upstreams: "",
            restart: true,
            tell: Box::new(move |text| told.say(text)),
        };
        let deployment = Deployment::start(dir, options, interrupt).await?;
        let gateway = format!("http://{}", deployment.gateway()?);
        let prepared = prepare(&deployment, &gateway, dir, progress).await;
        let (deployment, (tokens, admin, stack)) = deployment.or_stop(prepared).await?;
        Ok(Self {
            prometheus: stack.prometheus()?,
            http: deployment.http().clone(),
            deployment: Arc::new(deployment),
            scaled: Scaled::default(),
            canary: Canary::default(),
            stack,
            hurt: BTreeSet::new(),
            otlp,
            cache,
            dir: dir.to_owned(),
            gateway,
            tokens,
            admin,
            rate: args.rate,
            interrupt: interrupt.clone(),
        })
    }

    /// The load, which goes on for as long as this is waited for. It returns why it ended.
    pub(super) fn load(&self) -> impl Future<Output = anyhow::Error> + use<> {
        let plan = Plan {
            name: "drill".to_owned(),
            target: self.gateway.clone(),
            seed: 1,
            users: USERS,
            products: PRODUCTS,
            admin: None,
            timeout_ms: CLIENT_TIMEOUT_MS,
            deadline_ms: None,
            mix: MIX,
            tokens: self.tokens.clone(),
            phases: vec![Phase {
                name: "all".to_owned(),
                seconds: LOAD.as_secs_f64(),
                arrivals: Arrivals::Constant { rate: self.rate },
            }],
            output: self.dir.join("load"),
            starve_ms: 0,
        };
        self.stack.clients.follow(&plan.output);
        let interrupt = self.interrupt.clone();
        async move {
            match parent::run(&plan, &interrupt, |_| ()).await {
                Err(error) => error,
                Ok(load) => match load.counts {
                    Err(how) => anyhow::anyhow!(how),
                    Ok(_) => anyhow::anyhow!("the load ended before the drills"),
                },
            }
        }
    }

    /// Returns once every service and the clients are scraped and rules are evaluated: what there is no data of does not fire.
    pub(super) async fn wait_for_data(&self) -> anyhow::Result<()> {
        let queries = [
            (
                "count(count by (service) (up{job=\"windtunnel\"} == 1))".to_owned(),
                SERVICES.len(),
            ),
            (
                format!("count(sum({LOADTEST_REQUEST_DURATION}_count) > 0)"),
                1,
            ),
            ("count(count(slo:objective:ratio) > 0)".to_owned(), 1),
        ];
        let deadline = Instant::now() + DATA_WITHIN;
        for (query, expected) in queries {
            loop {
                let found = self.prometheus.query(&query).await?;
                let expected = crate::statistics::to_f64(expected as u64);
                if found.first().is_some_and(|it| it.value >= expected) {
                    break;
                }
                anyhow::ensure!(
                    Instant::now() < deadline,
                    "no data within {DATA_WITHIN:?}: {query}"
                );
                sleep(Duration::from_millis(500)).await;
            }
        }
        Ok(())
    }

    /// What commands of a page find: the usual, tokens, and what the drill says beside that.
    pub(super) fn variables(&self, more: &Labels) -> Vec<(String, String)> {
        let mut all = self.stack.variables(&self.deployment, &self.dir);
        all.push(("SHOPPER".to_owned(), self.tokens[0].clone()));
        all.push(("ADMIN".to_owned(), self.admin.clone()));
        for (name, value) in more {
            let known = all.iter().find(|it| it.0 == *value);
            let value = known.map_or(value, |it| &it.1).clone();
            all.push((name.clone(), value));
        }
        all
    }

    /// Does one step.
    pub(super) async fn perform(&mut self, act: &Act, more: &Labels) -> anyhow::Result<()> {
        match act {
            Act::Sh(script) => sh(script, &self.variables(more)).await.map(drop),
            Act::Deployment(Deployed::Scale(replicas)) => {
                for (name, &count) in replicas {
                    let service = SERVICES.into_iter().find(|it| it.name() == name);
                    let service = service.with_context(|| format!("unknown service {name}"))?;
                    self.deployment.scale(service, count).await?;
                }
                Ok(())
            }
            Act::Deployment(Deployed::Autoscale(Scaler::Away)) => {
                self.scaled.end(&self.deployment).await
            }
            Act::Deployment(Deployed::Autoscale(scaler)) => {
                let blind = *scaler == Scaler::Blind;
                self.scaled.begin(&self.deployment, blind).await
            }
            Act::Deployment(Deployed::Canary(Tried::Failing)) => {
                self.canary.begin(&self.deployment).await
            }
            Act::Deployment(Deployed::Canary(Tried::Away)) => {
                self.canary.end(&self.deployment).await
            }
            Act::Deployment(Deployed::Cache(Presence::Away)) => {
                self.cache.away().await;
                Ok(())
            }
            Act::Deployment(Deployed::Cache(Presence::Here)) => self.cache.here().await,
            Act::Deployment(Deployed::Otlp(Presence::Away)) => {
                self.otlp.stop();
                Ok(())
            }
            Act::Deployment(Deployed::Otlp(Presence::Here)) => {
                self.otlp.stop();
                self.otlp = Otlp::start(self.otlp.address.port()).await?;
                Ok(())
            }
        }
    }

    /// The alerts that fire now, whether or not anybody is told.
    pub(super) async fn firing(&self) -> anyhow::Result<Vec<Labels>> {
        // Nobody looks at the spans.
        self.otlp.spans.take();
        self.prometheus.firing().await
    }

    /// How many evaluations of rules Prometheus has left out during the last `time`, because it was still busy with the one before.
    pub(super) async fn evaluations_left_out(&self, time: Duration) -> anyhow::Result<f64> {
        let query = format!(
            "sum(increase(prometheus_rule_group_iterations_missed_total[{}s]))",
            time.as_secs() + 1
        );
        let found = self.prometheus.query(&query).await?;
        Ok(found.first().map_or(0.0, |it| it.value))
    }

    /// Silences the alerts with these labels until then, as somebody on call does.
    pub(super) async fn silence(&self, labels: &Labels, lasts: Duration) -> anyhow::Result<()> {
        let matcher = |(name, value): (&String, &String)| json!({ "name": name, "value": value, "isRegex": false, "isEqual": true });
        let now = OffsetDateTime::now_utc();
        let body = json!({
            "matchers": labels.iter().map(matcher).collect::<Vec<_>>(),
            "startsAt": now.format(&Rfc3339)?,
            "endsAt": (now + lasts).format(&Rfc3339)?,
            "createdBy": "loadtest drill",
            "comment": "looked after: this is a drill",
        });
        let url = format!("{}/api/v2/silences", self.stack.alertmanager_url());
        let answer = self.http.post(url).json(&body).send().await;
        answer
            .and_then(reqwest::Response::error_for_status)
            .context("silence an alert")?;
        Ok(())
    }

    pub(super) async fn close(mut self, interrupt: &Interrupt) {
        self.stack.stop(interrupt).await;
        self.scaled.let_go().await;
        self.canary.let_go().await;
        // Whoever else had it has let go of it.
        if let Some(deployment) = Arc::into_inner(self.deployment) {
            deployment.stop().await;
        }
        self.cache.away().await;
    }
}

async fn prepare(
    deployment: &Deployment,
    gateway: &str,
    dir: &Path,
    progress: &Progress,
) -> anyhow::Result<(Vec<String>, String, Stack)> {
    let http = deployment.http();
    let tokens = accounts::shoppers(http, gateway, accounts::SHOPPER, SHOPPERS).await?;
    let admin = accounts::admin(http, gateway, dir).await?;
    let told = progress.clone();
    let options = observe::Options {
        dir: dir.join("observe"),
        discovery: vec![dir.join("services.json")],
        clock: CLOCK,
        tell: Box::new(move |text| told.say(text)),
    };
    Ok((tokens, admin, Stack::start(options).await?))
}

/// Where spans go. It has a runtime of its own, whose end cuts every connection off.
struct Otlp {
    address: SocketAddr,
    spans: Spans,
    runtime: Option<Runtime>,
}

impl Otlp {
    async fn start(port: u16) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("start a runtime")?;
        let receiver = runtime.spawn(Receiver::start_on(port)).await;
        let receiver = receiver.context("listen for spans")??;
        let (address, spans) = (receiver.address, receiver.spans.clone());
        // It lives as long as its runtime.
        runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(receiver);
        });
        Ok(Self {
            address,
            spans,
            runtime: Some(runtime),
        })
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        self.stop();
    }
}

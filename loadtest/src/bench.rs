//! `bench`: how much the hot paths carry on servers, as a share of what they carry on files.
//!
//! Both shops run side by side. Each path is loaded in a closed loop, first on one shop and then on the other, several times
//! over: the machine's moods then hit both alike, and the spread of the ratios shows what they leave.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use api::{CardNumber, GOOD_CARD, NewItem, NewOrder, product_id};
use reqwest::{RequestBuilder, StatusCode};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    accounts,
    args::{BenchArgs, RunsDir},
    deployment::{Backends, Deployment, Options},
    interrupted::{Interrupt, Interrupted},
    progress::Progress,
    run_dir::RunDir,
    statistics::to_f64,
};

/// How often each path is loaded on each shop.
const ROUNDS: usize = 7;
/// Requests under way at once.
const CLIENTS: u32 = 16;
/// Before the first round of a path: connections and caches fill.
const WARM_UP: Duration = Duration::from_secs(1);
/// So few products that all of them are in the cache at once.
const POPULAR: u32 = 10;
/// Products that are ordered, and looked at where nothing is kept between two looks.
const PRODUCTS: u32 = 1000;
/// Each finds some dozens of products, one of them by a word that is misspelt.
const SEARCHES: [&str; 4] = ["oak", "blue mug", "bokshelf", "garden chair"];

/// A hot path.
#[derive(Clone, Copy)]
enum HotPath {
    PageHit,
    PageMiss,
    Search,
    Order,
}

impl HotPath {
    fn name(self) -> &'static str {
        match self {
            Self::PageHit => "product page, cached",
            Self::PageMiss => "product page, not cached",
            Self::Search => "search",
            Self::Order => "place order",
        }
    }

    fn request(self, target: &Target, number: u32) -> RequestBuilder {
        let Target {
            http,
            gateway,
            token,
            ..
        } = target;
        let page = |of: u32| {
            http.get(format!(
                "{gateway}/products/{}",
                product_id(1 + number % of)
            ))
        };
        match self {
            Self::PageHit => page(POPULAR),
            Self::PageMiss => page(PRODUCTS),
            Self::Search => {
                let q = SEARCHES[number as usize % SEARCHES.len()];
                http.get(format!("{gateway}/search")).query(&[("q", q)])
            }
            Self::Order => {
                let new = NewOrder {
                    items: vec![NewItem {
                        product_id: product_id(1 + number % PRODUCTS),
                        quantity: 1,
                    }],
                    card_number: CardNumber(GOOD_CARD.to_owned()),
                };
                http.post(format!("{gateway}/orders"))
                    .bearer_auth(token)
                    .header("idempotency-key", format!("bench-{number}"))
                    .json(&new)
            }
        }
    }

    fn expected(self) -> StatusCode {
        match self {
            Self::Order => StatusCode::ACCEPTED,
            _ => StatusCode::OK,
        }
    }
}

/// A running shop.
struct Shop {
    deployment: Deployment,
    target: Arc<Target>,
}

impl Shop {
    async fn start(
        dir: &Path,
        backends: Backends,
        cached: bool,
        stop: &Interrupt,
    ) -> anyhow::Result<Self> {
        // The gateway would otherwise be what is measured.
        let mut environment = vec![("RATE_LIMIT", "1000000"), ("RATE_BURST", "1000000")];
        if !cached {
            environment.extend([("CACHE_TTL", "0s"), ("CACHE_STALE", "0s")]);
        }
        let options = Options {
            gateway_port: 0,
            otlp: None,
            backends,
            environment: environment
                .into_iter()
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            upstreams: "",
            restart: false,
            tell: Box::new(|text| _ = writeln!(io::stderr(), "{text}")),
        };
        let deployment = Deployment::start(dir, options, stop).await?;
        let target = Target::of(&deployment).await;
        let (deployment, target) = deployment.or_stop(target).await?;
        Ok(Self {
            deployment,
            target: Arc::new(target),
        })
    }
}

/// What is needed to load a shop.
struct Target {
    http: reqwest::Client,
    gateway: String,
    token: String,
    /// Counts requests.
    next: AtomicU32,
}

impl Target {
    async fn of(deployment: &Deployment) -> anyhow::Result<Self> {
        let gateway = format!("http://{}", deployment.gateway()?);
        let tokens = accounts::shoppers(deployment.http(), &gateway, accounts::SHOPPER, 1).await?;
        Ok(Self {
            http: deployment.http().clone(),
            gateway,
            token: tokens.into_iter().next().context("log in a shopper")?,
            next: AtomicU32::new(0),
        })
    }

    /// Requests a second that `path` carried for `length`.
    async fn load(self: &Arc<Self>, path: HotPath, length: Duration) -> anyhow::Result<f64> {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let target = Arc::clone(self);
            clients.spawn(async move {
                let mut answered = 0_u64;
                while began.elapsed() < length {
                    let number = target.next.fetch_add(1, Ordering::Relaxed);
                    let answer = path.request(&target, number).send().await?;
                    let status = answer.status();
                    let text = answer.text().await?;
                    anyhow::ensure!(
                        status == path.expected(),
                        "{} responded with {status}: {text}",
                        path.name()
                    );
                    answered += 1;
                }
                Ok(answered)
            });
        }
        let mut answered = 0;
        while let Some(client) = clients.join_next().await {
            answered += client??;
        }
        Ok(to_f64(answered) / began.elapsed().as_secs_f64())
    }
}

/// What one path carried in each round, on files and on servers; requests a second.
struct Row {
    path: HotPath,
    rounds: Vec<(f64, f64)>,
}

/// Measures and prints the table.
pub(crate) async fn bench(args: &BenchArgs, runs: &RunsDir, stop: Interrupt) -> anyhow::Result<()> {
    let run_dir = RunDir::create(&runs.path, "bench")?;
    let comparison = Comparison {
        args,
        progress: Progress::new(),
        stop,
    };
    let rows = comparison.all(run_dir.path()).await;
    comparison.progress.done();
    print(&args.backends, &rows?)
}

struct Comparison<'a> {
    args: &'a BenchArgs,
    progress: Progress,
    stop: Interrupt,
}

impl Comparison<'_> {
    async fn all(&self, dir: &Path) -> anyhow::Result<Vec<Row>> {
        use HotPath::{Order, PageHit, PageMiss, Search};
        let cached = [PageHit, Search, Order];
        let mut rows = self.of_two(&dir.join("cached"), true, &cached).await?;
        let uncached = self
            .of_two(&dir.join("uncached"), false, &[PageMiss])
            .await?;
        rows.splice(1..1, uncached);
        Ok(rows)
    }

    /// Starts a shop on files and one on servers, loads both, and stops them however that ended.
    async fn of_two(
        &self,
        dir: &Path,
        cached: bool,
        paths: &[HotPath],
    ) -> anyhow::Result<Vec<Row>> {
        self.progress.step("starting both shops");
        let start = async |name: &str, backends: Backends| {
            Shop::start(&dir.join(name), backends, cached, &self.stop).await
        };
        let files = start("files", Backends::default()).await?;
        let servers = start("servers", self.args.backends.clone()).await;
        let (files_deployment, servers) = files.deployment.or_stop(servers).await?;
        let targets = [files.target, servers.target];
        let rows = tokio::select! {
            rows = self.load(&targets, paths) => rows,
            () = self.stop.cancelled() => Err(Interrupted.into()),
        };
        self.progress.step("stopping both shops");
        files_deployment.stop().await;
        servers.deployment.stop().await;
        rows
    }

    async fn load(
        &self,
        targets: &[Arc<Target>; 2],
        paths: &[HotPath],
    ) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for &path in paths {
            self.progress.step(path.name());
            for target in targets {
                target.load(path, WARM_UP).await?;
            }
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let on_files = targets[0].load(path, self.args.duration).await?;
                let on_servers = targets[1].load(path, self.args.duration).await?;
                rounds.push((on_files, on_servers));
            }
            rows.push(Row { path, rounds });
        }
        Ok(rows)
    }
}

fn print(backends: &Backends, rows: &[Row]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:26}{:>12}{:>12}   {backends} / files",
        "requests per second", "files", "servers"
    )?;
    for Row { path, rounds } in rows {
        let spread = |of: &dyn Fn(&(f64, f64)) -> f64| {
            let mut sorted: Vec<f64> = rounds.iter().map(of).collect();
            sorted.sort_by(f64::total_cmp);
            (
                sorted[sorted.len() / 2],
                sorted[0],
                sorted[sorted.len() - 1],
            )
        };
        let (ratio, lowest, highest) = spread(&|it| it.1 / it.0);
        writeln!(
            out,
            "{:26}{:>12.0}{:>12.0}   {ratio:.2} ({lowest:.2} to {highest:.2})",
            path.name(),
            spread(&|it| it.0).0,
            spread(&|it| it.1).0
        )?;
    }
    writeln!(
        out,
        "\nMedians of {ROUNDS} rounds and the range of their ratios, {CLIENTS} concurrent requests, all on this machine."
    )?;
    Ok(out.flush()?)
}

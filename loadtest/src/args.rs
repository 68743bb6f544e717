//! What the command line can ask for, as data.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;
use reqwest::Url;

use crate::{deployment::Backends, judge::comparison::MIN_PAIRS, setting::Setting};

/// Where runs are kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunsDir {
    /// Directory with one directory for each run; the newest ten are kept
    #[arg(
        id = "runs",
        long,
        env = "LOADTEST_RUNS",
        default_value = "target/loadtest",
        global = true,
        value_name = "DIRECTORY"
    )]
    pub(crate) path: PathBuf,
}

/// Said at more length.
const BACKENDS_HELP: &str = "\
What the shop runs on:
  files        files in the run directory, and the cache in memory
  real         PostgreSQL, Redis, RabbitMQ and, with --features elasticsearch, Elasticsearch
  SERVER,...   these, and files for the rest: postgres, redis or memcached, rabbitmq or kafka, elasticsearch

scripts/backends up starts the servers, eval \"$(scripts/backends env)\" says where they are. Each run has names of its own \
there and deletes them at the end.";

/// Which deployment is loaded.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TargetArgs {
    /// Load the shop behind this gateway instead of one of our own
    #[arg(long, value_name = "URL", conflicts_with_all = ["backends", "observe"], long_help = TARGET_HELP)]
    pub(crate) target: Option<Url>,
    /// Where the admin ports of the target are: a discovery file of Prometheus whose targets have the label `service`
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(crate) discovery: Option<PathBuf>,
    /// Data stream in which Elasticsearch has the lines of the target; empty: nowhere
    #[arg(long, value_name = "http://HOST:PORT/STREAM", requires = "target")]
    pub(crate) logs: Option<String>,
    /// Jaeger that has the traces of the target
    #[arg(long, value_name = "http://HOST:PORT", requires = "target")]
    pub(crate) traces: Option<Url>,
    /// The target is not on this machine, and I may load it
    #[arg(long, requires = "target")]
    pub(crate) i_own_this_target: bool,
}

/// Said at more length.
const TARGET_HELP: &str = "\
Load the shop behind this gateway instead of one of our own.

Experiments that do something to the shop are left out. With --discovery the ledgers are audited and the gateway's samples \
compared, with --logs our requests with the documents in Elasticsearch, with --traces our orders with their traces in Jaeger. At most \
200 arrivals a second, 240 s a look; clients have one address unless the gateway trusts X-Forwarded-For, and so share one rate \
limit.";

/// How experiments run.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Repeat the arrivals and choices of an earlier run [default: random, and printed]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// How long baseline is measured before the first look; other measured phases grow or shrink alike [default: 44 s]
    #[arg(long, value_parser = seconds, value_name = "SECONDS")]
    pub(crate) duration: Option<Duration>,
    /// Arrivals per second at nominal load; the default suits two slow cores and a debug build
    #[arg(long, default_value_t = 50.0, value_parser = rate, value_name = "RATE")]
    pub(crate) rate: f64,
    /// What the shop runs on: files, real, or servers by name, such as postgres,kafka,memcached
    #[arg(long, default_value_t, value_name = "SERVERS", long_help = BACKENDS_HELP)]
    pub(crate) backends: Backends,
    /// What is loaded, if not a shop of our own.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The version that is replaced, for rollout: a build of this revision, made below target/compare and kept there
    #[arg(long, value_name = "REVISION", conflicts_with = "target")]
    pub(crate) from: Option<String>,
    /// Have Prometheus scrape the shop and our clients meanwhile, and Alertmanager tell of alerts; both must be installed
    #[arg(long)]
    pub(crate) observe: bool,
    /// Answer GET /metrics there with what clients see, for a Prometheus that is somebody else's; dashboard Load test shows it
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Print the evidence for everything, not only for what did not pass
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Print the verdict as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Lose one in 1,000 items of a signal (logs, traces or metrics), to test that the verdict notices
    #[arg(long, hide = true, value_parser = signal, value_name = "SIGNAL")]
    pub(crate) lose: Option<telemetry::loss::Signal>,
    /// Keep the engine's threads busy for this many milliseconds in every hundred, to test that the verdict notices
    #[arg(long, hide = true, default_value_t = 0, value_name = "MS")]
    pub(crate) starve_ms: u64,
}

/// The quick profile: so many requests that an availability of 99.9 % can be told from less at the first look, and most often
/// also whether searches are fast.
pub(crate) const QUICK: Duration = Duration::from_secs(44);

impl RunArgs {
    /// How much longer measured phases are than their experiments say, which is by the quick profile.
    pub(crate) fn stretch(&self) -> f64 {
        self.duration.unwrap_or(QUICK).as_secs_f64() / QUICK.as_secs_f64()
    }
}

/// How the shop is started for a person.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Port of the gateway on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub(crate) port: u16,
    /// What the shop runs on: files, real, or servers by name, such as postgres,kafka,memcached
    #[arg(long, default_value_t, value_name = "SERVERS", long_help = BACKENDS_HELP)]
    pub(crate) backends: Backends,
    /// Do not restart a process that died
    #[arg(long)]
    pub(crate) no_restart: bool,
    /// Start Prometheus and Alertmanager beside the shop, and print what the pages in runbooks/ need; both must be installed
    #[arg(long)]
    pub(crate) observe: bool,
    /// Scale search as Kubernetes would by deploy/k8s/base/search/hpa.yaml, or a service as FILE says
    #[arg(long, num_args = 0..=1, value_name = "FILE", long_help = AUTOSCALE_HELP)]
    #[expect(clippy::option_option, reason = "a flag that may have a value")]
    pub(crate) autoscale: Option<Option<PathBuf>>,
    /// How many seconds pass for the autoscaler in each real one
    #[arg(long, requires = "autoscale", default_value_t = 10.0, value_parser = time_scale, value_name = "FACTOR")]
    pub(crate) time_scale: f64,
}

/// Said at more length.
const AUTOSCALE_HELP: &str = "\
Scale search as Kubernetes would by deploy/k8s/base/search/hpa.yaml, or a service as FILE says, which is a \
HorizontalPodAutoscaler of autoscaling/v2. Every replica of search then serves four requests at a time, 75 ms each, so that a few \
clients are load enough. Every change is told on standard error, every decision in logs/autoscaler.log.";

/// Which alerts are drilled.
#[derive(Debug, Clone, Args)]
pub(crate) struct DrillArgs {
    /// Alerts, or drills by name, as printed by --list
    #[arg(value_name = "ALERT", required_unless_present_any = ["all", "list"])]
    pub(crate) names: Vec<String>,
    /// Every drill
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// List the drills
    #[arg(long, conflicts_with_all = ["names", "all"])]
    pub(crate) list: bool,
    /// How many seconds nothing may fire before the first fault [default: 600 with --all, else 0]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) healthy_for: Option<u64>,
    /// Arrivals per second meanwhile
    #[arg(long, default_value_t = 10.0, value_parser = rate, value_name = "RATE")]
    pub(crate) rate: f64,
}

/// How servers are compared with files.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// The servers: real, or by name, such as postgres,kafka,memcached
    #[arg(long, default_value = "real", value_name = "SERVERS", long_help = BACKENDS_HELP)]
    pub(crate) backends: Backends,
    /// Duration of each load; each path is loaded seven times on each side
    #[arg(long, default_value = "2s", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) duration: Duration,
}

/// Which shops are compared, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompareArgs {
    /// The shop that is compared with; may be repeated
    #[arg(long, default_value = ".", value_name = "SETTING")]
    pub(crate) a: Vec<Setting>,
    /// The shop that is asked about; may be repeated
    #[arg(long, required = true, value_name = "SETTING", long_help = SETTING_HELP)]
    pub(crate) b: Vec<Setting>,
    /// How much worse B may be than A
    #[arg(long, default_value = "5%", value_parser = percent, value_name = "PERCENT")]
    pub(crate) tolerance: f64,
    /// Pairs of slices: four times as many see a difference that is half as large
    #[arg(long, default_value_t = 12, value_parser = pairs, value_name = "COUNT")]
    pub(crate) pairs: usize,
    /// How long each slice is; another second goes by before and after it
    #[arg(long, default_value = "2s", value_parser = seconds, value_name = "SECONDS")]
    pub(crate) slice: Duration,
    /// Arrivals per second
    #[arg(long, default_value_t = 50.0, value_parser = rate, value_name = "RATE")]
    pub(crate) rate: f64,
    /// How many requests each carries: hot paths in a closed loop, instead of visitors who arrive
    #[arg(long, conflicts_with_all = ["rate", "seed"])]
    pub(crate) closed: bool,
    /// Repeat the arrivals and choices of an earlier comparison [default: random, and printed]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// What both shops run on: files, real, or servers by name, such as postgres,kafka,memcached
    #[arg(long, default_value_t, value_name = "SERVERS", long_help = BACKENDS_HELP)]
    pub(crate) backends: Backends,
    /// Print the result as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

/// Said at more length.
const SETTING_HELP: &str = "\
The shop that is asked about. A shop is one of these, or several, each with --a or --b before it:
  .                               this program, as it was built
  git:REVISION                    a build of that revision, made below target/compare and kept there
  env:NAME=VALUE[,NAME=VALUE]     this program with these variables in every service's environment
  fault:SERVICE:FIELD=VALUE[,..]  this program with a fault: route, latency_ms, cpu_ms, error_ratio and so on (docs/verdicts.md)";

/// What `compare` says of itself, beside its flags.
pub(crate) const COMPARE_HELP: &str = "\
Examples:
  compare --b env:CACHE_TTL=0s,CACHE_STALE=0s              what the cache is worth
  compare --a git:main --b .                               whether this branch is slower than main
  compare --a git:v1.0.0 --b git:v1.1.0 --tolerance 2%     with builds of both; --release for figures that matter
  compare --a git:main --b . --closed                      and how many requests each carries
  compare --b .                                            A against A: nothing should be found, but in 1 of 20
  compare --b 'fault:catalog:route=/products/{id},latency_ms=2'   what it says when a page is 2 ms slower

What is compared: median and 95th percentile of each route that has enough requests, processor time for a request, requests answered \
well, and failures; with --closed, requests a second and processor time of each hot path, and failures. Intervals of all figures together hold with 95 %.

Exit codes: 0 nothing is worse by more than the tolerance, 1 something is, 2 cannot tell (more --pairs would), 3 the machine spoilt \
it, 64 wrong usage, 69 environment error (a revision that cannot be built, too), 130 interrupted.";

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<u64>();
    match number {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected whole seconds from 1 to 3600".into()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches([' ', '%']).parse::<f64>() {
        Ok(percent) if (0.1..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected a percentage from 0.1% to 100%".into()),
    }
}

fn pairs(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        // Phases have numbers of 16 bits, and tokens last for hours.
        Ok(pairs @ MIN_PAIRS..=1000) => Ok(pairs),
        _ => Err(format!(
            "expected a number from {MIN_PAIRS} to 1000: fewer prove nothing"
        )),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1.0..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected arrivals per second from 1 to 100000".into()),
    }
}

fn time_scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1.0..=60.0).contains(&factor) => Ok(factor),
        _ => Err("expected a factor from 1 to 60".into()),
    }
}

fn signal(text: &str) -> Result<telemetry::loss::Signal, String> {
    serde_json::from_value(text.into()).map_err(|_| "expected logs, traces or metrics".into())
}

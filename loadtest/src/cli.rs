//! The command line, and what its exit codes mean.

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, error::ErrorKind};
use tokio_util::sync::CancellationToken;

use crate::{compare, deployment::Backends, engine, experiments, report, run, up};

/// The command line was wrong (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// The machine would not do what is needed (`EX_UNAVAILABLE`): a port, the disk, a service that will not start.
const ENVIRONMENT: u8 = 69;
/// Ctrl-C.
const INTERRUPTED: u8 = 130;

/// The longest wait for work that is still under way when a process ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts a small shop of microservices as local processes, loads it, and says PASS or FAIL with evidence.
///
/// Without a command it runs every experiment in its quick profile. Nothing leaves this machine.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 INVALID, 64 wrong usage, 69 the machine would not do it, 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the shop and leave it running until Ctrl-C
    Up(UpArgs),
    /// Run experiments and print a verdict
    Run {
        /// Names, as `list` prints them; none means all
        #[arg(value_name = "EXPERIMENT")]
        experiments: Vec<String>,
        #[command(flatten)]
        run: RunArgs,
    },
    /// List the experiments and the question each answers
    List,
    /// Say how much the hot paths carry on servers, as a share of what they carry on files
    Compare(CompareArgs),
    /// Say where the newest report is, or show it
    Report {
        /// Open it in the browser
        #[arg(long)]
        open: bool,
    },
    /// One service of the shop: how the deployment starts its processes
    #[command(hide = true, disable_help_flag = true)]
    Service {
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// The load engine: how an experiment starts it
    #[command(hide = true)]
    Engine,
}

/// Where runs are kept.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Directory that holds one directory for each run, the newest ten of them
    #[arg(
        long,
        env = "LOADTEST_RUNS",
        default_value = "target/loadtest",
        global = true,
        value_name = "DIRECTORY"
    )]
    pub runs: PathBuf,
}

/// Said at more length.
const BACKENDS_HELP: &str = "\
What the shop runs on:
  files        files in the run directory, and the cache in memory
  real         PostgreSQL, Redis, RabbitMQ and, with --features elasticsearch, Elasticsearch
  SERVER,...   these, and files for the rest: postgres, redis or memcached, rabbitmq or kafka, elasticsearch

scripts/backends up starts the servers, eval \"$(scripts/backends env)\" says where they are. Each run has names of its own \
there and takes them away in the end.";

/// How experiments run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Repeats the arrivals and choices of an earlier run [default: drawn, and printed]
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// How long each arm of baseline is measured; crash and outage last as long as their kills [default: 40 s and 20 s]
    #[arg(long, value_parser = seconds, value_name = "SECONDS")]
    pub duration: Option<Duration>,
    /// Arrivals a second at nominal load; the default leaves two slow cores time, in a debug build too
    #[arg(long, default_value_t = 50.0, value_parser = rate, value_name = "RATE")]
    pub rate: f64,
    /// What the shop runs on: files, real, or servers by name, such as postgres,kafka,memcached
    #[arg(long, default_value_t, value_name = "SERVERS", long_help = BACKENDS_HELP)]
    pub backends: Backends,
    /// Print the verdict as JSON, and nothing else, on standard output
    #[arg(long)]
    pub json: bool,
    /// Lose one in 1,000 items of one signal, to see that the verdict notices: logs, traces or metrics
    #[arg(long, hide = true, value_parser = signal, value_name = "SIGNAL")]
    pub lose: Option<telemetry::loss::Signal>,
    /// Keep the engine's threads busy for this many milliseconds in every hundred, to see that the verdict notices
    #[arg(long, hide = true, default_value_t = 0, value_name = "MS")]
    pub starve_ms: u64,
}

/// How the shop is started for a person.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Port of the gateway on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub port: u16,
    /// What the shop runs on: files, real, or servers by name, such as postgres,kafka,memcached
    #[arg(long, default_value_t, value_name = "SERVERS", long_help = BACKENDS_HELP)]
    pub backends: Backends,
    /// Leave a process that died as it is
    #[arg(long)]
    pub no_restart: bool,
}

/// How servers are compared with files.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// The servers: real, or by name, such as postgres,kafka,memcached
    #[arg(long, default_value = "real", value_name = "SERVERS", long_help = BACKENDS_HELP)]
    pub backends: Backends,
    /// How long each load takes; every path has seven on each side
    #[arg(long, default_value = "2s", value_parser = seconds, value_name = "SECONDS")]
    pub duration: Duration,
}

/// The run was stopped by Ctrl-C or SIGTERM.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<u64>();
    match number {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("give whole seconds, from 1 to 3600".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (1.0..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("give arrivals a second, from 1 to 100000".into()),
    }
}

fn signal(text: &str) -> Result<telemetry::loss::Signal, String> {
    serde_json::from_value(text.into()).map_err(|_| "it is logs, traces or metrics".into())
}

/// Runs the command line and says how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let told = error.print().is_ok();
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return ExitCode::from(if asked && told { 0 } else { USAGE });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::new(error).context("start the runtime")),
    };
    let code = match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        Err(error) => complain(&error),
    };
    // A thread that waits for a database lock must not keep a service from ending.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let (names, args) = match cli.command {
        Some(Command::Service { name, flags }) => return service(&name, flags).await,
        Some(Command::Engine) => {
            engine::child::run().await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::List) => {
            experiments::list(&mut io::stdout().lock())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Compare(args)) if args.backends.servers().is_empty() => {
            let text = "there is nothing to compare files with: choose servers with --backends";
            writeln!(io::stderr(), "error: {text}")?;
            return Ok(ExitCode::from(USAGE));
        }
        Some(Command::Compare(args)) => {
            compare::compare(&args, &cli.place, stop_on_signals()?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Report { open }) => {
            report::show_newest(&cli.place.runs, open)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Up(args)) => {
            up::up(&args, &cli.place, stop_on_signals()?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Run { experiments, run }) => (experiments, run),
        None => (Vec::new(), cli.run),
    };
    let chosen = match experiments::choose(&names, &args.backends) {
        Ok(chosen) => chosen,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}")?;
            return Ok(ExitCode::from(USAGE));
        }
    };
    let outcome = run::run(&chosen, &args, &cli.place, stop_on_signals()?).await?;
    Ok(ExitCode::from(outcome.exit_code()))
}

async fn service(name: &str, flags: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let arguments = std::iter::once(OsString::from(name)).chain(flags);
    match name {
        "catalog" => catalog::run(catalog::Config::parse_from(arguments)).await?,
        "gateway" => gateway::run(gateway::Config::parse_from(arguments)).await?,
        "inventory" => inventory::run(inventory::Config::parse_from(arguments)).await?,
        "orders" => orders::run(orders::Config::parse_from(arguments)).await?,
        "payments" => payments::run(payments::Config::parse_from(arguments)).await?,
        "search" => search::run(search::Config::parse_from(arguments)).await?,
        "users" => users::run(users::Config::parse_from(arguments)).await?,
        _ => anyhow::bail!("there is no service called {name}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// A token that the first SIGINT or SIGTERM cancels.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        cancelled.cancel();
    });
    Ok(stop)
}

/// Says what went wrong and what can be done about it.
fn complain(error: &anyhow::Error) -> ExitCode {
    if error.is::<Interrupted>() {
        // With standard error gone there is nobody left to tell.
        let _ = writeln!(
            io::stderr(),
            "interrupted: everything was stopped, there is no verdict"
        );
        return ExitCode::from(INTERRUPTED);
    }
    let full = error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|it| it.kind() == io::ErrorKind::StorageFull)
    });
    let mut text = format!("error: {error:#}");
    if full {
        text.push_str("\nFree some space, or keep runs elsewhere with --runs DIRECTORY.");
    }
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(ENVIRONMENT)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Cli::command().debug_assert();
    }
}

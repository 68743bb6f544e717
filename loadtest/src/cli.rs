//! The command line, and what its exit codes mean.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::{
    args::{BenchArgs, COMPARE_HELP, CompareArgs, DrillArgs, RunArgs, RunsDir, UpArgs},
    bench, compare, drill, engine, experiments,
    interrupted::{Interrupt, Interrupted},
    observe, personas, prepare, receive, report, run,
    target::{BadTarget, Target},
    trickle, up,
};

/// The command line was wrong (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// An environment error (`EX_UNAVAILABLE`): port taken, disk full, a service that does not start.
const ENVIRONMENT: u8 = 69;
/// Ctrl-C.
const INTERRUPTED: u8 = 130;

/// The longest wait for work that is still under way when a process ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Starts a small shop of microservices as local processes, loads it, and prints PASS or FAIL with evidence.
///
/// Without a command it runs every experiment that its `--backends` allow. Nothing leaves this machine.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 INVALID, 64 wrong usage, 69 environment error (port taken, disk full), 130 interrupted."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    runs: RunsDir,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the shop and leave it running until Ctrl-C
    Up(UpArgs),
    /// Run experiments and print a verdict
    #[command(after_help = format!("Experiments:\n{}", experiments::list()))]
    Run {
        /// Names, as printed by `list` [default: all]
        #[arg(value_name = "EXPERIMENT")]
        experiments: Vec<String>,
        #[command(flatten)]
        run: RunArgs,
    },
    /// List the experiments and the question each answers
    List,
    /// Measure how much the hot paths carry on servers, as a share of what they carry on files
    Bench(BenchArgs),
    /// Compare two builds or settings of the shop under the same arrivals
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Print the path of the newest report, or open it
    Report {
        /// Open it in the browser
        #[arg(long)]
        open: bool,
    },
    /// Send a few requests a second until stopped, observed as a service is
    Trickle(trickle::TrickleArgs),
    /// Take the alerts of an Alertmanager and log them, until stopped
    Receive(receive::ReceiveArgs),
    /// Fill the volumes of a deployment in containers: configuration, and secrets made once
    #[command(hide = true)]
    Prepare(prepare::PrepareArgs),
    /// One service of the shop: how the deployment starts its processes
    #[command(hide = true, disable_help_flag = true)]
    Service {
        name: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// Let alerts fire: put faults in, wait for the alert, follow its runbook, and wait until it is silent
    Drill(DrillArgs),
    /// A program that is not ours, such as Prometheus: how it is started so that it ends with us
    #[command(hide = true, disable_help_flag = true)]
    Keep {
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The load engine: how an experiment starts it
    #[command(hide = true)]
    Engine,
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
            engine::child::run(personas::scenario).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Trickle(args)) => {
            trickle::trickle(args).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Receive(args)) => {
            receive::receive(args).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Prepare(args)) => {
            prepare::prepare(&args)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::List) => {
            io::stdout()
                .lock()
                .write_all(experiments::list().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Bench(args)) => return bench(&args, &cli.runs).await,
        Some(Command::Compare(args)) => {
            let outcome = compare::compare(&args, &cli.runs, Interrupt::on_signals()?).await?;
            return Ok(ExitCode::from(outcome.exit_code()));
        }
        Some(Command::Report { open }) => {
            report::show_newest(&cli.runs.path, open)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Up(args)) => {
            up::up(&args, &cli.runs, Interrupt::on_signals()?).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Keep { program, arguments }) => {
            return observe::keeper::keep(&program, &arguments).await;
        }
        Some(Command::Drill(args)) => {
            let outcome = drill::drill(&args, &cli.runs, Interrupt::on_signals()?).await?;
            return Ok(ExitCode::from(outcome.exit_code()));
        }
        Some(Command::Run { experiments, run }) => (experiments, run),
        None => (Vec::new(), cli.run),
    };
    let chosen = match experiments::choose(&names, &args) {
        Ok(chosen) => chosen,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}")?;
            return Ok(ExitCode::from(USAGE));
        }
    };
    let target = match Target::of(&args).await {
        Err(error) if error.is::<BadTarget>() => {
            writeln!(io::stderr(), "error: {error}")?;
            return Ok(ExitCode::from(USAGE));
        }
        found => found?,
    };
    let stop = Interrupt::on_signals()?;
    let outcome = run::run(&chosen, &args, target.as_ref(), &cli.runs, stop).await?;
    Ok(ExitCode::from(outcome.exit_code()))
}

async fn bench(args: &BenchArgs, runs: &RunsDir) -> anyhow::Result<ExitCode> {
    if args.backends.servers().is_empty() {
        let text = "bench compares servers with files: choose servers with --backends";
        writeln!(io::stderr(), "error: {text}")?;
        return Ok(ExitCode::from(USAGE));
    }
    bench::bench(args, runs, Interrupt::on_signals()?).await?;
    Ok(ExitCode::SUCCESS)
}

async fn service(name: &str, flags: Vec<OsString>) -> anyhow::Result<ExitCode> {
    // Tools that list processes would show the name of the file it was started from, which is `exe`.
    let _ = std::fs::write("/proc/self/comm", name);
    let arguments = std::iter::once(OsString::from(name)).chain(flags);
    match name {
        "catalog" => catalog::run(catalog::Config::parse_from(arguments)).await?,
        "gateway" => gateway::run(gateway::Config::parse_from(arguments)).await?,
        "inventory" => inventory::run(inventory::Config::parse_from(arguments)).await?,
        "orders" => orders::run(orders::Config::parse_from(arguments)).await?,
        "payments" => payments::run(payments::Config::parse_from(arguments)).await?,
        "search" => search::run(search::Config::parse_from(arguments)).await?,
        "monolith" => {
            let config = monolith::Config::read(arguments.skip(1))?;
            Box::pin(monolith::run(config)).await?;
        }
        "users" => users::run(users::Config::parse_from(arguments)).await?,
        _ => anyhow::bail!("unknown service {name}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what went wrong and what can be done about it.
fn complain(error: &anyhow::Error) -> ExitCode {
    if error.is::<Interrupted>() {
        // With standard error gone there is nobody left to tell.
        let _ = writeln!(
            io::stderr(),
            "interrupted: everything was stopped; no verdict"
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

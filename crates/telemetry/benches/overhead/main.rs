//! What telemetry costs a service whose handler does nothing, which is the worst case there is.
//!
//! A server process is pinned to one core and driven by this process on another. Each variant serves in every round, one
//! after the other, so that a slow moment of the machine hits all of them. The figure is requests for each second of CPU
//! time of the server process, threads of writer and exporter included, as a ratio to the variant without telemetry.
//! Afterwards the books must balance: access lines = requests, spans = sampled requests, nothing dropped.
//!
//! `cargo bench -p telemetry` takes about two minutes; `-- --rounds 9 --seconds 4` is more precise.

mod load;
mod server;

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use server::Variant;

/// What one variant did in one round.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    requests: u64,
    per_second: f64,
    per_cpu_second: f64,
    lines: u64,
    spans: u64,
    dropped: u64,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut rounds, mut seconds) = (5_usize, 3_u64);
    while let Some(argument) = arguments.next() {
        let mut number = || -> anyhow::Result<u64> {
            let text = arguments.next().context("a number is missing")?;
            Ok(text.parse()?)
        };
        match argument.as_str() {
            "--serve" => {
                let name = arguments.next().context("the name of a variant")?;
                return server::run(Variant::named(&name)?);
            }
            "--rounds" => rounds = usize::try_from(number()?)?,
            "--seconds" => seconds = number()?,
            // cargo adds it.
            "--bench" => (),
            other => anyhow::bail!("{other}: there are --rounds N and --seconds N"),
        }
    }
    bench(rounds.max(1), Duration::from_secs(seconds.max(1)))
}

fn bench(rounds: usize, length: Duration) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let runtime = load::runtime()?;
    let spans = runtime.block_on(load::Spans::listen())?;
    let mut results: Vec<Vec<Round>> = vec![Vec::new(); Variant::ALL.len()];
    for round in 1..=rounds {
        for (variant, results) in Variant::ALL.into_iter().zip(&mut results) {
            write!(
                io::stderr(),
                "\rround {round} of {rounds}: {:<34}",
                variant.title()
            )?;
            results.push(runtime.block_on(measure(variant, length, &spans))?);
        }
    }
    writeln!(io::stderr(), "\r{:60}", "")?;
    writeln!(
        out,
        "{:<32}{:>12}{:>14}{:>22}{:>12}{:>12}{:>9}",
        "", "requests/s", "per CPU s", "ratio (least-most)", "lines", "spans", "dropped"
    )?;
    for (variant, rounds) in Variant::ALL.into_iter().zip(&results) {
        line(&mut out, variant, rounds, &results[0])?;
    }
    for (variant, rounds) in Variant::ALL.into_iter().zip(&results) {
        balance(variant, rounds)?;
    }
    writeln!(
        out,
        "\nThe books of our variants balance: lines = requests, spans = sampled requests, nothing dropped."
    )?;
    Ok(())
}

fn line(
    out: &mut impl io::Write,
    variant: Variant,
    rounds: &[Round],
    base: &[Round],
) -> anyhow::Result<()> {
    let median = |of: &dyn Fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut ratios: Vec<f64> = rounds
        .iter()
        .zip(base)
        .map(|(it, base)| it.per_cpu_second / base.per_cpu_second)
        .collect();
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    let total = |of: fn(&Round) -> u64| rounds.iter().map(of).sum::<u64>();
    writeln!(
        out,
        "{:<32}{:>12.0}{:>14.0}{:>9.2} ({least:.2}-{most:.2}){:>12}{:>12}{:>9}",
        variant.title(),
        median(&|it| it.per_second),
        median(&|it| it.per_cpu_second),
        ratios[ratios.len() / 2],
        total(|it| it.lines),
        total(|it| it.spans),
        total(|it| it.dropped),
    )?;
    Ok(())
}

/// Fails if one of our variants lost something.
fn balance(variant: Variant, rounds: &[Round]) -> anyhow::Result<()> {
    if variant.is_stock() {
        return Ok(());
    }
    for it in rounds {
        let lines = if variant.writes_lines() {
            it.requests
        } else {
            0
        };
        anyhow::ensure!(
            it.lines == lines && it.dropped == 0,
            "{}: {it:?}",
            variant.title()
        );
        let percent = variant.sampled_percent();
        let expected = it.requests * percent / 100;
        // A tenth of random trace ids: six standard deviations.
        let slack = if percent.is_multiple_of(100) {
            0
        } else {
            6 * expected.isqrt()
        };
        anyhow::ensure!(
            it.spans.abs_diff(expected) <= slack,
            "{}: {expected} spans were expected: {it:?}",
            variant.title()
        );
    }
    Ok(())
}

async fn measure(variant: Variant, length: Duration, spans: &load::Spans) -> anyhow::Result<Round> {
    let output = tempfile::NamedTempFile::new()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--serve", variant.name()])
        .envs(variant.environment(spans.address()))
        .stdin(Stdio::piped())
        .stdout(output.reopen()?)
        .stderr(Stdio::piped())
        .spawn()
        .context("start the server")?;
    let mut told = BufReader::new(child.stderr.take().context("its standard error")?);
    let mut line = String::new();
    told.read_line(&mut line)?;
    let server: SocketAddr = line
        .trim()
        .parse()
        .with_context(|| format!("the server said {line:?}"))?;
    spans.take();

    let mut clients = load::Clients::connect(server).await?;
    let warm_up = clients.drive(length / 6).await?;
    let cpu = cpu_seconds(child.id())?;
    let began = std::time::Instant::now();
    let measured = clients.drive(length).await?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = cpu_seconds(child.id())? - cpu;
    drop(clients);

    let dropped = stop(&mut child, &mut told)?;
    let requests = warm_up + measured;
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    let measured = measured as f64;
    Ok(Round {
        requests,
        per_second: measured / seconds,
        per_cpu_second: measured / cpu,
        lines: count_lines(output.path())?,
        spans: spans.take(),
        dropped,
    })
}

/// Lets the server flush; it says how much telemetry was dropped.
fn stop(child: &mut Child, told: &mut impl io::Read) -> anyhow::Result<u64> {
    drop(child.stdin.take());
    let text = tokio::task::block_in_place(|| {
        let mut text = String::new();
        told.read_to_string(&mut text).map(|_| text)
    })?;
    let status = child.wait()?;
    anyhow::ensure!(status.success(), "the server ended with {status}: {text}");
    text.trim()
        .parse()
        .with_context(|| format!("the server said {text:?}"))
}

/// CPU time of a process so far, user and system, all threads.
fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))
        .context("read CPU time from /proc: this benchmark needs Linux")?;
    // utime and stime are fields 14 and 15 of proc(5); the name before them may hold blanks.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .context("the form of proc(5)")?
        .1
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    #[expect(clippy::cast_precision_loss, reason = "about a hundred")]
    Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
}

fn count_lines(path: &Path) -> anyhow::Result<u64> {
    let mut count = 0;
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        let access = |mark: &[u8]| line.windows(mark.len()).any(|it| it == mark);
        if access(b"\"event.dataset\":\"access\"") || access(b"finished processing request") {
            count += 1;
        }
    }
    Ok(count)
}

//! What one transaction would save: the saga of a confirmed order, in one process and on files, against the same rows written in one
//! commit of one file.
//!
//! Commits are counted by SQLite itself: the index of a write-ahead log has a counter of transactions (`iChange`, bytes 8 to 11 of the
//! `-shm` file, <https://www.sqlite.org/walformat.html#the_wal_index_file_format>). Messages are those that the metrics count. The provider takes
//! no time in the one and is not asked in the other: a call to somebody else cannot be part of a transaction.
//!
//! `cargo bench -p monolith` takes about half a minute; `-- --orders 500` is more precise.

#[path = "../../tests/api/flags.rs"]
mod flags;
mod one;
mod saga;

use std::{
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;

/// A figure in words.
type Figure = fn(&Cost) -> String;

/// What orders took.
struct Cost {
    orders: u32,
    /// From asking to final, of those that were placed one after the other, in order.
    took: Vec<Duration>,
    commits: u64,
    messages: u64,
    /// Processor time of this process, in seconds.
    cpu: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut orders = 200;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--orders" => orders = arguments.next().context("a number is missing")?.parse()?,
            // cargo adds it.
            "--bench" => (),
            other => anyhow::bail!("{other}: there is --orders N"),
        }
    }
    let dir = tempfile::tempdir()?;
    let saga = saga::measure(dir.path(), orders).await?;
    let one = one::measure(dir.path(), orders).await?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:28}{:>14}{:>18}",
        "for each order", "saga", "one transaction"
    )?;
    let figures: [(&str, Figure); 5] = [
        ("commits", |it| each(it.commits, it)),
        ("events carried", |it| each(it.messages, it)),
        ("processor time", |it| {
            format!("{:.2} ms", 1000.0 * it.cpu / f64::from(it.orders))
        }),
        ("until it is final, p50", |it| quantile(it, 50)),
        ("until it is final, p95", |it| quantile(it, 95)),
    ];
    for (what, of) in figures {
        writeln!(out, "{what:28}{:>14}{:>18}", of(&saga), of(&one))?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn each(count: u64, cost: &Cost) -> String {
    format!("{:.2}", count as f64 / f64::from(cost.orders))
}

fn quantile(cost: &Cost, percent: usize) -> String {
    let at = cost.took.len() * percent / 100;
    let took = cost.took.get(at).copied().unwrap_or_default();
    format!("{:.2} ms", took.as_secs_f64() * 1000.0)
}

/// How many transactions have been committed to the database in this file since it was opened first.
fn commits(database: &Path) -> anyhow::Result<u64> {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    let index = std::fs::read(&index).with_context(|| format!("read {}", index.display()))?;
    let counter = index.get(8..12).context("the index has a header")?;
    Ok(u32::from_ne_bytes(counter.try_into()?).into())
}

/// Seconds of processor time that this process has had.
fn cpu() -> f64 {
    metric("process_cpu_seconds_total")
}

/// The sum of all series of a metric.
fn metric(name: &str) -> f64 {
    let text = telemetry::openmetrics().unwrap_or_default();
    let own = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|it| it.starts_with([' ', '{']))
    };
    let values = text.lines().filter(own);
    // A sample may end in an exemplar.
    let value = |line: &str| {
        let sample = line.split(" # ").next()?;
        sample.rsplit(' ').next()?.parse::<f64>().ok()
    };
    values.filter_map(value).sum()
}

//! What every Prometheus client library tells of its process. Linux only: elsewhere these metrics are absent.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// Reads `/proc/self` at every scrape.
#[derive(Debug)]
pub(crate) struct Process;

struct Usage {
    cpu_seconds: f64,
    resident_bytes: u64,
    started: f64,
    open_files: u64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(usage) = usage() else { return Ok(()) };
        let seconds = Some(&Unit::Seconds);
        let cpu = encoder.encode_descriptor(
            "process_cpu",
            "CPU time, user and system",
            seconds,
            MetricType::Counter,
        )?;
        ConstCounter::new(usage.cpu_seconds).encode(cpu)?;
        let bytes = Some(&Unit::Bytes);
        let memory = encoder.encode_descriptor(
            "process_resident_memory",
            "Resident memory",
            bytes,
            MetricType::Gauge,
        )?;
        ConstGauge::new(usage.resident_bytes).encode(memory)?;
        let start = encoder.encode_descriptor(
            "process_start_time",
            "Start, since 1970",
            seconds,
            MetricType::Gauge,
        )?;
        ConstGauge::new(usage.started).encode(start)?;
        let files = encoder.encode_descriptor(
            "process_open_fds",
            "Open file descriptors",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(usage.open_files).encode(files)
    }
}

#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "clock ticks since boot")]
fn usage() -> Option<Usage> {
    use std::{fs, os::unix::fs::MetadataExt as _};
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // proc(5): the name in parentheses may hold anything; field 3 comes after the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let tick = rustix::param::clock_ticks_per_second() as f64;
    let resident_pages = number(24)?;
    let since_1970 = fs::metadata("/proc/self").ok()?;
    Some(Usage {
        cpu_seconds: (number(14)? + number(15)?) as f64 / tick,
        resident_bytes: resident_pages * rustix::param::page_size() as u64,
        started: since_1970.ctime() as f64,
        open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
    })
}

#[cfg(not(target_os = "linux"))]
fn usage() -> Option<Usage> {
    None
}

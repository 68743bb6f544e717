//! What every Prometheus client library tells of its process. Linux only: elsewhere these metrics are absent.

use std::sync::OnceLock;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// What whoever started the process has said that it may use.
static MEMORY_LIMIT: OnceLock<u64> = OnceLock::new();

/// Has `/metrics` say that the process may use so many bytes of memory, whatever its control group allows. The first call counts.
pub fn limit_memory(bytes: u64) {
    MEMORY_LIMIT.get_or_init(|| bytes);
}

/// Reads `/proc/self` at every scrape.
#[derive(Debug)]
pub(crate) struct Process;

struct Usage {
    cpu_seconds: f64,
    resident_bytes: u64,
    /// Without pages of files, such as those of the program itself.
    anonymous_bytes: u64,
    memory_limit: Option<u64>,
    started: f64,
    open_files: u64,
    max_files: u64,
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
        let memory = encoder.encode_descriptor(
            "process_anonymous_memory",
            "Resident memory that is in no file",
            bytes,
            MetricType::Gauge,
        )?;
        ConstGauge::new(usage.anonymous_bytes).encode(memory)?;
        if let Some(limit) = usage.memory_limit {
            let memory = encoder.encode_descriptor(
                "process_memory_limit",
                "Memory that the process may use",
                bytes,
                MetricType::Gauge,
            )?;
            ConstGauge::new(limit).encode(memory)?;
        }
        let start = encoder.encode_descriptor(
            "process_start_time",
            "Start of the process, since 1970",
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
        ConstGauge::new(usage.open_files).encode(files)?;
        let files = encoder.encode_descriptor(
            "process_max_fds",
            "File descriptors that may be open",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(usage.max_files).encode(files)
    }
}

#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "clock ticks since boot")]
fn usage() -> Option<Usage> {
    use std::fs;
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let tick = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as u64;
    let (resident, of_files) = pages(&fs::read_to_string("/proc/self/statm").ok()?)?;
    let max_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Some(Usage {
        cpu_seconds: (field(&own, 14)? + field(&own, 15)?) as f64 / tick,
        resident_bytes: resident * page,
        anonymous_bytes: resident.saturating_sub(of_files) * page,
        memory_limit: MEMORY_LIMIT.get().copied().or_else(memory_limit),
        started: boot_time(&system)? as f64 + field(&own, 22)? as f64 / tick,
        open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        // None is no limit.
        max_files: max_files.unwrap_or(u64::MAX),
    })
}

/// A numeric field of `/proc/PID/stat`, counted from 1 as proc(5) does. The second, in parentheses, may hold anything, other
/// parentheses too: the third comes after the last one.
#[cfg(target_os = "linux")]
fn field(stat: &str, number: usize) -> Option<u64> {
    let from_third = stat.rsplit_once(')')?.1;
    let text = from_third.split_whitespace().nth(number.checked_sub(3)?)?;
    text.parse().ok()
}

/// Pages of `/proc/PID/statm` that are resident, and those of them that are in files or shared.
#[cfg(target_os = "linux")]
fn pages(statm: &str) -> Option<(u64, u64)> {
    let mut pages = statm.split_whitespace().skip(1).map(str::parse);
    Some((pages.next()?.ok()?, pages.next()?.ok()?))
}

/// The smallest limit of the control groups (version 2) that the process is in, in bytes. It is the group that is killed when it is full;
/// here a service has one of its own.
#[cfg(target_os = "linux")]
fn memory_limit() -> Option<u64> {
    use std::{fs, path::Path};
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = own.lines().find_map(|it| it.strip_prefix("0::/"))?;
    // In a container its own group is the root, which may have a limit there.
    let limit = |group: &Path| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        limit_in(&fs::read_to_string(file).ok()?)
    };
    Path::new(group).ancestors().filter_map(limit).min()
}

/// What `memory.max` says; `max` is no limit.
#[cfg(target_os = "linux")]
fn limit_in(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// When the machine was started, in seconds since 1970: `btime` of `/proc/stat`. The start of a process is counted from there,
/// and unlike the times of `/proc/PID` it never moves.
#[cfg(target_os = "linux")]
fn boot_time(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|it| it.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn usage() -> Option<Usage> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn fields_are_counted_after_a_name_that_may_hold_anything() {
        let stat = "42 (a) b (c) 9) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 3 0 8150 1000 77 18446744073709551615 1";
        assert_eq!(field(stat, 14), Some(7));
        assert_eq!(field(stat, 15), Some(5));
        assert_eq!(field(stat, 22), Some(8150));
        assert_eq!((field(stat, 3), field(stat, 99)), (None, None));
    }

    #[test]
    fn the_machine_was_started_when_btime_says() {
        let stat = "cpu  1 2 3 4\nintr 5\nctxt 6\nbtime 1795464719\nprocesses 7\n";
        assert_eq!(boot_time(stat), Some(1_795_464_719));
        assert_eq!(boot_time("cpu 1\n"), None);
    }

    #[test]
    fn what_is_in_files_is_not_anonymous() {
        assert_eq!(
            pages("35000 11800 7000 9000 0 4000 0\n"),
            Some((11_800, 7_000))
        );
        assert_eq!(pages("35000 11800"), None);
        // The program itself is in a file.
        let usage = usage().unwrap();
        assert!(0 < usage.anonymous_bytes && usage.anonymous_bytes < usage.resident_bytes);
    }

    #[test]
    fn a_group_has_a_limit_or_none() {
        assert_eq!(limit_in("268435456\n"), Some(268_435_456));
        assert_eq!(limit_in("max\n"), None);
    }

    #[test]
    fn a_process_started_before_now_and_after_its_parent_and_its_files_are_below_the_limit() {
        let started = |stat: &str| field(stat, 22).unwrap();
        let own = std::fs::read_to_string("/proc/self/stat").unwrap();
        let parent = format!("/proc/{}/stat", std::os::unix::process::parent_id());
        let parent = std::fs::read_to_string(parent).unwrap();
        assert!(started(&parent) <= started(&own));
        let usage = usage().unwrap();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        // `btime` has whole seconds.
        assert!(usage.started > 0.0 && usage.started <= now + 1.0);
        assert!(0 < usage.open_files && usage.open_files <= usage.max_files);
    }
}

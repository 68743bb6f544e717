//! What a process uses, as the kernel says (`proc_pid_stat(5)`).

use std::fs;

use crate::statistics::to_f64;

/// One reading of `/proc/PID`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Seconds of processor time since its start, user and system.
    pub cpu_s: f64,
    /// Bytes that are resident.
    pub resident: f64,
    /// Seconds since 1970.
    pub started: f64,
    /// Open file descriptors.
    pub open_files: f64,
}

impl Usage {
    /// Nothing where the kernel does not tell, as of a process that has ended.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let of = |file: &str| fs::read_to_string(format!("/proc/{file}")).ok();
        let open_files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        Self::parse(&of(&format!("{pid}/stat"))?, &of("stat")?, open_files)
    }

    fn parse(process: &str, machine: &str, open_files: usize) -> Option<Self> {
        // Its name, in parentheses, may hold anything; numbers count from 1, and the third field comes after it.
        let fields: Vec<_> = process.rsplit_once(") ")?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let booted = machine.lines().find_map(|it| it.strip_prefix("btime "));
        let tick = to_f64(rustix::param::clock_ticks_per_second());
        let page = to_f64(rustix::param::page_size() as u64);
        Some(Self {
            cpu_s: to_f64(field(14)? + field(15)?) / tick,
            resident: to_f64(field(24)?) * page,
            started: to_f64(booted?.trim().parse().ok()?) + to_f64(field(22)?) / tick,
            open_files: to_f64(open_files as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_by_the_numbers_of_its_fields() {
        let process =
            "42 (a) b (c) 9) S 1 42 42 0 -1 4194560 100 0 0 0 700 500 0 0 20 0 3 0 8100 1000 77 1";
        let it = Usage::parse(process, "cpu 1\nbtime 1000\n", 9).unwrap();
        let tick = to_f64(rustix::param::clock_ticks_per_second());
        assert!((it.cpu_s - 1200.0 / tick).abs() < 1e-9);
        assert!((it.started - 1000.0 - 8100.0 / tick).abs() < 1e-9);
        assert!(it.resident > 77.0 * 1024.0 && it.open_files > 8.5);
        assert_eq!(Usage::parse(process, "cpu 1\n", 9), None);
    }

    #[test]
    fn this_process_is_there_and_one_that_has_ended_is_not() {
        let own = Usage::of(std::process::id()).unwrap();
        assert!(own.resident > 0.0 && own.open_files > 0.0);
        assert_eq!(Usage::of(u32::MAX), None);
    }
}

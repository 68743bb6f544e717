//! What the processors of this machine did, from `/proc/stat` (`proc_stat(5)`).

use crate::statistics::to_f64;

/// How many this process may use.
pub(crate) fn count() -> u32 {
    let known = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(known).unwrap_or(1)
}

/// Processor time of the whole machine since it started, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processors {
    all: u64,
    stolen: u64,
}

impl Processors {
    /// Nothing where the kernel does not tell.
    pub(crate) fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        let ticks = stat.lines().next()?.strip_prefix("cpu ")?;
        // User, nice, system, idle, iowait, irq, softirq and steal; those of guests, which follow, are in user and nice already.
        let ticks = ticks.split_whitespace().take(8).map(str::parse);
        let ticks: Vec<u64> = ticks.collect::<Result<_, _>>().ok()?;
        Some(Self {
            all: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }

    /// The share of the time since `earlier`, from 0 to 1, in which other machines on the same host had a processor that this one
    /// wanted.
    pub(crate) fn stolen_since(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all).max(1);
        to_f64(self.stolen.saturating_sub(earlier.stolen)) / to_f64(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_a_share_of_all_time() {
        let before = Processors::parse("cpu  100 0 50 850 0 0 0 10 7 0\ncpu0 1 2").unwrap();
        let after = Processors::parse("cpu  150 0 50 880 0 0 0 30 57 0\ncpu0 1 2").unwrap();
        assert!((after.stolen_since(before) - 0.2).abs() < 1e-9);
        assert!(after.stolen_since(after).abs() < 1e-9);
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_no_error() {
        for stat in ["", "cpu  1 2 3", "cpu  a b c d e f g h", "intr 1"] {
            assert_eq!(Processors::parse(stat), None, "{stat:?}");
        }
    }
}

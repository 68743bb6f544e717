//! Who is admitted when there is not room for all: what is worth most, last of all to be refused.
//!
//! Each priority may use only a share of the limit, so the lowest is refused first and the highest only when there is no room at all
//! (the partitions of Netflix's `concurrency-limits`, and the criticality of "Site Reliability Engineering", 2016, chapter 21).
//!
//! Weighed: tower's `LoadShed` knows no priorities.

/// What a request is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// What can be done later or not at all.
    Low,
    /// What people would miss.
    Normal,
    /// What most of them are here for.
    High,
    /// What earns the money, and what leads to it.
    Critical,
}

impl Priority {
    /// All, the lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];
}

/// Which share of the limit each priority may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// In percent, the lowest priority first.
    percent: [usize; 4],
}

impl Default for Admission {
    /// 50, 75, 90 and 100 %.
    fn default() -> Self {
        Self::new([50, 75, 90, 100])
    }
}

impl Admission {
    /// With the given shares in percent, the lowest priority first. Of a higher priority it is at least what a lower one has, and at
    /// most everything.
    pub fn new(percent: [usize; 4]) -> Self {
        let mut least = 0;
        let percent = percent.map(|it| {
            least = it.clamp(least, 100);
            least
        });
        Self { percent }
    }

    /// Whether a request may begin beside the `in_flight` that are under way. Alone, any may.
    pub fn admits(&self, priority: Priority, in_flight: usize, limit: usize) -> bool {
        in_flight < self.room(priority, limit)
    }

    /// How many may be under way in all for one of this priority to begin.
    pub fn room(&self, priority: Priority, limit: usize) -> usize {
        let percent = match priority {
            Priority::Low => self.percent[0],
            Priority::Normal => self.percent[1],
            Priority::High => self.percent[2],
            Priority::Critical => self.percent[3],
        };
        limit.saturating_mul(percent).div_ceil(100).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_is_refused_first() {
        let admission = Admission::default();
        let room = Priority::ALL.map(|it| admission.room(it, 20));
        assert_eq!(room, [10, 15, 18, 20]);
        assert!(
            !admission.admits(Priority::Low, 10, 20)
                && admission.admits(Priority::Critical, 19, 20)
        );
        assert!(!admission.admits(Priority::Critical, 20, 20));
        assert!(admission.admits(Priority::Low, 0, 1), "alone it is served");
    }
}

//! When arrivals are due: a pure function of the phases and the seed.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::plan::{Arrivals, Phase};

/// One intended start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Counts from 0 over the whole plan.
    pub number: u64,
    /// Index of its phase.
    pub phase: u16,
    /// Since the start of the plan.
    pub due: Duration,
}

/// Every arrival of `phases` in order.
pub fn schedule(phases: &[Phase], seed: u64) -> impl Iterator<Item = Arrival> + use<'_> {
    let mut begin = 0.0;
    let starts = phases.iter().enumerate().flat_map(move |(index, phase)| {
        let random = SmallRng::seed_from_u64(seed ^ (index as u64 + 1).rotate_left(32));
        let from = begin;
        begin += phase.seconds;
        Offsets::new(phase, random).map(move |offset| (index, from + offset))
    });
    (0..).zip(starts).map(|(number, (phase, due))| Arrival {
        number,
        phase: u16::try_from(phase).unwrap_or(u16::MAX),
        due: Duration::from_secs_f64(due),
    })
}

/// The offsets of one phase, in seconds since its start.
struct Offsets<'a> {
    phase: &'a Phase,
    random: SmallRng,
    count: u32,
    last: f64,
}

impl<'a> Offsets<'a> {
    fn new(phase: &'a Phase, random: SmallRng) -> Self {
        Self {
            phase,
            random,
            count: 0,
            last: 0.0,
        }
    }
}

impl Iterator for Offsets<'_> {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let n = f64::from(self.count);
        let seconds = self.phase.seconds;
        let offset = match self.phase.arrivals {
            Arrivals::Constant { rate } => n / rate,
            Arrivals::Poisson { rate } => {
                // 1 - u is in (0, 1], so its logarithm is finite.
                self.last - (1.0 - self.random.random::<f64>()).ln() / rate
            }
            Arrivals::Ramp { from, to } => ramp(from, to, seconds, n)?,
        };
        self.count += 1;
        self.last = offset;
        (offset < seconds).then_some(offset)
    }
}

/// When the integral of a rate that goes from `from` to `to` reaches `n`: the root of `from·t + (to−from)/(2·s)·t² = n`.
fn ramp(from: f64, to: f64, seconds: f64, n: f64) -> Option<f64> {
    let slope = (to - from) / seconds;
    if slope.abs() < f64::EPSILON {
        return Some(n / from);
    }
    let root = from * from + 2.0 * slope * n;
    (root >= 0.0).then(|| (root.sqrt() - from) / slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(seconds: f64, arrivals: Arrivals) -> Phase {
        Phase {
            name: "test".into(),
            seconds,
            arrivals,
        }
    }

    #[test]
    fn constant_arrivals_are_evenly_spaced_and_phases_follow_each_other() {
        let phases = [
            phase(1.0, Arrivals::Constant { rate: 4.0 }),
            phase(0.5, Arrivals::Constant { rate: 2.0 }),
        ];
        let due: Vec<_> = schedule(&phases, 1)
            .map(|it| (it.number, it.phase, it.due.as_millis()))
            .collect();
        let expected = [
            (0, 0, 0),
            (1, 0, 250),
            (2, 0, 500),
            (3, 0, 750),
            (4, 1, 1000),
        ];
        assert_eq!(due, expected);
    }

    #[test]
    fn a_seed_repeats_poisson_arrivals_and_their_gaps_vary_as_they_should() {
        let phases = [phase(200.0, Arrivals::Poisson { rate: 100.0 })];
        let first: Vec<_> = schedule(&phases, 7).collect();
        assert!(schedule(&phases, 7).eq(first.iter().copied()));
        assert!(schedule(&phases, 8).ne(first.iter().copied()));
        let gaps: Vec<_> = first
            .windows(2)
            .map(|it| it[1].due.as_secs_f64() - it[0].due.as_secs_f64())
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let n = gaps.len() as f64;
        let mean = gaps.iter().sum::<f64>() / n;
        let variance = gaps.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / n;
        // Exponential gaps have a standard deviation equal to their mean; 20,000 of them estimate both within 5 %.
        assert!((mean * 100.0 - 1.0).abs() < 0.05, "mean {mean}");
        let ratio = variance.sqrt() / mean;
        assert!((ratio - 1.0).abs() < 0.05, "deviation / mean {ratio}");
    }

    #[test]
    fn a_ramp_has_the_area_under_its_line_and_may_go_down_to_nothing() {
        let count = |from, to| {
            let phases = [phase(10.0, Arrivals::Ramp { from, to })];
            let first_half = schedule(&phases, 0)
                .filter(|it| it.due.as_secs_f64() < 5.0)
                .count();
            (schedule(&phases, 0).count(), first_half)
        };
        assert_eq!(count(0.0, 100.0), (500, 125));
        assert_eq!(count(100.0, 0.0), (500, 375));
        assert_eq!(count(50.0, 50.0), (500, 250));
    }
}

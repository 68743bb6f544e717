//! How many requests may be under way at once, and how many wait.

use std::{
    fmt,
    num::{NonZeroUsize, ParseIntError},
    str::FromStr,
    time::Duration,
};

use resilience::Bounds;

/// What limits how many requests are under way at once.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(id = "concurrency")]
pub struct Concurrency {
    /// How many requests may be under way at once, without those that wait for another service: `adaptive` goes by how long they
    /// take, a number holds, `off` limits nothing and refuses nobody
    #[arg(
        id = "concurrency-limit",
        long,
        env = "CONCURRENCY_LIMIT",
        default_value_t,
        value_name = "adaptive|COUNT|off"
    )]
    pub limit: Allowed,
    /// The least that an adaptive limit becomes
    #[arg(id = "concurrency-min", long, env = "CONCURRENCY_MIN", default_value_t = Self::LEAST, value_name = "COUNT")]
    pub least: NonZeroUsize,
    /// The most that an adaptive limit becomes
    #[arg(id = "concurrency-max", long, env = "CONCURRENCY_MAX", default_value_t = Self::MOST, value_name = "COUNT")]
    pub most: NonZeroUsize,
    /// How many requests may wait to begin; of more, the least important are refused
    #[arg(id = "waiting-limit", long, env = "WAITING_LIMIT", default_value_t = Self::WAITING, value_name = "COUNT")]
    pub waiting: usize,
    /// How long a request may wait to begin; a tenth of that where others of its kind have been waiting all that time, or
    /// one was refused in it
    #[arg(id = "waiting-timeout", long, env = "WAITING_TIMEOUT", default_value = "100ms", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub patience: Duration,
}

impl Concurrency {
    const LEAST: NonZeroUsize = NonZeroUsize::new(16).expect("it is not 0");
    const MOST: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not 0");
    const WAITING: usize = 64;
    const PATIENCE: Duration = Duration::from_millis(100);
    /// How much longer than usual a request takes where a machine is shared and nothing queues.
    const NOISE: Duration = Duration::from_millis(5);

    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            least: self.least.get(),
            most: self.most.get(),
            noise: Self::NOISE,
            ..Bounds::default()
        }
    }
}

impl Default for Concurrency {
    /// As the flags are by default.
    fn default() -> Self {
        Self {
            limit: Allowed::Adaptive,
            least: Self::LEAST,
            most: Self::MOST,
            waiting: Self::WAITING,
            patience: Self::PATIENCE,
        }
    }
}

/// What says how many requests may be under way at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allowed {
    /// How long they take.
    #[default]
    Adaptive,
    /// This number.
    Fixed(NonZeroUsize),
    /// Nothing.
    Any,
}

impl FromStr for Allowed {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        match text {
            "adaptive" => Ok(Self::Adaptive),
            "off" => Ok(Self::Any),
            count => count.parse().map(Self::Fixed),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adaptive => f.write_str("adaptive"),
            Self::Fixed(count) => count.fmt(f),
            Self::Any => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        concurrency: Concurrency,
    }

    #[test]
    fn what_a_test_gets_is_what_a_service_gets() {
        let flags = Command::parse_from(["it"]).concurrency;
        assert_eq!(
            format!("{flags:?}"),
            format!("{:?}", Concurrency::default())
        );
    }

    #[test]
    fn a_limit_is_adaptive_a_number_or_off() {
        for text in ["adaptive", "8", "off"] {
            assert_eq!(text.parse::<Allowed>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "on"] {
            assert!(text.parse::<Allowed>().is_err(), "{text}");
        }
    }
}

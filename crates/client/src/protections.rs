//! What keeps an upstream that fails, or is slow, from taking its callers with it, and how much of that there is; and whether calls
//! end with the requests that they are for.

use std::time::Duration;

use resilience::{Allowance, BreakerSettings, Opens, Room};

/// The protections of the calls to one upstream. What is none is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Protections {
    /// Calls in flight at once; as many more may wait.
    pub(crate) bulkhead: Option<usize>,
    /// The longest that one waits.
    pub(crate) bulkhead_wait: Duration,
    /// Percent of the calls that must fail for the breaker to open.
    pub(crate) breaker: Option<u32>,
    /// How far back calls count for that, and for ejection.
    pub(crate) breaker_window: Duration,
    /// How long the upstream is then left alone.
    pub(crate) breaker_open: Duration,
    /// A call that takes so long counts as failed; half of the longest that it may take, unless said.
    pub(crate) slow: Option<Duration>,
    /// Which calls are tried again.
    pub(crate) retries: Option<Retrying>,
    /// Whether replicas that do worse than the others are left out for a while.
    pub(crate) ejection: bool,
    /// The longest one try may take; the time of the whole call, unless said.
    pub(crate) try_timeout: Option<Duration>,
    /// Whether a call has no more time than the request that it is for, and tells its callee how much.
    pub(crate) deadline: bool,
    /// Whether a call ends when nobody waits for it any more.
    pub(crate) cancel: bool,
}

/// Which calls are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retrying {
    /// So many of a hundred calls.
    Percent(u32),
    /// Each that fails, however many there are. That multiplies the load of whoever has too much already.
    Always,
}

/// Of fewer calls than this within its window a breaker concludes nothing.
const OF_AT_LEAST: u32 = 20;
/// How many calls must succeed for a breaker to close: a wrong guess costs twenty calls, and each probe of an upstream that hangs costs one
/// caller all its time.
const PROBES: u32 = 1;

/// The parameters of an address that are about them.
pub(crate) const NAMES: [&str; 12] = [
    "protections",
    "bulkhead",
    "bulkhead_wait",
    "breaker",
    "breaker_window",
    "breaker_open",
    "slow",
    "retries",
    "ejection",
    "try",
    "deadline",
    "cancel",
];

impl Default for Protections {
    fn default() -> Self {
        Self {
            bulkhead: Some(128),
            bulkhead_wait: Duration::from_millis(100),
            breaker: Some(50),
            breaker_window: Duration::from_secs(5),
            breaker_open: Duration::from_secs(2),
            slow: None,
            retries: Some(Retrying::Percent(10)),
            ejection: true,
            try_timeout: None,
            deadline: true,
            cancel: true,
        }
    }
}

impl Protections {
    /// None at all: what a plain client has. Its calls end with their requests all the same.
    pub(crate) fn off() -> Self {
        Self {
            bulkhead: None,
            breaker: None,
            retries: None,
            ejection: false,
            ..Self::default()
        }
    }

    /// Takes in a parameter of an address, if it is one of these; else it is none.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let done = match name {
            "protections" => switch(name, value).map(|on| {
                *self = if on { Self::default() } else { Self::off() };
            }),
            "bulkhead" => count(name, value).map(|it| self.bulkhead = it),
            "bulkhead_wait" => duration(name, value).map(|it| self.bulkhead_wait = it),
            "breaker" => percent(name, value).map(|it| self.breaker = it),
            "breaker_window" => duration(name, value).map(|it| self.breaker_window = it),
            "breaker_open" => duration(name, value).map(|it| self.breaker_open = it),
            "slow" => duration(name, value).map(|it| self.slow = Some(it)),
            "retries" => retrying(name, value).map(|it| self.retries = it),
            "ejection" => switch(name, value).map(|it| self.ejection = it),
            "try" => duration(name, value).map(|it| self.try_timeout = Some(it)),
            "deadline" => switch(name, value).map(|it| self.deadline = it),
            "cancel" => switch(name, value).map(|it| self.cancel = it),
            _ => return None,
        };
        Some(done)
    }

    /// What differs from the default, as parameters of an address.
    pub(crate) fn told(&self) -> Vec<(&'static str, String)> {
        let (own, usual) = (self.all(), Self::default().all());
        let differs = own
            .into_iter()
            .zip(usual)
            .filter(|(own, usual)| own != usual);
        differs.map(|(own, _)| own).collect()
    }

    /// All of it as parameters of an address; what has no value until it is said is empty.
    fn all(&self) -> [(&'static str, String); NAMES.len() - 1] {
        let time = |it: Duration| humantime::format_duration(it).to_string();
        let off = || "off".to_owned();
        let switch = |on: bool| if on { "on".to_owned() } else { off() };
        let retries = self.retries.map_or_else(off, |it| match it {
            Retrying::Percent(it) => it.to_string(),
            Retrying::Always => "always".to_owned(),
        });
        [
            (
                "bulkhead",
                self.bulkhead.map_or_else(off, |it| it.to_string()),
            ),
            ("bulkhead_wait", time(self.bulkhead_wait)),
            (
                "breaker",
                self.breaker.map_or_else(off, |it| it.to_string()),
            ),
            ("breaker_window", time(self.breaker_window)),
            ("breaker_open", time(self.breaker_open)),
            ("slow", self.slow.map(time).unwrap_or_default()),
            ("retries", retries),
            ("ejection", switch(self.ejection)),
            ("try", self.try_timeout.map(time).unwrap_or_default()),
            ("deadline", switch(self.deadline)),
            ("cancel", switch(self.cancel)),
        ]
    }

    /// The bulkhead's places.
    pub(crate) fn room(&self) -> Option<Room> {
        self.bulkhead.map(|places| Room {
            in_flight: places,
            waiting: places,
            patience: self.bulkhead_wait,
        })
    }

    /// When the breaker opens and closes. How long a call took is judged by who makes it.
    pub(crate) fn breaker(&self) -> Option<BreakerSettings> {
        self.breaker.map(|percent| BreakerSettings {
            opens: Opens::Share {
                percent,
                of_at_least: OF_AT_LEAST,
                within: self.breaker_window,
            },
            slow: Duration::MAX,
            left_alone: self.breaker_open,
            probes: PROBES,
        })
    }

    /// How far back a replica is compared with the others; none where none is left out.
    pub(crate) fn ejection(&self) -> Option<Duration> {
        self.ejection.then_some(self.breaker_window)
    }
}

impl Retrying {
    /// How many retries there are; none where nobody counts.
    pub(crate) fn allowance(self) -> Option<Allowance> {
        match self {
            Self::Percent(percent) => Some(Allowance {
                percent,
                ..Allowance::default()
            }),
            Self::Always => None,
        }
    }
}

fn bad(name: &str, expected: &str, value: &str) -> String {
    format!("{name} is {expected}, not {value:?}")
}

/// A duration above zero.
pub(crate) fn duration(name: &str, value: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(value).ok();
    let parsed = parsed.filter(|it| !it.is_zero());
    parsed.ok_or_else(|| bad(name, "a duration such as 250ms or 2s", value))
}

fn count(name: &str, value: &str) -> Result<Option<usize>, String> {
    match value {
        "off" => Ok(None),
        _ => match value.parse() {
            Ok(count) if count > 0 => Ok(Some(count)),
            _ => Err(bad(name, "a number of calls above 0, or off", value)),
        },
    }
}

fn percent(name: &str, value: &str) -> Result<Option<u32>, String> {
    match value {
        "off" => Ok(None),
        _ => match value.parse() {
            Ok(percent @ 1..=100) => Ok(Some(percent)),
            _ => Err(bad(name, "a percentage from 1 to 100, or off", value)),
        },
    }
}

fn retrying(name: &str, value: &str) -> Result<Option<Retrying>, String> {
    match value {
        "off" => Ok(None),
        "always" => Ok(Some(Retrying::Always)),
        _ => match value.parse() {
            Ok(it @ 1..=100) => Ok(Some(Retrying::Percent(it))),
            _ => Err(bad(
                name,
                "a percentage from 1 to 100, always, or off",
                value,
            )),
        },
    }
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(bad(name, "on or off", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(parameters: &[(&str, &str)]) -> Protections {
        let mut it = Protections::default();
        for (name, value) in parameters {
            it.set(name, value).expect("it is known").unwrap();
        }
        it
    }

    #[test]
    fn one_switch_turns_all_off_and_what_follows_turns_single_ones_on() {
        assert_eq!(after(&[("protections", "off")]), Protections::off());
        let breaker = after(&[("protections", "off"), ("breaker", "30")]);
        assert_eq!(breaker.breaker, Some(30));
        assert!(breaker.room().is_none() && breaker.retries.is_none() && !breaker.ejection);
        assert!(breaker.deadline && breaker.cancel);
        assert_eq!(
            after(&[("protections", "off"), ("protections", "on")]),
            Protections::default()
        );
    }

    #[test]
    fn what_is_told_is_what_differs_and_reads_back() {
        assert!(Protections::default().told().is_empty());
        let parameters = [
            ("bulkhead", "3"),
            ("bulkhead_wait", "20ms"),
            ("breaker", "off"),
            ("breaker_window", "2s"),
            ("breaker_open", "500ms"),
            ("slow", "1s"),
            ("retries", "20"),
            ("ejection", "off"),
            ("try", "400ms"),
            ("deadline", "off"),
            ("cancel", "off"),
        ];
        let told = after(&parameters).told();
        let told: Vec<_> = told.iter().map(|it| (it.0, it.1.as_str())).collect();
        assert_eq!(told, parameters);
        let always = [("retries", "always".to_owned())];
        assert_eq!(after(&[("retries", "always")]).told(), always);
    }

    #[test]
    fn a_value_that_is_none_is_refused_by_name() {
        for (name, value) in [
            ("bulkhead", "0"),
            ("breaker", "101"),
            ("breaker", "0"),
            ("retries", "-1"),
            ("retries", "200"),
            ("slow", "0s"),
            ("try", "0s"),
            ("ejection", "maybe"),
            ("deadline", "1s"),
            ("cancel", ""),
            ("protections", "no"),
        ] {
            let refused = Protections::default().set(name, value);
            let text = refused.expect("it is known").expect_err(name);
            assert!(text.starts_with(name) && text.contains(value), "{text}");
        }
        assert!(Protections::default().set("colour", "red").is_none());
    }
}

//! What replicas used of late, from what they have counted.
//!
//! How many requests were in flight is what all of them took together, divided by the time that passed: every moment counts, where
//! a gauge would be seen at one moment only (Little, "A Proof for the Queuing Formula L = λW", 1961).

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use telemetry::names;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    deployment::Replica,
    evidence::metrics::{self, Exposition, Format},
};

/// What a replica had counted at some time since its start.
#[derive(Debug, Clone, Copy)]
struct Counted {
    at: Instant,
    /// What all requests took together.
    request_seconds: f64,
    requests: f64,
    cpu_seconds: f64,
    memory_bytes: f64,
}

/// What a replica used between two looks, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// The first look, ...
    pub(super) from: Instant,
    /// ... and the last.
    pub(super) to: Instant,
    pub(super) requests_in_flight: f64,
    pub(super) requests_per_second: f64,
    /// Of processors.
    pub(super) cpu: f64,
    /// At the last look.
    pub(super) memory_bytes: f64,
}

/// Looks at replicas, and remembers what it saw for as long as metrics reach back.
#[derive(Debug)]
pub(super) struct Sampler {
    window: Duration,
    seen: BTreeMap<String, VecDeque<Counted>>,
}

impl Sampler {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            seen: BTreeMap::new(),
        }
    }

    /// Asks all `replicas` at once what they have counted. Who does not answer in time is not seen; who is not asked is forgotten.
    pub(super) async fn look(
        &mut self,
        http: &reqwest::Client,
        replicas: &[Replica],
        patience: Duration,
    ) {
        let mut asked = JoinSet::new();
        for replica in replicas {
            let instance = replica.instance();
            let counted = ask(http.clone(), replica.admin);
            asked.spawn(async move { (instance, timeout(patience, counted).await) });
        }
        self.seen
            .retain(|known, _| replicas.iter().any(|it| it.instance() == *known));
        while let Some(answered) = asked.join_next().await {
            if let Ok((instance, Ok(Ok(counted)))) = answered {
                self.note(instance, counted);
            }
        }
    }

    fn note(&mut self, instance: String, counted: Counted) {
        let seen = self.seen.entry(instance).or_default();
        seen.push_back(counted);
        // The oldest that is kept is the beginning of the window. Ticks are late at times: half a tick decides between two.
        while seen.len() > 2 && age(&seen[1], &counted) + age(&seen[0], &seen[1]) / 2 >= self.window
        {
            seen.pop_front();
        }
    }

    /// What a replica used of late; nothing if it was seen less than twice.
    pub(super) fn usage(&self, instance: &str) -> Option<Usage> {
        let seen = self.seen.get(instance)?;
        let (first, last) = (seen.front()?, seen.back()?);
        let seconds = age(first, last).as_secs_f64();
        let per_second = |of: fn(&Counted) -> f64| (of(last) - of(first)) / seconds;
        (seconds > 0.0).then(|| Usage {
            from: first.at,
            to: last.at,
            requests_in_flight: per_second(|it| it.request_seconds),
            requests_per_second: per_second(|it| it.requests),
            cpu: per_second(|it| it.cpu_seconds),
            memory_bytes: last.memory_bytes,
        })
    }
}

/// How much older `earlier` is.
fn age(earlier: &Counted, later: &Counted) -> Duration {
    later.at.saturating_duration_since(earlier.at)
}

async fn ask(http: reqwest::Client, admin: SocketAddr) -> anyhow::Result<Counted> {
    let text = metrics::fetch(&http, &admin, Format::Text).await?;
    let at = Instant::now();
    let said = Exposition::parse(&text).with_context(|| format!("read http://{admin}/metrics"))?;
    Ok(Counted::of(&said, at))
}

impl Counted {
    fn of(said: &Exposition, at: Instant) -> Self {
        let served = [
            names::HTTP_SERVER_REQUEST_DURATION,
            names::RPC_SERVER_CALL_DURATION,
        ];
        let all = |part: &str| {
            served
                .iter()
                .map(|it| said.sum(&format!("{it}_{part}")))
                .sum()
        };
        Self {
            at,
            request_seconds: all("sum"),
            requests: all("count"),
            cpu_seconds: said.sum(names::PROCESS_CPU_SECONDS),
            memory_bytes: said.sum(names::PROCESS_RESIDENT_MEMORY_BYTES),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Each replica has served so many requests of half a second in each of `seconds`, at a tenth of a processor.
    pub(in super::super) fn after(seconds: u32, rates: &[(&str, f64)]) -> Sampler {
        let began = Instant::now();
        let mut sampler = Sampler::new(Duration::from_secs(2));
        for second in 0..=seconds {
            for (instance, rate) in rates {
                let text = format!(
                    "http_server_request_duration_seconds_sum{{http_route=\"/a\"}} {0}\n\
                     http_server_request_duration_seconds_count{{http_route=\"/a\"}} {1}\n\
                     process_cpu_seconds_total {2}\nprocess_resident_memory_bytes 5\n",
                    rate * f64::from(second) / 2.0,
                    rate * f64::from(second),
                    f64::from(second) / 10.0,
                );
                let at = began + Duration::from_secs(second.into());
                let counted = Counted::of(&Exposition::parse(&text).unwrap(), at);
                sampler.note((*instance).to_owned(), counted);
            }
        }
        sampler
    }

    #[test]
    fn requests_in_flight_are_their_time_over_the_time_that_passed() {
        let sampler = after(9, &[("a", 20.0), ("b", 4.0)]);
        let usage = sampler.usage("a").unwrap();
        assert!((usage.requests_in_flight - 10.0).abs() < 1e-9);
        assert!((usage.requests_per_second - 20.0).abs() < 1e-9);
        assert!((usage.cpu - 0.1).abs() < 1e-9);
        assert_eq!(usage.to - usage.from, Duration::from_secs(2));
        assert!((sampler.usage("b").unwrap().requests_in_flight - 2.0).abs() < 1e-9);
    }

    #[test]
    fn who_was_seen_once_has_no_sample_yet() {
        let sampler = after(0, &[("a", 20.0)]);
        assert_eq!(sampler.usage("a"), None);
        assert_eq!(sampler.usage("b"), None);
    }
}

//! Collects what the shop's telemetry says of a stretch of load.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use telemetry::{attributes::SERVICE_INSTANCE_ID, names};
use tokio::time::{Instant, sleep};

use super::{
    metrics::{self, Exposition, Format},
    otlp::Spans,
    testimony::{Evidence, Scrape},
    usage::Usage,
};
use crate::deployment::{Deployment, LastWords, Replica, Service};

/// The longest wait for requests in flight, orders that are not final, and telemetry under way. An order takes up to 30 s, and
/// an event that fails again and again 4 s.
const QUIET_TIMEOUT: Duration = Duration::from_secs(45);
/// The longest wait for what background work has counted; it is exported once a second.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often it is asked whether all is quiet.
const QUIET_INTERVAL: Duration = Duration::from_millis(100);

/// One start of one replica.
type Process = (Service, u32, u32);

fn process(it: &Replica) -> Process {
    (it.service, it.number, it.start)
}

/// What was said in a window.
pub(crate) struct Closed {
    pub(crate) evidence: Evidence,
    /// Processes that died without being told to.
    pub(crate) incidents: Vec<String>,
    /// Replicas of which a process has ended without saying what it had counted.
    pub(crate) gone: Vec<String>,
    /// What was still under way when there was no more waiting.
    pub(crate) restless: Vec<String>,
}

/// A stretch of time whose telemetry is collected.
pub(crate) struct Window {
    /// Each log with who writes it, and from where on it counts.
    logs: BTreeMap<PathBuf, (Replica, u64)>,
    scrapes: BTreeMap<Process, Vec<Scrape>>,
    incidents: usize,
    /// Replicas that had drained before.
    drained: usize,
}

impl Window {
    /// Begins now: what was said before does not count.
    pub(crate) async fn open(deployment: &Deployment, spans: &Spans) -> anyhow::Result<Self> {
        let restless = quiet(deployment, spans).await;
        anyhow::ensure!(
            restless.is_empty(),
            "shop not idle within {QUIET_TIMEOUT:?}, before any load: {}",
            restless.join(", ")
        );
        spans.take();
        let mut it = Self {
            logs: BTreeMap::new(),
            scrapes: BTreeMap::new(),
            incidents: deployment.incidents().len(),
            drained: deployment.last_words().len(),
        };
        for replica in deployment.replicas() {
            let length = fs::metadata(&replica.log)
                .with_context(|| format!("inspect {}", replica.log.display()))?
                .len();
            it.logs
                .insert(replica.log.clone(), (replica.clone(), length));
            let scrape = scrape(deployment, &replica, Format::Text).await?;
            it.scrapes.insert(process(&replica), vec![scrape]);
        }
        Ok(it)
    }

    /// Scrapes every replica once, without exemplars. One that does not answer is left out: whether it died is asked in the end.
    pub(crate) async fn scrape(&mut self, deployment: &Deployment) {
        self.scrape_in(Format::Text, deployment).await;
    }

    async fn scrape_in(&mut self, format: Format, deployment: &Deployment) {
        for replica in deployment.replicas() {
            self.logs
                .entry(replica.log.clone())
                .or_insert((replica.clone(), 0));
            if let Ok(it) = scrape(deployment, &replica, format).await {
                self.keep(&replica, it);
            }
        }
    }

    /// Who was not there when this began has counted from nothing.
    fn keep(&mut self, replica: &Replica, scrape: Scrape) {
        let born = || vec![Scrape::of_nothing(scrape.asked)];
        let own = self.scrapes.entry(process(replica));
        own.or_insert_with(born).push(scrape);
    }

    /// What replicas said that have drained meanwhile: the last that they counted. Returns who they were.
    fn hear(&mut self, deployment: &Deployment) -> anyhow::Result<Vec<Process>> {
        let mut heard = Vec::new();
        for LastWords {
            replica,
            said,
            metrics,
        } in deployment.last_words().split_off(self.drained)
        {
            // Who was killed in the middle of it has not said all.
            if !metrics.ends_with("# EOF\n") {
                continue;
            }
            let exposition = Exposition::parse(&metrics);
            let exposition = exposition
                .with_context(|| format!("read the last words of {}", replica.instance()))?;
            let last = Scrape {
                exposition,
                ..Scrape::of_nothing(said)
            };
            self.logs
                .entry(replica.log.clone())
                .or_insert((replica.clone(), 0));
            self.keep(&replica, last);
            heard.push(process(&replica));
        }
        Ok(heard)
    }

    /// Waits until all is quiet and returns what was said, and what became of processes meanwhile.
    pub(crate) async fn close(
        mut self,
        deployment: &Deployment,
        spans: &Spans,
    ) -> anyhow::Result<Closed> {
        let restless = quiet(deployment, spans).await;
        self.scrape_in(Format::OpenMetrics, deployment).await;
        exported(deployment).await;
        let live = deployment.replicas();
        let live: Vec<Process> = live.iter().map(process).collect();
        let heard = self.hear(deployment)?;
        let gone = self.scrapes.keys();
        let gone = gone.filter(|it| !live.contains(it) && !heard.contains(it));
        let gone = gone.map(|it| format!("{}-{}", it.0, it.1)).collect();
        let mut evidence = Evidence::new();
        for ((service, ..), scrapes) in self.scrapes {
            evidence.entry(service).or_default().scrapes.push(scrapes);
        }
        let mut owners = BTreeMap::new();
        for (log, (replica, from)) in self.logs {
            let testimony = evidence.entry(replica.service).or_default();
            let instance = replica.instance();
            testimony.lines.read(&instance, &log, from)?;
            owners.insert(instance.clone(), replica.service);
            testimony.processes.insert(instance, replica.public);
        }
        for span in spans.take() {
            // Whose it is, the replica says: what it says of its service is judged. One that lived between two scrapes is known
            // by its service alone.
            let instance = span.resource.attribute(SERVICE_INSTANCE_ID);
            let named = || evidence.keys().find(|it| it.name() == span.service);
            let service = owners.get(instance).or_else(named).copied();
            let service =
                service.with_context(|| format!("span from unknown service {:?}", span.service))?;
            evidence.entry(service).or_default().spans.push(span);
        }
        let incidents = deployment.incidents().split_off(self.incidents);
        let incidents = incidents.into_iter().map(|it| it.text).collect();
        Ok(Closed {
            evidence,
            incidents,
            gone,
            restless,
        })
    }
}

async fn scrape(
    deployment: &Deployment,
    replica: &Replica,
    format: Format,
) -> anyhow::Result<Scrape> {
    let pid = (format == Format::OpenMetrics).then_some(replica.pid);
    scrape_at(deployment.http(), &replica.admin, format, pid).await
}

/// Asks one admin port, and the kernel about its process if that is ours.
///
/// # Errors
/// No answer, or one that is no exposition.
pub(super) async fn scrape_at(
    http: &reqwest::Client,
    admin: &impl fmt::Display,
    format: Format,
    pid: Option<u32>,
) -> anyhow::Result<Scrape> {
    let asked = SystemTime::now();
    let usage = || pid.and_then(Usage::of);
    let before = usage();
    let text = metrics::fetch(http, admin, format).await;
    let text = text.with_context(|| format!("scrape http://{admin}/metrics"))?;
    Ok(Scrape {
        asked,
        answered: SystemTime::now(),
        exposition: Exposition::parse(&text)
            .with_context(|| format!("read http://{admin}/metrics"))?,
        usage: before.zip(usage()),
    })
}

/// What must be nothing before all is quiet, in words.
const BUSY: [(&str, &str); 5] = [
    (names::HTTP_SERVER_ACTIVE_REQUESTS, "requests in flight"),
    (names::TELEMETRY_QUEUED, "items of telemetry queued"),
    (names::MESSAGING_OUTBOX_MESSAGES, "events in outboxes"),
    (names::MESSAGING_QUEUE_MESSAGES, "events in queues"),
    (names::ORDERS_PENDING, "orders pending"),
];

/// Returns once whatever had been counted when the shop was asked last has been written and exported, or there is no more
/// waiting: background work goes on meanwhile.
async fn exported(deployment: &Deployment) {
    let deadline = Instant::now() + EXPORT_TIMEOUT;
    for replica in deployment.replicas() {
        while Instant::now() < deadline {
            let queued = scrape(deployment, &replica, Format::Text).await;
            if queued.is_ok_and(|it| it.exposition.sum(names::TELEMETRY_QUEUED) == 0.0) {
                break;
            }
            sleep(QUIET_INTERVAL).await;
        }
    }
}

/// Returns once no request is in flight, every order is final, no event or telemetry waits in a queue, and no span has come
/// for a while; or, after a time, what is still under way.
async fn quiet(deployment: &Deployment, spans: &Spans) -> Vec<String> {
    let deadline = Instant::now() + QUIET_TIMEOUT;
    let mut last = None;
    loop {
        let mut busy = Vec::new();
        for replica in deployment.replicas() {
            let Ok(it) = scrape(deployment, &replica, Format::Text).await else {
                busy.push(format!("{} does not respond", replica.service));
                continue;
            };
            for (name, what) in BUSY {
                let many = it.exposition.sum(name);
                if many > 0.0 {
                    busy.push(format!("{} has {many} {what}", replica.service));
                }
            }
        }
        let count = spans.count();
        if busy.is_empty() && last == Some(count) {
            return busy;
        }
        if Instant::now() >= deadline {
            if busy.is_empty() {
                busy.push("spans still arriving".to_owned());
            }
            return busy;
        }
        last = busy.is_empty().then_some(count);
        sleep(QUIET_INTERVAL).await;
    }
}

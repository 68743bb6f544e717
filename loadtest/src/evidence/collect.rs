//! Collects what the shop's telemetry says of a stretch of load.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use telemetry::names;
use tokio::time::{Instant, sleep};

use super::{
    access_lines,
    metrics::Exposition,
    otlp::Spans,
    process_lines,
    testimony::{Evidence, Scrape},
};
use crate::deployment::{Deployment, Replica, Service};

/// The longest wait for requests in flight, orders that are not final, and telemetry under way. An order takes up to 30 s, and
/// an event that fails again and again 4 s.
const QUIET_TIMEOUT: Duration = Duration::from_secs(45);
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
    /// Replicas of which a process has ended, however that came.
    pub(crate) gone: Vec<String>,
    /// What was still under way when there was no more waiting.
    pub(crate) restless: Vec<String>,
}

/// A stretch of time whose telemetry is collected.
pub(crate) struct Window {
    logs: BTreeMap<PathBuf, (Service, u64)>,
    scrapes: BTreeMap<Process, Vec<Scrape>>,
    incidents: usize,
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
        };
        for replica in deployment.replicas() {
            let length = fs::metadata(&replica.log)
                .with_context(|| format!("inspect {}", replica.log.display()))?
                .len();
            it.logs
                .insert(replica.log.clone(), (replica.service, length));
            it.keep(&replica, scrape(deployment, &replica).await?);
        }
        Ok(it)
    }

    /// Scrapes every replica once. One that does not answer is left out: whether it died is asked in the end.
    pub(crate) async fn scrape(&mut self, deployment: &Deployment) {
        for replica in deployment.replicas() {
            self.logs
                .entry(replica.log.clone())
                .or_insert((replica.service, 0));
            if let Ok(it) = scrape(deployment, &replica).await {
                self.keep(&replica, it);
            }
        }
    }

    fn keep(&mut self, replica: &Replica, scrape: Scrape) {
        self.scrapes
            .entry(process(replica))
            .or_default()
            .push(scrape);
    }

    /// Waits until all is quiet and returns what was said, and what became of processes meanwhile.
    pub(crate) async fn close(
        mut self,
        deployment: &Deployment,
        spans: &Spans,
    ) -> anyhow::Result<Closed> {
        let restless = quiet(deployment, spans).await;
        self.scrape(deployment).await;
        let live = deployment.replicas();
        let live: Vec<Process> = live.iter().map(process).collect();
        let gone = self.scrapes.keys().filter(|it| !live.contains(it));
        let gone = gone.map(|it| format!("{}-{}", it.0, it.1)).collect();
        let mut evidence = Evidence::new();
        for ((service, ..), scrapes) in self.scrapes {
            evidence.entry(service).or_default().scrapes.push(scrapes);
        }
        for (log, (service, from)) in self.logs {
            let testimony = evidence.entry(service).or_default();
            testimony.lines.extend(access_lines::read(&log, from)?);
            testimony.processed.extend(process_lines::read(&log, from)?);
        }
        for span in spans.take() {
            let service = evidence.iter_mut().find(|it| it.0.name() == span.service);
            let (_, testimony) =
                service.with_context(|| format!("span from unknown service {:?}", span.service))?;
            testimony.spans.push(span);
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

async fn scrape(deployment: &Deployment, replica: &Replica) -> anyhow::Result<Scrape> {
    let url = format!("http://{}/metrics", replica.admin);
    let asked = SystemTime::now();
    let read = async {
        let answer = deployment.http().get(&url).send().await?;
        answer.error_for_status()?.text().await
    };
    let text = read.await.with_context(|| format!("scrape {url}"))?;
    Ok(Scrape {
        asked,
        answered: SystemTime::now(),
        exposition: Exposition::parse(&text).with_context(|| format!("read {url}"))?,
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

/// Returns once no request is in flight, every order is final, no event or telemetry waits in a queue, and no span has come
/// for a while; or, after a time, what is still under way.
async fn quiet(deployment: &Deployment, spans: &Spans) -> Vec<String> {
    let deadline = Instant::now() + QUIET_TIMEOUT;
    let mut last = None;
    loop {
        let mut busy = Vec::new();
        for replica in deployment.replicas() {
            let Ok(it) = scrape(deployment, &replica).await else {
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

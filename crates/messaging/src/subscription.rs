//! A service's place at the broker: its queue, and what becomes of what is in it.

use std::{
    sync::{Arc, LazyLock, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use chassis::{Error, Host};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use telemetry::{Delivered, Origin, names};

use super::consumer::Consumer;
use crate::{Broker, Event, Options, Topology, broker::DeadLetter, under_way::UnderWay};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabel {
    messaging_consumer_group_name: &'static str,
}

static QUEUED: LazyLock<Family<QueueLabel, Gauge>> = LazyLock::new(|| {
    let help = "Events waiting in a queue or being processed";
    telemetry::register(names::MESSAGING_QUEUE_MESSAGES, help, Family::default())
});

static OLDEST: LazyLock<Family<QueueLabel, Gauge<f64, AtomicU64>>> = LazyLock::new(|| {
    let help = "Time since the oldest event in a queue happened, as far as this process can tell";
    telemetry::register(names::MESSAGING_QUEUE_OLDEST_AGE, help, Family::default())
});

static DEAD: LazyLock<Family<QueueLabel, Gauge>> = LazyLock::new(|| {
    let help = "Events moved to the dead letters after the last attempt";
    telemetry::register(names::MESSAGING_DEAD_LETTERS, help, Family::default())
});

/// A service's way to hear events without a database of its own: what it does about an event must be the same when it is
/// done twice, or late. Others have an inbox, [`Messaging`](super::Messaging). Cloning shares the connection.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub(super) service: &'static str,
    pub(super) broker: Broker,
    pub(super) topology: Topology,
    pub(super) under_way: UnderWay,
}

impl Subscription {
    /// Connects `service` to the broker.
    ///
    /// # Errors
    /// A broker that cannot be opened.
    pub async fn open(
        host: &Host,
        service: &'static str,
        options: &Options,
        topology: &Topology,
    ) -> anyhow::Result<Self> {
        let url = &options.url;
        let broker = Broker::open(url, topology)
            .await
            .with_context(|| format!("open the broker {url}"))?;
        let checked = broker.clone();
        host.check("broker", move || checked.clone().ping());
        Ok(Self {
            service,
            broker,
            topology: topology.clone(),
            under_way: UnderWay::default(),
        })
    }

    /// Gives every event in the service's queue to `handle`, several at once and each at least once.
    ///
    /// [`Error::Unavailable`] means that something is away and the event comes again; after any other error five times it
    /// becomes a dead letter, so that it blocks nobody.
    pub fn consume<F, R>(&self, host: &Host, handle: F)
    where
        F: Fn(Event) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let gauge = self.clone();
        host.gauge(move || gauge.clone().refresh_queue());
        host.admin(self.dead_letter_routes());
        let consumer = Consumer {
            subscription: self.clone(),
            faults: host.faults().clone(),
            handle,
        };
        host.spawn("event consumer", move |stop| Arc::new(consumer).run(stop));
    }

    /// How many events that this process has begun and not done happened longer ago than `limit`. There may be more in the queue.
    pub fn overdue(&self, limit: Duration) -> usize {
        self.under_way.older_than(limit)
    }

    async fn refresh_queue(self) {
        let label = QueueLabel {
            messaging_consumer_group_name: self.service,
        };
        let oldest = self.under_way.oldest().as_secs_f64();
        OLDEST.get_or_create(&label).set(oldest);
        match self.broker.depth(self.service).await {
            Ok(depth) => {
                QUEUED.get_or_create(&label).set(depth.messages);
                DEAD.get_or_create(&label).set(depth.dead_letters);
            }
            Err(error) => tracing::warn!(%error, "queue size unknown"),
        }
    }

    /// How telemetry calls an event that this service processes.
    pub(super) fn delivered(&self, event: &Event) -> Delivered {
        Delivered {
            system: self.broker.system(),
            queue: self.service,
            kind: self.topology.label(&event.kind).to_owned(),
            id: event.id.clone(),
            origin: Origin {
                traceparent: event.traceparent.clone(),
                tracestate: event.tracestate.clone(),
                request_id: event.requestid.clone(),
            },
        }
    }

    /// `GET /dead-letters` and `POST /dead-letters/replay` for the admin port.
    fn dead_letter_routes(&self) -> Router {
        Router::new()
            .route("/dead-letters", get(dead_letters))
            .route("/dead-letters/replay", post(replay))
            .with_state(self.clone())
    }
}

async fn dead_letters(State(it): State<Subscription>) -> Result<Json<Vec<DeadLetter>>, Error> {
    Ok(Json(it.broker.dead_letters(it.service).await?))
}

async fn replay(State(it): State<Subscription>) -> Result<Json<serde_json::Value>, Error> {
    let replayed = it.broker.replay_dead_letters(it.service).await?;
    tracing::warn!(replayed, "dead letters replayed");
    Ok(Json(serde_json::json!({ "replayed": replayed })))
}

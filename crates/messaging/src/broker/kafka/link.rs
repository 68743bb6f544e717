//! The way to the servers: topics are there before anything is done with them, and messages are acknowledged.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use chassis::Error;
use rdkafka::{
    ClientConfig, Offset,
    config::FromClientConfigAndContext as _,
    consumer::Consumer as _,
    producer::{FutureProducer, Producer as _},
};
use tokio::{
    sync::OwnedMutexGuard,
    task::spawn_blocking,
    time::{Duration, Instant, timeout},
};

use super::{
    KafkaUrl,
    lag::{Asker, ends},
    message::Outgoing,
    settings::{self, AWAY, CALL_TIMEOUT, Said},
    topics::{Admin, Names},
};
use crate::{Topology, broker::back_off::BackOff};

/// New topics are known to all servers after a moment, ...
const LEADER_TIMEOUT: Duration = Duration::from_secs(3);
/// ... and how often to ask.
const LEADER_POLL: Duration = Duration::from_millis(20);

pub(super) type Producer = FutureProducer<Said>;

/// A producer, and the knowledge that the topics are there.
pub(super) struct Link {
    pub(super) url: KafkaUrl,
    pub(super) names: Names,
    producer: Mutex<Producer>,
    state: Arc<tokio::sync::Mutex<State>>,
}

struct State {
    /// Whether the topics are there, as far as is known.
    made: bool,
    back_off: BackOff,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl Link {
    pub(super) fn new(url: &KafkaUrl, topology: &Topology) -> anyhow::Result<Arc<Self>> {
        let state = State {
            made: false,
            back_off: BackOff::new(),
        };
        Ok(Arc::new(Self {
            url: url.clone(),
            names: Names::new(&url.prefix, topology),
            producer: Mutex::new(producer(url)?),
            state: Arc::new(tokio::sync::Mutex::new(state)),
        }))
    }

    pub(super) fn producer(&self) -> Producer {
        let producer = self.producer.lock();
        producer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the topics unless they are known to be there. Between attempts this fails at once.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<(), Error> {
        let state = timeout(CALL_TIMEOUT, Arc::clone(&self.state).lock_owned()).await;
        let state = state.map_err(|_| AWAY)?;
        if state.made {
            return Ok(());
        }
        if !state.back_off.is_over() {
            return Err(AWAY);
        }
        // In a task of its own: where that takes longer than whoever asks has patience, it would never come to an end.
        let making = tokio::spawn(Arc::clone(self).attempt(state));
        making.await.unwrap_or(Err(AWAY))
    }

    async fn attempt(self: Arc<Self>, mut state: OwnedMutexGuard<State>) -> Result<(), Error> {
        if let Err(error) = self.make().await {
            let wait = state.back_off.fail();
            tracing::warn!(error, ?wait, "broker unavailable");
            return Err(AWAY);
        }
        tracing::info!("broker topics ready");
        state.back_off = BackOff::new();
        state.made = true;
        Ok(())
    }

    /// Makes the topics, and waits until whoever leads a partition knows.
    async fn make(&self) -> Result<(), String> {
        self.with_admin(async |admin| self.names.create(admin).await)
            .await?;
        let (config, names) = (settings::client(&self.url), self.names.clone());
        let wait = move || {
            let asker: Asker = config.create().map_err(|error| error.to_string())?;
            wait_for_leaders(&asker, &names)
        };
        let known = spawn_blocking(wait).await;
        known.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The topics may be gone: the next call looks.
    pub(super) async fn doubt(&self) {
        // Whoever has the lock for long is looking already.
        if let Ok(mut state) = timeout(CALL_TIMEOUT, self.state.lock()).await {
            state.made = false;
        }
    }

    /// Does `work` with a client that lives as long.
    pub(super) async fn with_admin<T>(
        &self,
        work: impl AsyncFnOnce(&Admin) -> Result<T, String>,
    ) -> Result<T, String> {
        let config = settings::client(&self.url);
        let admin: Admin = config.create().map_err(|error| error.to_string())?;
        let done = work(&admin).await;
        // It waits for its threads.
        spawn_blocking(move || drop(admin));
        done
    }

    /// Publishes `messages`. When it returns, all replicas in sync have them; otherwise they may have any of them.
    pub(super) async fn publish(self: &Arc<Self>, messages: &[Outgoing]) -> Result<(), Error> {
        self.ready().await?;
        let producer = self.producer();
        let Err(error) = send(&producer, messages).await else {
            return Ok(());
        };
        tracing::warn!(error, "publishing failed");
        if let Some((code, why)) = producer.client().fatal_error() {
            // It will never send again.
            tracing::error!(%code, why, "producer failed; recreating it");
            if let Ok(new) = self::producer(&self.url) {
                let mut slot = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
                *slot = new;
            }
        }
        self.doubt().await;
        Err(AWAY)
    }
}

fn wait_for_leaders(asker: &Asker, names: &Names) -> Result<(), String> {
    let start = Instant::now();
    while let Err(error) = ends(asker, &names.partitions(), Offset::End) {
        if start.elapsed() > LEADER_TIMEOUT {
            return Err(format!("fetch the end offsets: {error}"));
        }
        thread::sleep(LEADER_POLL);
    }
    for (topic, wanted) in names.all() {
        let known = asker.fetch_metadata(Some(&topic), CALL_TIMEOUT);
        let known =
            known.map_err(|error| format!("fetch the metadata of topic {topic}: {error}"))?;
        let partitions: usize = known.topics().iter().map(|it| it.partitions().len()).sum();
        // Some of it would not be counted.
        if i32::try_from(partitions) != Ok(wanted) {
            return Err(format!(
                "the topic {topic} has {partitions} partitions, not {wanted}"
            ));
        }
    }
    Ok(())
}

fn producer(url: &KafkaUrl) -> anyhow::Result<Producer> {
    let config: ClientConfig = settings::producer(url);
    Ok(Producer::from_config_and_context(&config, Said)?)
}

async fn send(producer: &Producer, messages: &[Outgoing]) -> Result<(), String> {
    let mut sent = Vec::with_capacity(messages.len());
    let mut result = Ok(());
    for it in messages {
        match producer.send_result(it.record()) {
            Ok(delivery) => sent.push(delivery),
            Err((error, _)) => {
                result = Err(error.to_string());
                break;
            }
        }
    }
    for delivery in sent {
        // Each has its limit, `message.timeout.ms`.
        match delivery.await {
            Ok(Ok(_)) => (),
            Ok(Err((error, _))) => result = Err(error.to_string()),
            Err(_) => result = Err("producer closed".to_owned()),
        }
    }
    result
}

//! A connection that is made again when it was lost.

use std::{fmt, sync::Arc, time::Duration};

use chassis::Error;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{sleep, timeout},
};

use super::{AmqpUrl, message::Outgoing, topology::Names};
use crate::broker::back_off::BackOff;

/// The longest wait for the answer to one call.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest wait until all queues are there; a new server has to make them.
pub(super) const DECLARE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait until the server has confirmed a batch of messages.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);
/// How often to look whether the server takes messages again.
const BLOCKED_POLL: Duration = Duration::from_millis(20);

/// What callers are told; the cause is logged here.
pub(super) const AWAY: Error = Error::Unavailable("the broker");

/// One connection and one channel on it, both made when they are asked for and not there.
pub(super) struct Link {
    url: AmqpUrl,
    names: Names,
    /// What the connection is for, as the server lists it.
    purpose: &'static str,
    state: Arc<Mutex<State>>,
}

struct State {
    lane: Option<Lane>,
    back_off: BackOff,
}

/// A connection that works, or did a moment ago.
#[derive(Clone)]
pub(super) struct Lane {
    pub(super) connection: Arc<Connection>,
    /// Confirms what is published.
    pub(super) channel: Channel,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.purpose, self.url)
    }
}

impl Link {
    pub(super) fn new(url: &AmqpUrl, names: &Names, purpose: &'static str) -> Arc<Self> {
        let state = State {
            lane: None,
            back_off: BackOff::new(),
        };
        Arc::new(Self {
            url: url.clone(),
            names: names.clone(),
            purpose,
            state: Arc::new(Mutex::new(state)),
        })
    }

    /// The connection, made first if there is none. Between attempts to make it this fails at once.
    pub(super) async fn lane(self: &Arc<Self>) -> Result<Lane, Error> {
        let state = timeout(CALL_TIMEOUT, Arc::clone(&self.state).lock_owned()).await;
        let mut state = state.map_err(|_| AWAY)?;
        if let Some(lane) = &state.lane {
            if lane.connection.status().connected() && lane.channel.status().connected() {
                return Ok(lane.clone());
            }
            tracing::warn!(purpose = self.purpose, "broker connection lost");
            state.lane = None;
        }
        if !state.back_off.is_over() {
            return Err(AWAY);
        }
        // In a task of its own: where that takes longer than whoever asks has patience, it would never come to an end.
        let attempt = tokio::spawn(Arc::clone(self).attempt(state));
        attempt.await.unwrap_or(Err(AWAY))
    }

    async fn attempt(self: Arc<Self>, mut state: OwnedMutexGuard<State>) -> Result<Lane, Error> {
        match self.connect().await {
            Ok(lane) => {
                tracing::info!(purpose = self.purpose, "connected to the broker");
                state.back_off = BackOff::new();
                Ok(state.lane.insert(lane).clone())
            }
            Err(error) => {
                let wait = state.back_off.fail();
                tracing::warn!(purpose = self.purpose, error, ?wait, "broker unavailable");
                Err(AWAY)
            }
        }
    }

    async fn connect(&self) -> Result<Lane, String> {
        let name = format!("windtunnel {}", self.purpose);
        let options = ConnectionProperties::default().with_connection_name(name.into());
        let connect = async {
            let connection = Connection::connect_uri(self.url.uri.clone(), options).await?;
            let channel = connection.create_channel().await?;
            let options = ConfirmSelectOptions::default();
            channel.confirm_select(options).await?;
            Ok(Lane {
                connection: Arc::new(connection),
                channel,
            })
        };
        let lane = within(CONNECT_TIMEOUT, "connect", connect).await?;
        // Whoever uses the connection finds every queue, also at a server that has lost its own.
        let declare = self.names.declare(&lane.channel);
        within(DECLARE_TIMEOUT, "declare the queues", declare).await?;
        Ok(lane)
    }

    /// Lets go of a connection that did not do what it should, so that the next call makes another.
    pub(super) async fn discard(&self, lane: &Lane, why: &str) {
        // Whoever has the lock for long is connecting already.
        let Ok(mut state) = timeout(CALL_TIMEOUT, self.state.lock()).await else {
            return;
        };
        let current = |it: &Lane| Arc::ptr_eq(&it.connection, &lane.connection);
        if state.lane.as_ref().is_some_and(current) {
            tracing::warn!(purpose = self.purpose, why, "broker connection discarded");
            state.lane = None;
        }
    }

    /// Publishes `messages`. When it returns, the server has them all on disk; otherwise it may have any of them.
    pub(super) async fn publish(self: &Arc<Self>, messages: &[Outgoing]) -> Result<(), Error> {
        let lane = self.lane().await?;
        let sent = timeout(CONFIRM_TIMEOUT, send(&lane, messages)).await;
        let why = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            // The server will confirm them when it has room again, and says so.
            Err(_) if lane.connection.status().blocked() => {
                tracing::warn!("broker blocks publishers: low on memory or disk");
                return Err(AWAY);
            }
            Err(_) => format!("no confirmation within {CONFIRM_TIMEOUT:?}"),
        };
        self.discard(&lane, &why).await;
        Err(AWAY)
    }
}

async fn send(lane: &Lane, messages: &[Outgoing]) -> Result<(), String> {
    while lane.connection.status().blocked() {
        sleep(BLOCKED_POLL).await;
    }
    let mut confirms = Vec::with_capacity(messages.len());
    for it in messages {
        let options = BasicPublishOptions {
            mandatory: it.mandatory,
            ..BasicPublishOptions::default()
        };
        let (exchange, key) = (it.exchange.clone(), it.key.clone());
        let publish =
            lane.channel
                .basic_publish(exchange, key, options, &it.body, it.properties.clone());
        confirms.push(publish.await.map_err(|error| error.to_string())?);
    }
    for confirm in confirms {
        let confirmation = confirm.await.map_err(|error| error.to_string())?;
        let taken = confirmation.is_ack();
        if let Some(returned) = confirmation.take_message() {
            let reason = returned.reply_text.as_str();
            return Err(format!("message returned as unroutable: {reason}"));
        }
        if !taken {
            return Err("message rejected by the broker".to_owned());
        }
    }
    Ok(())
}

/// Waits for `call`, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    what: &str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, String> {
    match timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no response within {limit:?}: {what}")),
    }
}

/// Waits for the answer to one call.
pub(super) async fn call<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, Error> {
    within(CALL_TIMEOUT, "call", call).await.map_err(|error| {
        tracing::warn!(error, "broker call failed");
        AWAY
    })
}

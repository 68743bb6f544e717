//! Why connections are closed: what hyper refuses by itself has no other signal.

use std::{error::Error as _, sync::LazyLock};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use telemetry::names;

/// Why a connection was closed by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// hyper answered 400: this is no head of a request.
    MalformedHead,
    /// hyper answered 431.
    HeadTooLarge,
    /// h2 ended the connection: its client broke the rules of HTTP/2 (RFC 9113, section 5.4.1).
    Protocol,
    /// No further request came whole in time, or over HTTP/2 nobody answered PINGs.
    Idle,
    /// The client did not read.
    Stalled,
    /// The client did not say which version it speaks.
    NoProtocol,
    /// The client's address has too many connections.
    PeerLimit,
}

const ALL: [Reason; 7] = [
    Reason::MalformedHead,
    Reason::HeadTooLarge,
    Reason::Protocol,
    Reason::Idle,
    Reason::Stalled,
    Reason::NoProtocol,
    Reason::PeerLimit,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    error_type: &'static str,
}

static CLOSED: LazyLock<Family<Labels, Counter>> = LazyLock::new(|| {
    let help = "Connections closed because of what their client did";
    let closed = Family::<Labels, Counter>::default();
    // A rate does not see the first value of a series that was not there before.
    for reason in ALL {
        drop(closed.get_or_create(&reason.labels()));
    }
    telemetry::register(names::HTTP_SERVER_CONNECTIONS_CLOSED, help, closed)
});

/// Makes the series.
pub(super) fn register() {
    LazyLock::force(&CLOSED);
}

impl Reason {
    /// What a connection ended with, where that was our doing.
    pub(super) fn of(error: &hyper::Error) -> Option<Self> {
        if error.is_parse_too_large() {
            Some(Self::HeadTooLarge)
        } else if error.is_parse() {
            Some(Self::MalformedHead)
        } else if error.is_timeout() {
            Some(Self::Idle)
        } else {
            let h2 = error.source().and_then(|it| it.downcast_ref::<h2::Error>());
            let ours = h2.is_some_and(|it| it.is_go_away() && it.is_library());
            ours.then_some(Self::Protocol)
        }
    }

    /// The status that hyper has answered, without a body.
    fn status(self) -> Option<u16> {
        match self {
            Self::MalformedHead => Some(400),
            Self::HeadTooLarge => Some(431),
            Self::Protocol | Self::Idle | Self::Stalled | Self::NoProtocol | Self::PeerLimit => {
                None
            }
        }
    }

    fn labels(self) -> Labels {
        let error_type = match self {
            Self::MalformedHead => "malformed_head",
            Self::HeadTooLarge => "head_too_large",
            Self::Protocol => "protocol_error",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::NoProtocol => "no_protocol",
            Self::PeerLimit => "peer_limit",
        };
        Labels { error_type }
    }

    /// Counts a connection that was closed for this reason, and writes of a request that hyper refused.
    pub(super) fn count(self) {
        let labels = self.labels();
        if let Some(status) = self.status() {
            let error_type = labels.error_type;
            tracing::info!(error_type, status, "request refused before it was read");
        }
        CLOSED.get_or_create(&labels).inc();
    }

    /// How often it was counted.
    #[cfg(test)]
    pub(super) fn counted(self) -> u64 {
        CLOSED.get_or_create(&self.labels()).get()
    }
}

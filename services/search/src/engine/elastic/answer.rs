//! One call to the server, observed and within its time.

use std::time::Duration;

use elasticsearch::http::response::Response;
use serde::{Deserialize, de::DeserializeOwned};
use telemetry::DbFailure;

/// What `db.system.name` calls it.
const SYSTEM: &str = "elasticsearch";
/// The longest a search or a change may take.
pub(super) const SHORT: Duration = Duration::from_secs(3);
/// The longest anything else may take, such as a thousand products at once.
pub(super) const LONG: Duration = Duration::from_secs(30);

/// Why the server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("search engine unavailable or overloaded")]
    Away,
    /// `kind` is the type of its exception; its text may quote what people typed.
    #[error("search engine rejected the request: {status} {kind}")]
    Refused { status: u16, kind: String },
    #[error("search engine response malformed")]
    Unreadable(#[source] serde_json::Error),
}

impl Failure {
    /// For a status that is no success.
    pub(super) fn of(status: u16, kind: String) -> Self {
        match status {
            // Whether it is a wrong password or a full disk: it can be put right, and then trying again helps.
            401 | 403 | 408 | 429 | 500.. => Self::Away,
            _ => Self::Refused { status, kind },
        }
    }

    /// As samples and spans have it.
    fn reason(&self) -> DbFailure {
        match self {
            Self::Away => DbFailure::Reason("unavailable"),
            Self::Refused { status, .. } => DbFailure::Code(status.to_string().into()),
            Self::Unreadable(_) => DbFailure::Reason("malformed"),
        }
    }

    pub(super) fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == wanted)
    }
}

impl From<Failure> for chassis::Error {
    fn from(failure: Failure) -> Self {
        if matches!(failure, Failure::Away) || failure.is(404) {
            return Self::Unavailable("the search engine");
        }
        Self::Internal(anyhow::Error::new(failure).context("query the search engine"))
    }
}

/// What is wrong, as the server says it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Cause {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: Cause,
}

/// What is in the answer of a call that `sent` makes.
pub(super) async fn ask<T: DeserializeOwned>(
    operation: &'static str,
    longest: Duration,
    sent: impl Future<Output = Result<Response, elasticsearch::Error>>,
) -> Result<T, Failure> {
    let asked = ask_quietly(operation, longest, sent);
    telemetry::db(SYSTEM, operation, "products", Failure::reason, asked).await
}

/// The same for a probe, which is asked for every second and would make telemetry without end of an idle service.
pub(super) async fn ask_quietly<T: DeserializeOwned>(
    operation: &'static str,
    longest: Duration,
    sent: impl Future<Output = Result<Response, elasticsearch::Error>>,
) -> Result<T, Failure> {
    let read = tokio::time::timeout(longest, read(operation, sent)).await;
    read.unwrap_or_else(|_| Err(away(operation, "response timeout")))
}

async fn read<T: DeserializeOwned>(
    operation: &'static str,
    sent: impl Future<Output = Result<Response, elasticsearch::Error>>,
) -> Result<T, Failure> {
    // What the client says of a failure may hold the server's address, and is not told.
    let Ok(response) = sent.await else {
        return Err(away(operation, "no connection"));
    };
    let status = response.status_code();
    let Ok(body) = response.bytes().await else {
        return Err(away(operation, "response interrupted"));
    };
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(Failure::Unreadable);
    }
    // Some refusals are a mere text.
    let kind = serde_json::from_slice(&body).map_or(String::new(), |it: Refusal| it.error.kind);
    tracing::debug!(operation, %status, kind, "search engine rejected the request");
    match Failure::of(status.as_u16(), kind) {
        Failure::Away => Err(away(operation, status.as_str())),
        refused => Err(refused),
    }
}

fn away(operation: &'static str, reason: &str) -> Failure {
    tracing::warn!(operation, reason, "search engine unavailable");
    Failure::Away
}

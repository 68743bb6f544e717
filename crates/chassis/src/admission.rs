//! Who is served when there is not room for all: a limit on how many requests are under way at once, a short queue before it, and
//! for the rest an answer at once.
//!
//! - `class`: what a request is worth, by its route
//! - `gate`: who may begin, who waits, and who is refused
//! - `queue`: those who wait
//! - `place`: what a request holds that has begun
//! - `signals`: what all that tells of itself
//!
//! A request is let in when it has come whole, so that a client that sends slowly holds nothing; while it waits for another service it
//! holds nothing either ([`elsewhere`]), and that time is not taken for its own: a slow upstream is no reason to refuse what does not
//! need it.

mod class;
mod gate;
mod place;
mod queue;
mod settings;
mod signals;
#[cfg(test)]
mod tests;

use std::error::Error as _;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use http_body_util::{BodyExt as _, LengthLimitError};
use tokio::time::Instant;

pub use self::{
    class::Class,
    place::elsewhere,
    settings::{Allowed, Concurrency},
};
pub(crate) use self::{class::Classes, gate::Gate};
use crate::{Error, layers};

/// Says that a request was refused before any work was done for it, and why: `full`, `waited` or `too_late`. Nothing has failed then,
/// and a caller's breaker need not take it for a failure.
pub const SHED: HeaderName = HeaderName::from_static("x-shed");

/// Why a request was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// There was no room even to wait, or somebody more important took it.
    Full,
    /// It waited as long as any may.
    Waited,
    /// An answer would have come after its deadline.
    TooLate,
}

impl Reason {
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::Waited, Self::TooLate];

    /// As metrics and [`SHED`] call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Waited => "waited",
            Self::TooLate => "too_late",
        }
    }

    fn error(self) -> Error {
        match self {
            Self::Full | Self::Waited => Error::Overloaded,
            Self::TooLate => Error::Timeout,
        }
    }
}

/// Lets `serve` have `request`, which must be answered by `deadline`, if there is room for it in time.
pub(crate) async fn admit<F: Future<Output = Response>>(
    gate: &Gate,
    request: Request,
    serve: impl FnOnce(Request) -> F,
    deadline: Instant,
) -> Response {
    let grpc = telemetry::is_rpc(&request);
    let class = gate.class_of(&request);
    let request = match whole(request).await {
        Ok(it) => it,
        Err(error) => return layers::answer(error, grpc),
    };
    match gate.enter(class, deadline).await {
        Ok(place) => place.serve(serve(request)).await,
        Err(reason) => refusal(reason, grpc),
    }
}

/// The request with its whole body in memory: no more than the limit of its size lets in.
async fn whole(request: Request) -> Result<Request, Error> {
    let (parts, body) = request.into_parts();
    let body = if axum::body::HttpBody::is_end_stream(&body) {
        body
    } else {
        Body::new(body.collect().await.map_err(|error| unread(&error))?)
    };
    Ok(Request::from_parts(parts, body))
}

fn unread(error: &axum::Error) -> Error {
    let mut cause = error.source();
    while let Some(it) = cause {
        if it.is::<LengthLimitError>() {
            return Error::TooLarge;
        }
        cause = it.source();
    }
    Error::Invalid("the request body could not be read".to_owned())
}

fn refusal(reason: Reason, grpc: bool) -> Response {
    let mut response = layers::answer(reason.error(), grpc);
    let headers = response.headers_mut();
    headers.insert(SHED, HeaderValue::from_static(reason.name()));
    if grpc && reason != Reason::TooLate {
        // A gRPC status has no place for it; as a header it is metadata of the answer.
        headers.insert(header::RETRY_AFTER, Error::RETRY_AFTER);
    }
    response.extensions_mut().insert(telemetry::Shed);
    response
}

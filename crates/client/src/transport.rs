//! How a request gets to a replica, and its whole answer back: over a connection, or as a call where the replica is in this process.

use std::error::Error as StdError;

use axum::{
    Router,
    body::{Body as RequestBody, HttpBody},
    http::{Request, Response, uri::PathAndQuery},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::{self, Client, connect::HttpConnector};
use tower::ServiceExt as _;

/// The body of an upstream's answer in gRPC, with its trailers.
pub type Body = Collected<Bytes>;

/// The longest answer, in bytes, which is held in memory: more than a page of 100 products, whose descriptions have 4,000
/// characters each.
pub(crate) const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What carries requests.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    /// Connections, which are kept.
    Wire(Box<Client<HttpConnector, Full<Bytes>>>),
    /// Nothing: the routes of the service are in this process, and are called.
    Within(Router),
}

/// An answer that came to its end.
pub(crate) struct Whole {
    pub(crate) answer: Response<Body>,
    /// How long its body is, without trailers.
    pub(crate) bytes: usize,
}

/// Why there is no answer.
pub(crate) enum Failure {
    /// Nothing was sent.
    Connect,
    /// The answer is longer than it may be.
    TooLarge,
    /// There was none in time.
    Late,
    /// The connection broke.
    Io(String),
}

impl From<legacy::Error> for Failure {
    fn from(error: legacy::Error) -> Self {
        if error.is_connect() {
            Self::Connect
        } else {
            Self::Io(error.to_string())
        }
    }
}

impl Transport {
    /// Whether a request goes over a connection to an address.
    pub(crate) fn is_wire(&self) -> bool {
        matches!(self, Self::Wire(_))
    }

    /// Sends `request` and reads the answer to its end.
    pub(crate) async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Whole, Failure> {
        match self {
            Self::Wire(client) => whole(client.request(request).await?).await,
            // A future of its own size: callees call others.
            Self::Within(routes) => Box::pin(call(routes.clone(), request)).await,
        }
    }
}

/// Has `routes` answer `request` as they would one that came in: it names a path, and no address.
async fn call(routes: Router, request: Request<Full<Bytes>>) -> Result<Whole, Failure> {
    let mut request = request.map(RequestBody::new);
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.unwrap_or(PathAndQuery::from_static("/")).into();
    let Ok(answer) = routes.oneshot(request).await;
    whole(answer).await
}

async fn whole<B>(answer: Response<B>) -> Result<Whole, Failure>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (parts, body) = answer.into_parts();
    let mut bytes = 0;
    let counted = body.map_frame(|frame| {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        frame
    });
    let body = Limited::new(counted, MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Failure::TooLarge
        } else {
            Failure::Io(error.to_string())
        }
    })?;
    Ok(Whole {
        answer: Response::from_parts(parts, body),
        bytes,
    })
}

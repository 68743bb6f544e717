//! The one error type handlers return, and how it reads on the wire.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Why a request could not be served. It is the only type that knows status codes.
///
/// Every text but that of `Internal` is also the answer. `Internal` keeps its cause for the log; the caller learns only
/// that we failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 400: the request is malformed.
    #[error("{0}")]
    Invalid(String),
    /// 401: who is asking is not known.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 401: who is asking is known by a token that does not hold.
    #[error("{0}")]
    InvalidToken(&'static str),
    /// 403: who is asking may not.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 404: there is no such thing.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// 408: the rest of the request did not come in time.
    #[error("the request body did not come in time")]
    Incomplete,
    /// 409: the request is fine but the current state forbids it.
    #[error("{0}")]
    Conflict(String),
    /// 413: the body is over the limit.
    #[error("request body exceeds the size limit")]
    TooLarge,
    /// 414: the target is over the limit for a head.
    #[error("the request's target exceeds the size limit")]
    UriTooLong,
    /// 431: the head is over the limit.
    #[error("the request's headers exceed the size limit")]
    HeadTooLarge,
    /// 422: well-formed, and against a rule.
    #[error("{0}")]
    Unprocessable(String),
    /// 429: over the caller's rate; try again after these seconds.
    #[error("too many requests; try again in {retry_after_s} s")]
    TooManyRequests {
        /// Whole seconds, at least 1.
        retry_after_s: u64,
    },
    /// 503: something we need did not answer; trying again may help.
    #[error("{0} is unavailable")]
    Unavailable(&'static str),
    /// 503: there is no room for the request, and nothing was done for it; trying again later may help.
    #[error("the service is overloaded; try again in 1 s")]
    Overloaded,
    /// 504: the deadline passed first.
    #[error("the request did not finish within its deadline")]
    Timeout,
    /// 500: something broke.
    #[error("internal error")]
    Internal(#[from] anyhow::Error),
}

impl Error {
    /// When to try again, in seconds, where that may help soon.
    pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

    /// The HTTP status of this error.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// This error once more, for another of the callers that waited for the same work. The cause is logged with each.
    #[must_use]
    pub fn shared(error: &Self) -> Self {
        match error {
            Self::Invalid(text) => Self::Invalid(text.clone()),
            Self::Unauthorized(text) => Self::Unauthorized(text),
            Self::InvalidToken(text) => Self::InvalidToken(text),
            Self::Forbidden(text) => Self::Forbidden(text),
            Self::NotFound(what) => Self::NotFound(what),
            Self::Incomplete => Self::Incomplete,
            Self::Conflict(text) => Self::Conflict(text.clone()),
            Self::TooLarge => Self::TooLarge,
            Self::UriTooLong => Self::UriTooLong,
            Self::HeadTooLarge => Self::HeadTooLarge,
            Self::Unprocessable(text) => Self::Unprocessable(text.clone()),
            Self::TooManyRequests { retry_after_s } => Self::TooManyRequests {
                retry_after_s: *retry_after_s,
            },
            Self::Unavailable(what) => Self::Unavailable(what),
            Self::Overloaded => Self::Overloaded,
            Self::Timeout => Self::Timeout,
            Self::Internal(cause) => Self::Internal(anyhow::anyhow!("{cause:#}")),
        }
    }

    /// The same error for a gRPC caller.
    pub fn into_grpc(self) -> tonic::Status {
        let code = match &self {
            Self::Invalid(_) | Self::Unprocessable(_) => tonic::Code::InvalidArgument,
            Self::Unauthorized(_) | Self::InvalidToken(_) => tonic::Code::Unauthenticated,
            Self::Forbidden(_) => tonic::Code::PermissionDenied,
            Self::NotFound(_) => tonic::Code::NotFound,
            // Of the statuses that are no failure of ours, the one for a call that its caller did not see through.
            Self::Incomplete => tonic::Code::Cancelled,
            Self::Conflict(_) => tonic::Code::FailedPrecondition,
            Self::TooLarge
            | Self::UriTooLong
            | Self::HeadTooLarge
            | Self::TooManyRequests { .. } => tonic::Code::ResourceExhausted,
            // And not RESOURCE_EXHAUSTED, which says that it is the caller who asks for too much.
            Self::Unavailable(_) | Self::Overloaded => tonic::Code::Unavailable,
            Self::Timeout => tonic::Code::DeadlineExceeded,
            Self::Internal(_) => tonic::Code::Internal,
        };
        self.log();
        tonic::Status::new(code, self.to_string())
    }

    /// What went wrong in one word, as metrics and spans call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::Unauthorized(_) => "unauthorized",
            Self::InvalidToken(_) => "invalid_token",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Incomplete => "incomplete",
            Self::Conflict(_) => "conflict",
            Self::TooLarge => "too_large",
            Self::UriTooLong => "uri_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::Unprocessable(_) => "unprocessable",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Unavailable(_) => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Internal(_) => "internal",
        }
    }

    /// Logs what the caller is not told: the cause of [`Error::Internal`].
    pub fn log(&self) {
        if let Self::Internal(cause) = self {
            tracing::error!(error = format!("{cause:#}"), "request failed");
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let mut response = Problem::new(self.status(), self.to_string()).into_response();
        let (name, value) = match self {
            // Which scheme would be accepted (RFC 6750, section 3).
            Self::Unauthorized(_) => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            // What is wrong with the one that came (section 3.1).
            Self::InvalidToken(_) => (
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer error=\"invalid_token\""),
            ),
            Self::TooManyRequests { retry_after_s } => (header::RETRY_AFTER, retry_after_s.into()),
            Self::Unavailable(_) | Self::Overloaded => (header::RETRY_AFTER, Self::RETRY_AFTER),
            _ => return response,
        };
        response.headers_mut().insert(name, value);
        response
    }
}

/// The media type of [`Problem`].
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Problem details (RFC 9457). `type` is left out, which means `about:blank`: the status says it all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status, repeated.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16, example = 404)]
    pub status: StatusCode,
    /// What the status means.
    #[schema(example = "Not Found")]
    pub title: String,
    /// What went wrong this time.
    #[schema(example = "product not found")]
    pub detail: String,
    /// Names the request in logs and traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem of the current request.
    pub fn new(status: StatusCode, detail: String) -> Self {
        Self {
            status,
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail,
            request_id: telemetry::current()
                .and_then(|it| it.request_id.to_str().ok().map(str::to_owned)),
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde asks for"
)]
fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

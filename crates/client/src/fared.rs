//! How a try fared, for those who learn from it: breaker, outliers, retries.
//!
//! What is held against an upstream is what its caller sees of it: no connection, no whole answer, none in time, or an answer that says
//! that it is broken. An upstream that sheds load ([`chassis::SHED`]) or says when to come back (429, or 503 with `Retry-After`) lives and knows
//! what it does: it is obeyed, and nothing is held against it; so it is with one that has waited for somebody else (504). Otherwise a
//! service whose own upstream is away would be cut off together with all that it can still do. Whatever it says, taking long counts.

use std::time::Duration;

use axum::http::{HeaderMap, Response, StatusCode, header};
use resilience::Call;
use tonic::Code;

use crate::transport::Body;

/// gRPC's way to say when to come back, in milliseconds (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Whether another try may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It may not.
    No,
    /// It may, after a moment.
    Soon,
    /// The upstream says when.
    After(Duration),
}

/// How an answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fared {
    pub(crate) call: Call,
    pub(crate) again: Again,
}

impl Fared {
    /// What an answer says of who gave it.
    pub(crate) fn of(answer: &Response<Body>, grpc: bool) -> Self {
        if grpc && answer.status().is_success() {
            by_code(answer.body().trailers(), answer.headers())
        } else {
            by_status(answer.status(), answer.headers())
        }
    }
}

fn by_status(status: StatusCode, headers: &HeaderMap) -> Fared {
    let after = retry_after(headers);
    let (call, again) = match (status, after) {
        _ if headers.contains_key(chassis::SHED) => {
            (Call::Ignored, after.map_or(Again::No, Again::After))
        }
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
            (Call::Ignored, Again::After(wait))
        }
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::GATEWAY_TIMEOUT, _) => {
            (Call::Ignored, Again::No)
        }
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY, _) => {
            (Call::Failed, Again::Soon)
        }
        _ if status.is_server_error() => (Call::Failed, Again::No),
        _ => (Call::Succeeded, Again::No),
    };
    Fared { call, again }
}

/// Whole seconds. A date, which `Retry-After` may also be, is not read: nothing of ours writes one.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// The status stands in the trailers, or in the headers of an answer without a body; what else is said may stand in either.
fn by_code(trailers: Option<&HeaderMap>, headers: &HeaderMap) -> Fared {
    let both = || trailers.into_iter().chain([headers]);
    let code = both().find_map(tonic::Status::from_header_map);
    let pushback = both().find_map(pushback);
    let pushback = pushback.or_else(|| both().find_map(retry_after).map(Again::After));
    let shed = pushback.is_some() || headers.contains_key(chassis::SHED);
    let again = pushback.unwrap_or(Again::No);
    let (call, again) = match code.map(|it| it.code()) {
        Some(Code::Unavailable) if !shed => (Call::Failed, Again::Soon),
        Some(Code::Unavailable | Code::ResourceExhausted) => (Call::Ignored, again),
        Some(Code::DeadlineExceeded | Code::Cancelled) => (Call::Ignored, Again::No),
        Some(Code::Unknown | Code::Internal | Code::DataLoss | Code::Unimplemented) | None => {
            (Call::Failed, Again::No)
        }
        _ => (Call::Succeeded, Again::No),
    };
    Fared { call, again }
}

/// What is no number of milliseconds says: do not.
fn pushback(headers: &HeaderMap) -> Option<Again> {
    let said = headers.get(PUSHBACK)?.to_str().ok()?;
    let millis = said.parse().map(Duration::from_millis);
    Some(millis.map_or(Again::No, Again::After))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16, retry_after: Option<&'static str>) -> (Call, Again) {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        }
        let it = by_status(StatusCode::from_u16(status).unwrap(), &headers);
        (it.call, it.again)
    }

    #[test]
    fn who_says_when_to_come_back_or_waited_for_another_is_not_held_to_be_broken() {
        let second = Again::After(Duration::from_secs(1));
        for (status, after, expected) in [
            (200, None, (Call::Succeeded, Again::No)),
            (404, None, (Call::Succeeded, Again::No)),
            (429, None, (Call::Ignored, Again::No)),
            (429, Some("1"), (Call::Ignored, second)),
            (500, None, (Call::Failed, Again::No)),
            (502, None, (Call::Failed, Again::Soon)),
            (503, None, (Call::Failed, Again::Soon)),
            (503, Some("1"), (Call::Ignored, second)),
            (503, Some("tomorrow"), (Call::Failed, Again::Soon)),
            (504, None, (Call::Ignored, Again::No)),
        ] {
            assert_eq!(http(status, after), expected, "{status} {after:?}");
        }
    }

    fn grpc(code: &'static str, pushback: Option<&'static str>) -> (Call, Again) {
        let mut trailers = HeaderMap::new();
        if !code.is_empty() {
            trailers.insert("grpc-status", code.parse().unwrap());
        }
        if let Some(value) = pushback {
            trailers.insert(PUSHBACK, value.parse().unwrap());
        }
        let it = by_code(Some(&trailers), &HeaderMap::new());
        assert_eq!(by_code(None, &trailers), it, "without a body");
        (it.call, it.again)
    }

    #[test]
    fn a_request_that_was_shed_is_no_failure_in_either_protocol() {
        let shed = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs
                .iter()
                .chain(&[("x-shed", "full"), ("retry-after", "1")]);
            let pairs = pairs.map(|(name, value)| {
                let name = axum::http::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            });
            pairs.collect::<HeaderMap>()
        };
        let expected = Fared {
            call: Call::Ignored,
            again: Again::After(Duration::from_secs(1)),
        };
        let answer = by_status(StatusCode::SERVICE_UNAVAILABLE, &shed(&[]));
        assert_eq!(answer, expected);
        assert_eq!(by_code(None, &shed(&[("grpc-status", "14")])), expected);
    }

    #[test]
    fn a_status_of_grpc_means_the_same_as_that_of_http() {
        let soon = Again::After(Duration::from_millis(20));
        for (code, pushback, expected) in [
            ("0", None, (Call::Succeeded, Again::No)),
            ("5", None, (Call::Succeeded, Again::No)),
            ("8", None, (Call::Ignored, Again::No)),
            ("8", Some("20"), (Call::Ignored, soon)),
            ("14", None, (Call::Failed, Again::Soon)),
            ("14", Some("20"), (Call::Ignored, soon)),
            ("14", Some("-1"), (Call::Ignored, Again::No)),
            ("4", None, (Call::Ignored, Again::No)),
            ("13", None, (Call::Failed, Again::No)),
            ("", None, (Call::Failed, Again::No)),
        ] {
            assert_eq!(grpc(code, pushback), expected, "{code} {pushback:?}");
        }
    }
}

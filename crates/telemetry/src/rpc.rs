//! gRPC's status: in the trailers, or in the headers of an answer without a body.

use std::sync::{PoisonError, RwLock};

use http::{HeaderMap, HeaderValue, header};

/// Whether these are the headers of a gRPC message: `application/grpc`, or this with a format such as `+proto`.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.and_then(|it| it.split(|it| *it == b';').next());
    kind.is_some_and(|it| {
        let (kind, format) = it
            .trim_ascii()
            .split_at_checked(GRPC.len())
            .unwrap_or_default();
        kind.eq_ignore_ascii_case(GRPC) && matches!(format.first(), None | Some(b'+'))
    })
}

/// By number (gRPC, "Status codes and their use").
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The status by name, if these headers or trailers hold one.
pub(crate) fn status(headers: &HeaderMap) -> Option<&'static str> {
    let code = headers
        .get("grpc-status")?
        .to_str()
        .ok()?
        .parse::<usize>()
        .ok()?;
    Some(NAMES.get(code).copied().unwrap_or(UNKNOWN))
}

/// What `rpc.system.name` is.
pub(crate) const SYSTEM: &str = "grpc";

pub(crate) const UNKNOWN: &str = "UNKNOWN";
pub(crate) const CANCELLED: &str = "CANCELLED";
pub(crate) const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
pub(crate) const UNAVAILABLE: &str = "UNAVAILABLE";
pub(crate) const UNIMPLEMENTED: &str = "UNIMPLEMENTED";

/// The statuses that are the server's fault (OpenTelemetry semantic conventions for gRPC).
pub(crate) fn is_server_error(status: &str) -> bool {
    matches!(
        status,
        UNKNOWN | DEADLINE_EXCEEDED | UNIMPLEMENTED | "INTERNAL" | UNAVAILABLE | "DATA_LOSS"
    )
}

static METHODS: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

/// Tells of gRPC methods that this process serves, each `package.Service/Method` as its descriptor has it, before their first
/// call. Nothing else is taken for a gRPC call, and nothing else names a metric series or a span.
pub fn serve_rpc(methods: &[&'static str]) {
    let mut known = METHODS.write().unwrap_or_else(PoisonError::into_inner);
    let new = methods.iter().filter(|it| !known.contains(it));
    let new: Vec<_> = new.copied().collect();
    known.extend(new);
}

/// Those of `service`, `package.Service`.
pub(crate) fn methods_of(service: &str) -> Vec<&'static str> {
    let known = METHODS.read().unwrap_or_else(PoisonError::into_inner);
    let of = |it: &&&str| it.split_once('/').is_some_and(|it| it.0 == service);
    known.iter().filter(of).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_that_of_grpc_whatever_its_case_format_and_parameters() {
        let grpc = |kind: &str| {
            let kind = HeaderValue::try_from(kind).unwrap();
            is_grpc(&HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]))
        };
        for yes in [
            "application/grpc",
            "Application/gRPC+proto",
            "application/grpc ; charset=utf-8",
        ] {
            assert!(grpc(yes), "{yes}");
        }
        for no in [
            "",
            "application/grp",
            "application/grpc-web",
            "application/grpcx",
        ] {
            assert!(!grpc(no), "{no}");
        }
    }
}

//! gRPC's status: in the trailers, or in the headers of an answer without a body.

use std::{
    pin::Pin,
    sync::{PoisonError, RwLock},
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderValue, header};
use http_body::{Body, Frame, SizeHint};

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
pub(crate) const UNIMPLEMENTED: &str = "UNIMPLEMENTED";

/// The statuses that are the server's fault (OpenTelemetry semantic conventions for gRPC).
pub(crate) fn is_server_error(status: &str) -> bool {
    matches!(
        status,
        UNKNOWN | "DEADLINE_EXCEEDED" | UNIMPLEMENTED | "INTERNAL" | "UNAVAILABLE" | "DATA_LOSS"
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

/// Something to be told the status of a call, once. Dropped untold, the call was cancelled.
pub(crate) trait Ended {
    fn ended(self, status: &'static str);
}

type Watcher = Box<dyn FnOnce(&'static str) + Send + Sync>;

pin_project_lite::pin_project! {
    /// A body that reports the gRPC status at its end; any other body passes through.
    pub struct ObservedBody<B> {
        #[pin]
        inner: B,
        watcher: Option<Watcher>,
        status: Option<&'static str>,
    }

    impl<B> PinnedDrop for ObservedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(watcher) = this.watcher.take() {
                watcher(this.status.unwrap_or(CANCELLED));
            }
        }
    }
}

impl<B> std::fmt::Debug for ObservedBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObservedBody").finish_non_exhaustive()
    }
}

impl<B> ObservedBody<B> {
    /// Leaves `inner` alone.
    pub(crate) fn plain(inner: B) -> Self {
        Self {
            inner,
            watcher: None,
            status: None,
        }
    }

    /// Tells `call` how it ended. `status` is that of an answer without a body.
    pub(crate) fn watched(
        inner: B,
        status: Option<&'static str>,
        call: impl Ended + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            watcher: Some(Box::new(|status| call.ended(status))),
            status,
        }
    }
}

impl<B: Body> Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if this.watcher.is_some() {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(status) = frame.trailers_ref().and_then(status) {
                        *this.status = Some(status);
                        finish(this.watcher, status);
                    }
                }
                Some(Err(_)) => finish(this.watcher, "UNAVAILABLE"),
                None => finish(this.watcher, this.status.unwrap_or(UNKNOWN)),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn finish(watcher: &mut Option<Watcher>, status: &'static str) {
    if let Some(watcher) = watcher.take() {
        watcher(status);
    }
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

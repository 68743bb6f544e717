//! What one route keeps between requests: its name, its histograms, and whether it is that of a gRPC service.

use std::{
    borrow::Cow,
    sync::{LazyLock, PoisonError, RwLock},
};

use axum::extract::Request;
use opentelemetry::trace::SpanContext;

use crate::{
    metrics::{Labels, Latencies, Latency, SCHEME, latencies},
    names, rpc,
};

/// Why a request with this status failed: the `reason` that is known beside it, the status if the server failed, else nothing.
pub(super) fn error_type(status: u16, reason: &str) -> String {
    if reason.is_empty() && status >= 500 {
        status.to_string()
    } else {
        reason.to_owned()
    }
}

/// One route, or what matches none.
#[derive(Debug)]
pub(super) struct Route {
    /// Empty for what matches none.
    pub(super) template: String,
    /// If it is that of a gRPC service, what that has.
    methods: Vec<&'static str>,
    /// The handful of histograms of this route, found by comparing a few words instead of hashing five texts.
    latencies: RwLock<Vec<(&'static str, u16, &'static str, Latency)>>,
}

pub(super) static HTTP_DURATION: LazyLock<Latencies<5>> = LazyLock::new(|| {
    let help = "Duration of HTTP requests, from the request headers to the response headers";
    latencies(names::HTTP_SERVER_REQUEST_DURATION, help)
});

/// Has `/metrics` show a route that is promised to answer with these statuses too, at zero: a rate misses the first sample of a series that
/// was not there before.
pub fn promise(method: &'static str, route: &'static str, statuses: &[u16]) {
    for status in statuses {
        drop(histogram(method, route.into(), *status, ""));
    }
}

fn histogram(method: &'static str, route: Cow<'static, str>, status: u16, reason: &str) -> Latency {
    HTTP_DURATION.get_or_create_owned(&Labels([
        (names::HTTP_REQUEST_METHOD, method.into()),
        (names::URL_SCHEME, SCHEME.into()),
        (names::HTTP_ROUTE, route),
        (names::HTTP_RESPONSE_STATUS_CODE, status.to_string().into()),
        (names::ERROR_TYPE, error_type(status, reason).into()),
    ]))
}

impl Route {
    pub(super) fn new(template: &str) -> Self {
        // tonic routes a service under `/package.Service/{*rest}`.
        let path = template.strip_prefix('/');
        let service = path.and_then(|it| it.strip_suffix("/{*rest}"));
        Self {
            template: template.to_owned(),
            methods: service.map(rpc::methods_of).unwrap_or_default(),
            latencies: RwLock::default(),
        }
    }

    /// The method that a gRPC call asks for. A name that the service does not have is its caller's choice, and names nothing.
    pub(super) fn rpc_method(&self, request: &Request) -> Option<&'static str> {
        if self.methods.is_empty() || !rpc::is_grpc(request.headers()) {
            return None;
        }
        let asked = request.uri().path().strip_prefix('/');
        let known = self.methods.iter().find(|it| Some(**it) == asked);
        Some(known.copied().unwrap_or("_OTHER"))
    }

    pub(super) fn observe(
        &self,
        method: &'static str,
        status: u16,
        reason: &'static str,
        seconds: f64,
        span: &SpanContext,
    ) {
        let known = self
            .latencies
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let hit = known
            .iter()
            .find(|it| it.1 == status && it.0 == method && it.2 == reason);
        if let Some((.., latency)) = hit {
            latency.observe(seconds, span);
            return;
        }
        drop(known);
        let latency = histogram(method, self.template.clone().into(), status, reason);
        latency.observe(seconds, span);
        let mut known = self
            .latencies
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.push((method, status, reason, latency));
    }
}

#[test]
fn a_promised_route_has_its_series_before_the_first_request() {
    let labels = |status: &'static str| {
        Labels([
            (names::HTTP_REQUEST_METHOD, "GET".into()),
            (names::URL_SCHEME, SCHEME.into()),
            (names::HTTP_ROUTE, "/promised".into()),
            (names::HTTP_RESPONSE_STATUS_CODE, status.into()),
            (names::ERROR_TYPE, status.into()),
        ])
    };
    promise("GET", "/promised", &[500, 503]);
    for (status, there) in [("500", true), ("503", true), ("504", false)] {
        assert_eq!(
            HTTP_DURATION.get(&labels(status)).is_some(),
            there,
            "{status}"
        );
    }
}

//! What passes through to a service unchanged.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, header, request::Parts, uri::PathAndQuery},
    response::Response,
    routing::MethodFilter,
};
use chassis::Error;
use client::Upstream;

use crate::upstreams::Upstreams;

/// A route that passes through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passage {
    pub(crate) path: &'static str,
    pub(crate) methods: MethodFilter,
    pub(crate) to: Target,
}

/// A service that routes pass through to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Catalog,
    Orders,
    Search,
    Users,
}

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PATCH: MethodFilter = MethodFilter::PATCH;

/// Log-ins and registrations have a rate of their own.
pub(crate) const LOG_IN: &str = "/sessions";
pub(crate) const REGISTER: &str = "/users";

/// Every route that passes through. What the services have beyond it, and what they say of it in their descriptions, stays
/// inside.
pub(crate) const PASSAGES: [Passage; 9] = [
    passage("/products", GET.or(POST), Target::Catalog),
    passage("/products/{id}", PATCH, Target::Catalog),
    passage("/search", GET, Target::Search),
    passage(REGISTER, POST, Target::Users),
    passage("/users/me", GET, Target::Users),
    passage(LOG_IN, POST, Target::Users),
    passage("/.well-known/jwks.json", GET, Target::Users),
    passage("/orders", GET.or(POST), Target::Orders),
    passage("/orders/{id}", GET, Target::Orders),
];

const fn passage(path: &'static str, methods: MethodFilter, to: Target) -> Passage {
    Passage { path, methods, to }
}

impl Upstreams {
    pub(crate) fn at(&self, target: Target) -> &Upstream {
        match target {
            Target::Catalog => &self.catalog,
            Target::Orders => &self.orders,
            Target::Search => &self.search,
            Target::Users => &self.users,
        }
    }
}

/// Headers that go in. Everything else stays outside, above all headers that would claim an identity or a deadline: who is
/// asking is what the token says, and every service verifies it.
const REQUEST_HEADERS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_NONE_MATCH,
    IDEMPOTENCY_KEY,
];
/// Headers that come out.
const RESPONSE_HEADERS: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CACHE_CONTROL,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// Names an order, so that sending it twice places it once.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Passes a request on, and the answer back when it has come whole: so a client that does not read holds nothing of the service
/// behind, and a service that stops in the middle becomes an error that the client can read. A request that
/// is not idempotent is never sent twice: only its sender knows whether that is harmless.
pub(crate) async fn forward(
    upstream: &Upstream,
    template: &'static str,
    parts: Parts,
    body: Bytes,
) -> Result<Response, Error> {
    let path = parts.uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let headers = keep(&parts.headers, &REQUEST_HEADERS);
    let answer = upstream
        .send(parts.method, template, path, headers, body)
        .await?;
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = parts.status;
    *response.headers_mut() = keep(&parts.headers, &RESPONSE_HEADERS);
    Ok(response)
}

/// Every line of these headers, unless its sender meant it for us alone.
fn keep(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in names {
        if telemetry::is_hop_by_hop(headers, name) {
            continue;
        }
        for value in headers.get_all(name) {
            kept.append(name, value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_passes_but_what_connection_names() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("accept", "text/html"),
            ("accept", "application/json"),
            ("authorization", "Bearer a"),
            ("idempotency-key", "k-1"),
            ("etag", "other"),
            ("connection", "keep-alive, Authorization"),
            ("connection", "IDEMPOTENCY-KEY"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let kept = keep(&headers, &REQUEST_HEADERS);
        let lines: Vec<_> = kept.get_all("accept").iter().collect();
        assert_eq!(lines, ["text/html", "application/json"]);
        assert_eq!(kept.len(), 2);
    }
}

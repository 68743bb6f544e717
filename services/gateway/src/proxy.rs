//! What passes through to a service unchanged.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, Method, Uri, header, uri::PathAndQuery},
    response::Response,
};
use chassis::{Error, Upstream};

/// Headers that go in. Everything else stays outside, above all headers that would claim an identity or a deadline.
const REQUEST_HEADERS: [HeaderName; 3] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::IF_NONE_MATCH,
];
/// Headers that come out.
const RESPONSE_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CACHE_CONTROL,
    header::ETAG,
    header::RETRY_AFTER,
];

/// Passes a `GET` on and streams the answer back.
pub(crate) async fn get(
    upstream: &Upstream,
    template: &'static str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let path = uri.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let headers = keep(headers, &REQUEST_HEADERS);
    let answer = upstream
        .send(Method::GET, template, path, headers, Bytes::new())
        .await?;
    let (parts, body) = answer.into_parts();
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = parts.status;
    *response.headers_mut() = keep(&parts.headers, &RESPONSE_HEADERS);
    Ok(response)
}

fn keep(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let kept = names
        .iter()
        .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
    kept.collect()
}

//! A request that a persona sends.

use std::net::Ipv4Addr;

use goose::prelude::{GooseMethod, GooseUser, TransactionError};
use reqwest::{
    RequestBuilder, Url,
    header::{CONTENT_TYPE, HeaderName},
};
use serde::Serialize;

use super::doors::Doors;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// What is asked for, and as whom.
pub(crate) struct Request {
    method: GooseMethod,
    route: &'static str,
    path: String,
    json: Option<Vec<u8>>,
    token: Option<String>,
    key: Option<String>,
}

impl Request {
    /// Asks for `path`, counted as `route`.
    pub(crate) fn get(route: &'static str, path: String) -> Self {
        Self {
            method: GooseMethod::Get,
            route,
            path,
            json: None,
            token: None,
            key: None,
        }
    }

    /// Asks for `route`, which is a path too, with a query.
    pub(crate) fn query(route: &'static str, pairs: &[(&str, &str)]) -> Self {
        // The host does not matter, only how a query is written.
        let mut url = Url::parse("http://shop").expect("a constant");
        url.query_pairs_mut().extend_pairs(pairs);
        Self::get(
            route,
            format!("{route}?{}", url.query().unwrap_or_default()),
        )
    }

    /// Sends `body` to `route`, which is a path too.
    pub(crate) fn post(route: &'static str, body: &impl Serialize) -> Self {
        Self {
            method: GooseMethod::Post,
            json: Some(serde_json::to_vec(body).expect("a body is JSON")),
            ..Self::get(route, route.to_owned())
        }
    }

    /// Changes what is at `path`, counted as `route`, by `body`.
    pub(crate) fn patch(route: &'static str, path: String, body: &impl Serialize) -> Self {
        Self {
            method: GooseMethod::Patch,
            json: Some(serde_json::to_vec(body).expect("a body is JSON")),
            ..Self::get(route, path)
        }
    }

    /// As the shopper to whom `token` belongs.
    pub(crate) fn authorized(mut self, token: Option<&str>) -> Self {
        self.token = token.map(str::to_owned);
        self
    }

    /// Under this idempotency key: however often it is sent, it is done once.
    pub(crate) fn keyed(mut self, key: String) -> Self {
        self.key = Some(key);
        self
    }

    pub(super) fn route(&self) -> &'static str {
        self.route
    }

    /// `GET /products`, as attempts and metrics call it.
    pub(super) fn name(&self) -> String {
        let method = match self.method {
            GooseMethod::Post => "POST",
            GooseMethod::Patch => "PATCH",
            _ => "GET",
        };
        format!("{method} {}", self.route)
    }

    /// The request with its own `id`, from a client at `address` who will wait for `deadline_ms`, if that is said.
    pub(super) fn build(
        self,
        user: &GooseUser,
        doors: &Doors,
        id: &str,
        address: Ipv4Addr,
        deadline_ms: Option<u64>,
    ) -> Result<RequestBuilder, Box<TransactionError>> {
        let mut builder = user
            .get_request_builder(&self.method, &doors.locate(self.path))?
            .header(REQUEST_ID, id)
            .header(FORWARDED_FOR, address.to_string());
        if let Some(deadline_ms) = deadline_ms {
            builder = builder.header(TIMEOUT_MS, deadline_ms);
        }
        if let Some(token) = self.token {
            builder = builder.bearer_auth(token);
        }
        if let Some(key) = self.key {
            builder = builder.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(json) = self.json {
            builder = builder.header(CONTENT_TYPE, "application/json").body(json);
        }
        Ok(builder)
    }
}

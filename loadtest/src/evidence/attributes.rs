//! Attributes of spans, as OpenTelemetry names them.
//!
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>

/// Method of a gRPC call.
pub(crate) const RPC_METHOD: &str = "rpc.method";

/// Who is called, on the span of the caller.
pub(crate) const SERVER_ADDRESS: &str = "server.address";

/// Route template of a request that is served.
pub(crate) const HTTP_ROUTE: &str = "http.route";

/// Id of an event.
pub(crate) const MESSAGE_ID: &str = "messaging.message.id";

/// Type of an event.
pub(crate) const DESTINATION_NAME: &str = "messaging.destination.name";

/// Method of an HTTP request.
pub(crate) const HTTP_REQUEST_METHOD: &str = "http.request.method";

/// Route template of a request that is sent.
pub(crate) const URL_TEMPLATE: &str = "url.template";

/// Status of an HTTP answer.
pub(crate) const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";

/// Status of a gRPC answer.
pub(crate) const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";

/// Which database a query goes to.
pub(crate) const DB_SYSTEM_NAME: &str = "db.system.name";

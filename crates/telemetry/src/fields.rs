//! Every name of a field of a line that telemetry itself writes, in one place: the Elastic Common Schema (ECS).
//!
//! What ECS has no field for stands under `labels.`, in the name that [`attributes`](crate::attributes) has for it and with
//! underscores for dots: labels hold no objects. <https://www.elastic.co/docs/reference/ecs/ecs-field-reference>

/// When it happened: RFC 3339 in UTC with microseconds.
pub const TIMESTAMP: &str = "@timestamp";
/// `error`, `warn`, `info`, `debug` or `trace`.
pub const LOG_LEVEL: &str = "log.level";
/// Module that wrote it.
pub const LOG_LOGGER: &str = "log.logger";
/// What happened, in constant words.
pub const MESSAGE: &str = "message";
/// Trace that it belongs to.
pub const TRACE_ID: &str = "trace.id";
/// Span that it belongs to.
pub const SPAN_ID: &str = "span.id";
/// Request that it belongs to.
pub const HTTP_REQUEST_ID: &str = "http.request.id";
/// `access` or `process` of the lines that every request and every delivery has.
pub const EVENT_DATASET: &str = "event.dataset";
/// Nanoseconds.
pub const EVENT_DURATION: &str = "event.duration";
/// `success` or `failure`.
pub const EVENT_OUTCOME: &str = "event.outcome";
/// Why it failed, in one word.
pub const ERROR_TYPE: &str = "error.type";
/// What went wrong.
pub const ERROR_MESSAGE: &str = "error.message";
/// Known method, or `_OTHER`.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// A number of three digits; 499 where the caller went away first.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Service that wrote it.
pub const SERVICE_NAME: &str = "service.name";
/// Which of its replicas.
pub const SERVICE_NODE_NAME: &str = "service.node.name";
/// Which release of it.
pub const SERVICE_VERSION: &str = "service.version";
/// [`ECS_VERSION`](crate::conventions::ECS_VERSION).
pub const ECS_VERSION: &str = "ecs.version";

/// What fields are called that ECS does not have.
pub const LABELS: &str = "labels.";
/// Route template; absent where none matched.
pub const HTTP_ROUTE: &str = "labels.http_route";
/// Full name, `package.Service/Method`.
pub const RPC_METHOD: &str = "labels.rpc_method";
/// gRPC status by name.
pub const RPC_RESPONSE_STATUS_CODE: &str = "labels.rpc_response_status_code";
/// Type of event.
pub const MESSAGING_DESTINATION_NAME: &str = "labels.messaging_destination_name";
/// The event's id.
pub const MESSAGING_MESSAGE_ID: &str = "labels.messaging_message_id";
/// The queue.
pub const MESSAGING_CONSUMER_GROUP_NAME: &str = "labels.messaging_consumer_group_name";

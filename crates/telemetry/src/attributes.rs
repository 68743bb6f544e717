//! Every name of a span attribute, in one place: the OpenTelemetry semantic conventions in the version that
//! [`conventions`](crate::conventions) states.
//!
//! Metrics have these names in their Prometheus form, in [`names`](crate::names), and lines those of [`fields`](crate::fields).

/// `sqlite`, `postgresql`, `redis`, `memcached` or `elasticsearch`.
pub const DB_SYSTEM_NAME: &str = "db.system.name";
/// `SELECT`, `INSERT` and so on; `search`, `bulk` and so on.
pub const DB_OPERATION_NAME: &str = "db.operation.name";
/// Table, index or kind of cached value.
pub const DB_COLLECTION_NAME: &str = "db.collection.name";
/// The code of the database's answer where it refused, such as `23505`.
pub const DB_RESPONSE_STATUS_CODE: &str = "db.response.status_code";
/// Low-cardinality reason of a failure: a status, or a word such as `timeout` or `connect`. Absent where nothing failed.
pub const ERROR_TYPE: &str = "error.type";
/// Bytes of the body that was sent to another service, over HTTP or gRPC.
pub const HTTP_REQUEST_BODY_SIZE: &str = "http.request.body.size";
/// Known method, or `_OTHER`.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The request's id: the conventions name captured headers so. A header may come in several lines, so its values are a list;
/// this has one.
pub const HTTP_REQUEST_HEADER_X_REQUEST_ID: &str = "http.request.header.x-request-id";
/// How often the same request was sent before, over HTTP or gRPC; absent where it was not.
pub const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
/// Bytes of the body that it answered, without trailers.
pub const HTTP_RESPONSE_BODY_SIZE: &str = "http.response.body.size";
/// A number of three digits; 499 where the caller went away first, or did not read.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Route template; absent where none matched.
pub const HTTP_ROUTE: &str = "http.route";
/// The queue, which is named after the service that consumes it.
pub const MESSAGING_CONSUMER_GROUP_NAME: &str = "messaging.consumer.group.name";
/// Type of event, such as `order.placed`.
pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
/// The event's id.
pub const MESSAGING_MESSAGE_ID: &str = "messaging.message.id";
/// `send` or `process`.
pub const MESSAGING_OPERATION_NAME: &str = "messaging.operation.name";
/// The same: our operations are called what the conventions call their kind.
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
/// `sqlite` for the embedded queue, or `rabbitmq`, `kafka`.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
/// IP address of the replica that was called.
pub const NETWORK_PEER_ADDRESS: &str = "network.peer.address";
/// Its port.
pub const NETWORK_PEER_PORT: &str = "network.peer.port";
/// Full name, `package.Service/Method`.
pub const RPC_METHOD: &str = "rpc.method";
/// gRPC status by name, such as `OK` or `DEADLINE_EXCEEDED`.
pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";
/// Always `grpc`.
pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
/// Logical name of the service that was called.
pub const SERVER_ADDRESS: &str = "server.address";
/// Its port, in the address that it is found by or else that of the replica.
pub const SERVER_PORT: &str = "server.port";
/// Of the resource: tells one replica from another.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// Of the resource: the release of the service.
pub const SERVICE_VERSION: &str = "service.version";
/// Of the resource: the service.
pub const SERVICE_NAME: &str = "service.name";
/// Where the request was sent, without its query.
pub const URL_FULL: &str = "url.full";
/// Path of the request, without its query.
pub const URL_PATH: &str = "url.path";
/// `http`: what the listener speaks, whatever a proxy in front of it does.
pub const URL_SCHEME: &str = "url.scheme";
/// Route template of an outbound call.
pub const URL_TEMPLATE: &str = "url.template";

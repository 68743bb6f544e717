//! Every name of a span attribute, in one place: the OpenTelemetry semantic conventions, v1.40.
//!
//! Access and process lines call the same things the same. Metrics have these names in their Prometheus form, in
//! [`names`](crate::names). <https://github.com/open-telemetry/semantic-conventions/tree/v1.40.0>

/// `sqlite`, `postgresql`, `redis`, `memcached` or `elasticsearch`.
pub const DB_SYSTEM_NAME: &str = "db.system.name";
/// `SELECT`, `INSERT` and so on; `search`, `bulk` and so on.
pub const DB_OPERATION_NAME: &str = "db.operation.name";
/// Table, index or kind of cached value.
pub const DB_COLLECTION_NAME: &str = "db.collection.name";
/// Low-cardinality reason of a failure, such as `timeout` or `connect`.
pub const ERROR_TYPE: &str = "error.type";
/// Known method, or `_OTHER`.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The request's id: the conventions name captured headers so.
pub const HTTP_REQUEST_HEADER_X_REQUEST_ID: &str = "http.request.header.x-request-id";
/// A number of three digits; 499 where the caller went away first, or did not read.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Route template, or `unmatched`.
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
/// Of the resource: tells one replica from another.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";
/// Of the resource: the service.
pub const SERVICE_NAME: &str = "service.name";
/// Path of the request, without its query.
pub const URL_PATH: &str = "url.path";
/// Route template of an outbound call.
pub const URL_TEMPLATE: &str = "url.template";

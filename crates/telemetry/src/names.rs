//! Every name of a metric and its labels, in one place.
//!
//! Services record with these constants, dashboards and the load test query with them, so renaming a metric renames it
//! everywhere. Names follow the OpenTelemetry semantic conventions in their Prometheus form; spans have them as they are, in
//! [`attributes`](crate::attributes).

/// Histogram: seconds from the request's head to the response's head, or until it was cut off. Labels
/// [`HTTP_REQUEST_METHOD`], [`URL_SCHEME`], [`HTTP_ROUTE`], [`HTTP_RESPONSE_STATUS_CODE`], [`ERROR_TYPE`] (the status from 500
/// on; `shed` where there was no room for it; or why it was cut off: `cancelled` by its client, `stalled` because that did not
/// read, `io` or `panic` by us).
pub const HTTP_SERVER_REQUEST_DURATION: &str = "http_server_request_duration_seconds";
/// Gauge: requests being served now, HTTP and gRPC. Labels [`HTTP_REQUEST_METHOD`], [`URL_SCHEME`].
pub const HTTP_SERVER_ACTIVE_REQUESTS: &str = "http_server_active_requests";
/// Gauge: requests that may be under way at once; it adapts. Absent where nothing limits them.
pub const ADMISSION_LIMIT: &str = "admission_limit";
/// Gauge: requests that are under way, without those that wait for another service: what [`ADMISSION_LIMIT`] limits.
pub const ADMISSION_IN_FLIGHT: &str = "admission_in_flight";
/// Gauge: requests that wait to begin.
pub const ADMISSION_WAITING: &str = "admission_waiting";
/// Histogram: seconds that a request waited to begin, of those that had to wait, however that ended. Label [`CLASS`].
pub const ADMISSION_WAIT: &str = "admission_wait_seconds";
/// Counter: requests that were refused before any work was done for them. Labels [`CLASS`], [`REASON`].
pub const ADMISSION_SHED: &str = "admission_shed_total";
/// Histogram: seconds of one outbound HTTP attempt. Labels [`HTTP_REQUEST_METHOD`], [`SERVER_ADDRESS`], [`SERVER_PORT`],
/// [`URL_TEMPLATE`], [`HTTP_RESPONSE_STATUS_CODE`] (empty where no response came, or not the whole of it), [`ERROR_TYPE`] (the
/// status from 400 on, or why no whole response came).
pub const HTTP_CLIENT_REQUEST_DURATION: &str = "http_client_request_duration_seconds";
/// Counter: connections that the service closed because of what their client did or did not, by [`ERROR_TYPE`]. Behind the
/// first two is a request of HTTP/1.1 that was answered by a status without a body and has no other signal: `malformed_head`
/// (400) and `head_too_large` (431). `idle`: no further request came whole in time; `stalled`: nothing that was sent was read;
/// `no_protocol`: the client did not say which version it speaks; `peer_limit`: its address has too many connections.
pub const HTTP_SERVER_CONNECTIONS_CLOSED: &str = "http_server_connections_closed_total";
/// Histogram: seconds of one inbound gRPC call. Labels [`RPC_SYSTEM_NAME`], [`RPC_METHOD`], [`RPC_RESPONSE_STATUS_CODE`],
/// [`ERROR_TYPE`] (the status where it is the server's fault, `shed` where there was no room for it, or why it was cut off).
pub const RPC_SERVER_CALL_DURATION: &str = "rpc_server_call_duration_seconds";
/// Histogram: seconds of one outbound gRPC attempt. Labels [`RPC_SYSTEM_NAME`], [`RPC_METHOD`], [`SERVER_ADDRESS`],
/// [`SERVER_PORT`], [`RPC_RESPONSE_STATUS_CODE`] (empty where no status came), [`ERROR_TYPE`] (any status but `OK`, or why
/// none came).
pub const RPC_CLIENT_CALL_DURATION: &str = "rpc_client_call_duration_seconds";
/// Histogram: seconds of one database operation. Labels [`DB_SYSTEM_NAME`], [`DB_OPERATION_NAME`],
/// [`DB_COLLECTION_NAME`], [`DB_RESPONSE_STATUS_CODE`], [`ERROR_TYPE`] (that code, or why there is none).
pub const DB_CLIENT_OPERATION_DURATION: &str = "db_client_operation_duration_seconds";
/// Gauge: connections to the database that are open. Labels [`DB_CLIENT_CONNECTION_POOL_NAME`],
/// [`DB_CLIENT_CONNECTION_STATE`]. The conventions call it `db.client.connection.count`; in Prometheus a name that ends so
/// belongs to a histogram.
pub const DB_CLIENT_CONNECTION_COUNT: &str = "db_client_connections";
/// Gauge: connections to the database that may be open at once. Label [`DB_CLIENT_CONNECTION_POOL_NAME`].
pub const DB_CLIENT_CONNECTION_MAX: &str = "db_client_connection_max";
/// Counter: requests that did not get a connection to the database in time. Label [`DB_CLIENT_CONNECTION_POOL_NAME`].
pub const DB_CLIENT_CONNECTION_TIMEOUTS: &str = "db_client_connection_timeouts_total";
/// Histogram: seconds of handing one event to the broker. Labels [`MESSAGING_SYSTEM`], [`MESSAGING_OPERATION_NAME`],
/// [`MESSAGING_DESTINATION_NAME`], [`ERROR_TYPE`].
pub const MESSAGING_CLIENT_OPERATION_DURATION: &str = "messaging_client_operation_duration_seconds";
/// Histogram: seconds of processing one delivery of an event. Labels [`MESSAGING_SYSTEM`], [`MESSAGING_OPERATION_NAME`],
/// [`MESSAGING_DESTINATION_NAME`], [`MESSAGING_CONSUMER_GROUP_NAME`], [`ERROR_TYPE`].
pub const MESSAGING_PROCESS_DURATION: &str = "messaging_process_duration_seconds";
/// Gauge: events that wait in a queue or are being processed. Label [`MESSAGING_CONSUMER_GROUP_NAME`].
pub const MESSAGING_QUEUE_MESSAGES: &str = "messaging_queue_messages";
/// Gauge: seconds since the oldest event that is in a queue, as far as this process can tell, happened. Label
/// [`MESSAGING_CONSUMER_GROUP_NAME`].
pub const MESSAGING_QUEUE_OLDEST_AGE: &str = "messaging_queue_oldest_age_seconds";
/// Gauge: events that were given up after the last try. Label [`MESSAGING_CONSUMER_GROUP_NAME`].
pub const MESSAGING_DEAD_LETTERS: &str = "messaging_dead_letters";
/// Gauge: events that are committed and not yet handed to the broker.
pub const MESSAGING_OUTBOX_MESSAGES: &str = "messaging_outbox_messages";
/// Gauge: seconds since the oldest event in the outbox happened.
pub const MESSAGING_OUTBOX_OLDEST_AGE: &str = "messaging_outbox_oldest_age_seconds";
/// Histogram: seconds from the placing of an order to its final state. Label `outcome` (`confirmed`, `out_of_stock`,
/// `payment_declined`, `timed_out`).
pub const ORDERS_COMPLETION: &str = "orders_completion_seconds";
/// Gauge: orders that are not final after the 10 s within which they should be.
pub const ORDERS_OVERDUE: &str = "orders_overdue";
/// Gauge: orders that are not final.
pub const ORDERS_PENDING: &str = "orders_pending";
/// Histogram: seconds of one lookup of a name. Labels [`DNS_QUESTION_NAME`], [`ERROR_TYPE`] (`timeout`, `host_not_found`,
/// `no_records`, `server_failure`).
pub const DNS_LOOKUP_DURATION: &str = "dns_lookup_duration_seconds";
/// Gauge: replicas of an upstream that are known. Label [`SERVER_ADDRESS`].
pub const DISCOVERY_REPLICAS: &str = "discovery_replicas";
/// Counter: outbound calls that were rejected before anything was sent, which are no attempts. Labels [`SERVER_ADDRESS`],
/// [`ERROR_TYPE`] (`breaker_open`; `bulkhead_full`; `no_replica` where none is known).
pub const CLIENT_CALLS_REJECTED: &str = "client_calls_rejected_total";
/// Gauge: the circuit breaker before an upstream: 0 closed, 1 half open, 2 open, as of the last call. Label [`SERVER_ADDRESS`].
pub const CLIENT_BREAKER_STATE: &str = "client_breaker_state";
/// Counter: changes of the state of a circuit breaker. Labels [`SERVER_ADDRESS`], `state` (`closed`, `half_open`, `open`: the
/// new one).
pub const CLIENT_BREAKER_TRANSITIONS: &str = "client_breaker_transitions_total";
/// Gauge: calls to an upstream. Labels [`SERVER_ADDRESS`], `state` (`in_flight`, `waiting` for a place).
pub const CLIENT_BULKHEAD_CALLS: &str = "client_bulkhead_calls";
/// Gauge: calls to an upstream that may be in flight at once; absent where nothing limits them. Label [`SERVER_ADDRESS`].
pub const CLIENT_BULKHEAD_LIMIT: &str = "client_bulkhead_limit";
/// Counter: calls that failed in a way that a retry may mend. Labels [`SERVER_ADDRESS`], `outcome` (`succeeded` or `failed`, of a
/// retry that was sent; `no_budget`, `no_time` before the deadline, `breaker_open`, where none was).
pub const CLIENT_RETRIES: &str = "client_retries_total";
/// Gauge: retries that the budget of an upstream allows now, as of the last call. Label [`SERVER_ADDRESS`].
pub const CLIENT_RETRY_BUDGET: &str = "client_retry_budget";
/// Counter: replicas of an upstream that were ejected for a while. Labels [`SERVER_ADDRESS`], `reason` (`failing` or `slow`, compared
/// with the others; `refused` a connection).
pub const CLIENT_EJECTIONS: &str = "client_ejections_total";
/// Gauge: replicas of an upstream that are ejected, as of the last call. Label [`SERVER_ADDRESS`].
pub const CLIENT_REPLICAS_EJECTED: &str = "client_replicas_ejected";
/// Gauge: 1 while the service takes requests and has all it needs, as `/readyz` says.
pub const SERVICE_READY: &str = "service_ready";
/// Gauge: replicas that whoever scales a service has told it to have. Label `service`. The scaler records it, not the service.
pub const SERVICE_REPLICAS_TOLD: &str = "service_replicas_told";
/// Counter: versions that were tried as a canary. Labels `service`, `decision` (`rolled_back`, `promoted`, `nothing_new` where it was the
/// version that serves, `undecided`). Whoever tries them records it, not the service.
pub const CANARY_DECISIONS: &str = "canary_decisions_total";
/// Gauge: the evidence that a canary does worse than its baseline, 1 on average at most where it does not. Labels `service`, `signal`
/// (`errors` or `slowness`). Recorded as above.
pub const CANARY_EVIDENCE: &str = "canary_evidence";
/// Histogram: seconds from the moment at which a client of the load test should have sent a request to the last byte of its answer. Labels
/// [`HTTP_REQUEST_METHOD`], [`HTTP_ROUTE`], [`HTTP_RESPONSE_STATUS_CODE`], which is empty where no answer came. `loadtest` records it, and
/// the next two.
pub const LOADTEST_REQUEST_DURATION: &str = "loadtest_request_duration_seconds";
/// Gauge: 1 for the phase of a load that goes on. Labels `experiment`, `arm`, `phase`.
pub const LOADTEST_PHASE: &str = "loadtest_phase";
/// Gauge: when something was last done to the shop on a timeline, in seconds since 1970. Label `step`.
pub const LOADTEST_STEP: &str = "loadtest_step_timestamp_seconds";
/// Gauge: the fewest replicas that an autoscaler may leave. Labels `namespace`, `horizontalpodautoscaler`. In a cluster this and
/// the next six come from kube-state-metrics, and from `loadtest` elsewhere.
pub const HPA_MIN_REPLICAS: &str = "kube_horizontalpodautoscaler_spec_min_replicas";
/// Gauge: the most replicas that an autoscaler may ask for. Labels as above.
pub const HPA_MAX_REPLICAS: &str = "kube_horizontalpodautoscaler_spec_max_replicas";
/// Gauge: replicas that an autoscaler has seen. Labels as above.
pub const HPA_CURRENT_REPLICAS: &str = "kube_horizontalpodautoscaler_status_current_replicas";
/// Gauge: replicas that an autoscaler wants. Labels as above.
pub const HPA_DESIRED_REPLICAS: &str = "kube_horizontalpodautoscaler_status_desired_replicas";
/// Gauge: 1 for the status that a condition has. Labels as above, and `condition` (`AbleToScale`, `ScalingActive`,
/// `ScalingLimited`), `status` (`true`, `false`, `unknown`).
pub const HPA_CONDITION: &str = "kube_horizontalpodautoscaler_status_condition";
/// Gauge: what a metric should be. Labels as above, and `metric_name`, `metric_target_type` (`average`, `utilization`).
pub const HPA_TARGET_METRIC: &str = "kube_horizontalpodautoscaler_spec_target_metric";
/// Gauge: what it is. Labels as above.
pub const HPA_CURRENT_METRIC: &str = "kube_horizontalpodautoscaler_status_target_metric";
/// Counter: telemetry given up because a bounded queue was full or an export failed. Label [`SIGNAL`].
pub const TELEMETRY_DROPPED: &str = "telemetry_dropped_total";
/// Counter: batches of spans the collector did not take.
pub const TELEMETRY_EXPORT_FAILURES: &str = "telemetry_export_failures_total";
/// Gauge: lines or spans accepted and not yet written or exported. Label [`SIGNAL`].
pub const TELEMETRY_QUEUED: &str = "telemetry_queued";

/// Counter: cache look-ups. Labels `cache`, `result` (`hit`, `stale`, `miss`, `coalesced`, `absent`).
pub const CACHE_REQUESTS: &str = "cache_requests_total";
/// Counter: loads for a cache that are over. Labels `cache`, `reason` (`miss`, `refresh`), `source` (`shared`, `origin`).
pub const CACHE_LOADS: &str = "cache_loads_total";
/// Counter: values given up because they have changed. Labels `cache`, `scope` (`key`; `all` where it is not known which).
pub const CACHE_INVALIDATIONS: &str = "cache_invalidations_total";
/// Counter: calls to a shared cache that came to nothing. Labels `cache`, [`ERROR_TYPE`] (`timeout`, `garbage`,
/// `breaker_open`, `too_large`, or the kind of cache for what its client reports).
pub const CACHE_FAILURES: &str = "cache_failures_total";
/// Gauge: 1 while a shared cache is left alone because it failed several times in a row. Label `cache`.
pub const CACHE_BREAKER_OPEN: &str = "cache_breaker_open";
/// Gauge: passwords being hashed or waiting for it.
pub const PASSWORD_HASHES_PENDING: &str = "password_hashes_pending";

/// Histogram: seconds from the change of a product to the moment it can be searched, for changes that were not overtaken.
pub const SEARCH_FRESHNESS: &str = "search_freshness_seconds";
/// Gauge: changes of products that wait to be indexed for longer than the 5 s within which they should be.
pub const SEARCH_CHANGES_OVERDUE: &str = "search_changes_overdue";
/// Gauge: products that the rebuild of the index under way has written; 0 while none is.
pub const SEARCH_REBUILD_PRODUCTS: &str = "search_rebuild_products";
/// Counter: rebuilds of the index that have ended. Label `outcome` (`done`, `failed`).
pub const SEARCH_REBUILDS: &str = "search_rebuilds_total";

/// Counter: seconds of CPU time of the process, user and system.
pub const PROCESS_CPU_SECONDS: &str = "process_cpu_seconds_total";
/// Gauge: bytes of resident memory of the process.
pub const PROCESS_RESIDENT_MEMORY_BYTES: &str = "process_resident_memory_bytes";
/// Gauge: bytes of it that are in no file, so that the kernel cannot take them back: what a limit is about.
pub const PROCESS_ANONYMOUS_MEMORY_BYTES: &str = "process_anonymous_memory_bytes";
/// Gauge: bytes of memory that the process may use; absent where there is no limit.
pub const PROCESS_MEMORY_LIMIT_BYTES: &str = "process_memory_limit_bytes";
/// Gauge: when the process started, in seconds since 1970.
pub const PROCESS_START_TIME_SECONDS: &str = "process_start_time_seconds";
/// Gauge: file descriptors that the process has open, ...
pub const PROCESS_OPEN_FDS: &str = "process_open_fds";
/// Gauge: ... and how many it may have.
pub const PROCESS_MAX_FDS: &str = "process_max_fds";

/// Known method, or `_OTHER`.
pub const HTTP_REQUEST_METHOD: &str = "http_request_method";
/// Route template; empty where none matched.
pub const HTTP_ROUTE: &str = "http_route";
/// Three digits; 499 where the caller went away first, or did not read.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http_response_status_code";
/// Logical name of the service that was called.
pub const SERVER_ADDRESS: &str = "server_address";
/// Port in the address that the service is found by; empty where that names none, or each restart would make a series.
pub const SERVER_PORT: &str = "server_port";
/// Name that was looked up, as it is configured.
pub const DNS_QUESTION_NAME: &str = "dns_question_name";
/// `http`: what the listener speaks, whatever a proxy in front of it does.
pub const URL_SCHEME: &str = "url_scheme";
/// Route template of an outbound call.
pub const URL_TEMPLATE: &str = "url_template";
/// Low-cardinality reason of a failure: a status, or a word such as `timeout` or `connect`. Empty where nothing failed.
pub const ERROR_TYPE: &str = "error_type";
/// `grpc`.
pub const RPC_SYSTEM_NAME: &str = "rpc_system_name";
/// Full name, `package.Service/Method`, or `_OTHER` for one that the service does not have.
pub const RPC_METHOD: &str = "rpc_method";
/// gRPC status by name, such as `OK` or `DEADLINE_EXCEEDED`.
pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc_response_status_code";
/// `sqlite`, `postgresql`, `redis`, `memcached` or `elasticsearch`.
pub const DB_SYSTEM_NAME: &str = "db_system_name";
/// `SELECT`, `INSERT` and so on; `search`, `bulk` and so on.
pub const DB_OPERATION_NAME: &str = "db_operation_name";
/// Table.
pub const DB_COLLECTION_NAME: &str = "db_collection_name";
/// The code of the database's answer where it refused, such as `23505`; else empty.
pub const DB_RESPONSE_STATUS_CODE: &str = "db_response_status_code";
/// `database`, or `readers` and `writer` where it is a file.
pub const DB_CLIENT_CONNECTION_POOL_NAME: &str = "db_client_connection_pool_name";
/// `used` or `idle`.
pub const DB_CLIENT_CONNECTION_STATE: &str = "db_client_connection_state";
/// `sqlite` for the embedded queue, or `rabbitmq`, `kafka`.
pub const MESSAGING_SYSTEM: &str = "messaging_system";
/// `send` or `process`.
pub const MESSAGING_OPERATION_NAME: &str = "messaging_operation_name";
/// Type of event, such as `order.placed`.
pub const MESSAGING_DESTINATION_NAME: &str = "messaging_destination_name";
/// The queue, which is named after the service that consumes it; or the service that overheard it.
pub const MESSAGING_CONSUMER_GROUP_NAME: &str = "messaging_consumer_group_name";
/// What a request is worth when there is not room for all: `checkout`, `browse`, `search` or `rest`.
pub const CLASS: &str = "class";
/// Why a request was refused: `full` (no room even to wait), `waited` (as long as any may) or `too_late` (an answer would have
/// come after its deadline).
pub const REASON: &str = "reason";
/// `logs` or `traces`.
pub const SIGNAL: &str = "signal";

/// Upper bounds of every latency histogram, in seconds. Every latency objective is one of them.
pub const LATENCY_BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

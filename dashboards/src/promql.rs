//! Queries as every dashboard asks them.
//!
//! Rates are over `$__rate_interval`, which Grafana makes at least four scrapes long. A share is 0, and not absent, where nothing
//! is bad.

use telemetry::names;

/// Responses that are the service's own fault.
pub(crate) const HTTP_FAILED: &str = "5..";
/// The same for gRPC (OpenTelemetry semantic conventions for gRPC).
const RPC_FAILED: &str = "UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS";

/// A label and what its value must match, as `PromQL` writes it: `http_route="/products"`.
pub(crate) fn is(label: &str, value: &str) -> String {
    format!("{label}=\"{value}\"")
}

/// A regular expression for a label.
pub(crate) fn like(label: &str, pattern: &str) -> String {
    format!("{label}=~\"{pattern}\"")
}

/// A label that is there and not empty.
pub(crate) fn some(label: &str) -> String {
    format!("{label}!=\"\"")
}

/// The series of the chosen service.
pub(crate) fn chosen() -> String {
    is("service", "$service")
}

/// A metric with matchers.
pub(crate) fn of(metric: &str, matchers: &[&str]) -> String {
    let matchers: Vec<_> = matchers
        .iter()
        .filter(|it| !it.is_empty())
        .copied()
        .collect();
    if matchers.is_empty() {
        return metric.to_owned();
    }
    format!("{metric}{{{}}}", matchers.join(","))
}

/// How fast a counter grows, series by series.
fn rate(counter: &str, matchers: &[&str]) -> String {
    format!("rate({}[$__rate_interval])", of(counter, matchers))
}

/// How fast a counter grows.
pub(crate) fn growth(by: &[&str], counter: &str, matchers: &[&str]) -> String {
    sum(by, &rate(counter, matchers))
}

/// Observations of a histogram in a second.
pub(crate) fn observed(by: &[&str], histogram: &str, matchers: &[&str]) -> String {
    growth(by, &format!("{histogram}_count"), matchers)
}

/// `sum by (…)`, or one sum of all where there is nothing to tell apart.
pub(crate) fn sum(by: &[&str], expr: &str) -> String {
    if by.is_empty() {
        return format!("sum({expr})");
    }
    format!("sum by ({}) ({expr})", by.join(", "))
}

/// `bad` over `all`, both sums by the same labels; 0 where nothing is bad.
pub(crate) fn share(bad: &str, all: &str) -> String {
    format!("({bad} or {all} * 0) / {all}")
}

/// A quantile of a histogram of seconds.
pub(crate) fn quantile(q: f64, by: &[&str], histogram: &str, matchers: &[&str]) -> String {
    quantile_of(q, by, &rate(&format!("{histogram}_bucket"), matchers))
}

fn quantile_of(q: f64, by: &[&str], buckets: &str) -> String {
    let by = [&["le"], by].concat();
    format!("histogram_quantile({q}, {})", sum(&by, buckets))
}

/// What observations of a histogram are on average.
pub(crate) fn mean(by: &[&str], histogram: &str, matchers: &[&str]) -> String {
    let all = growth(by, &format!("{histogram}_sum"), matchers);
    format!("{all} / {}", observed(by, histogram, matchers))
}

/// Buckets of a histogram as a heat map wants them: observations in a second, by upper bound.
pub(crate) fn buckets(histogram: &str, matchers: &[&str]) -> String {
    growth(&["le"], &format!("{histogram}_bucket"), matchers)
}

/// The labels of a metric that are never told apart: a request that is served, over HTTP or gRPC.
const SERVED: [&str; 2] = [
    names::HTTP_SERVER_REQUEST_DURATION,
    names::RPC_SERVER_CALL_DURATION,
];
/// The same seen by who calls.
const CALLED: [&str; 2] = [
    names::HTTP_CLIENT_REQUEST_DURATION,
    names::RPC_CLIENT_CALL_DURATION,
];

/// Series of two histograms, which differ in their labels, side by side.
fn both(histograms: [&str; 2], suffix: &str, matchers: [&[&str]; 2]) -> String {
    let [http, rpc] = [0, 1].map(|it| rate(&format!("{}{suffix}", histograms[it]), matchers[it]));
    format!("{http} or {rpc}")
}

/// Requests served in a second, over HTTP and gRPC.
pub(crate) fn served(by: &[&str], matchers: &[&str]) -> String {
    sum(by, &both(SERVED, "_count", [matchers; 2]))
}

/// Those that failed through the service's own fault.
pub(crate) fn failed(by: &[&str], matchers: &[&str]) -> String {
    let http = like(names::HTTP_RESPONSE_STATUS_CODE, HTTP_FAILED);
    let rpc = like(names::RPC_RESPONSE_STATUS_CODE, RPC_FAILED);
    let [http, rpc] = [&http, &rpc].map(|it| [matchers, &[it.as_str()]].concat());
    sum(by, &both(SERVED, "_count", [&http, &rpc]))
}

/// The share of requests that failed through the service's own fault.
pub(crate) fn failed_share(by: &[&str], matchers: &[&str]) -> String {
    share(&failed(by, matchers), &served(by, matchers))
}

/// How long requests take, over HTTP and gRPC.
pub(crate) fn served_within(q: f64, by: &[&str], matchers: &[&str]) -> String {
    quantile_of(q, by, &both(SERVED, "_bucket", [matchers; 2]))
}

/// HTTP requests that failed through the service's own fault.
pub(crate) fn http_failed_share(by: &[&str], matchers: &[&str]) -> String {
    let failed = like(names::HTTP_RESPONSE_STATUS_CODE, HTTP_FAILED);
    let bad = [matchers, &[failed.as_str()]].concat();
    let histogram = names::HTTP_SERVER_REQUEST_DURATION;
    share(
        &observed(by, histogram, &bad),
        &observed(by, histogram, matchers),
    )
}

/// gRPC calls that failed through the service's own fault.
pub(crate) fn rpc_failed_share(by: &[&str], matchers: &[&str]) -> String {
    let failed = like(names::RPC_RESPONSE_STATUS_CODE, RPC_FAILED);
    let bad = [matchers, &[failed.as_str()]].concat();
    let histogram = names::RPC_SERVER_CALL_DURATION;
    share(
        &observed(by, histogram, &bad),
        &observed(by, histogram, matchers),
    )
}

/// Attempts to call other services in a second, over HTTP and gRPC.
pub(crate) fn called(by: &[&str], matchers: &[&str]) -> String {
    sum(by, &both(CALLED, "_count", [matchers; 2]))
}

/// How long attempts take, over HTTP and gRPC.
pub(crate) fn called_within(q: f64, by: &[&str], matchers: &[&str]) -> String {
    quantile_of(q, by, &both(CALLED, "_bucket", [matchers; 2]))
}

/// The share of attempts that got no answer, or one that tells of the callee's own fault.
pub(crate) fn call_failed_share(by: &[&str], matchers: &[&str]) -> String {
    // No answer is an empty status.
    let http = like(names::HTTP_RESPONSE_STATUS_CODE, &format!("|{HTTP_FAILED}"));
    let rpc = like(names::RPC_RESPONSE_STATUS_CODE, &format!("|{RPC_FAILED}"));
    let [http, rpc] = [&http, &rpc].map(|it| [matchers, &[it.as_str()]].concat());
    let bad = sum(by, &both(CALLED, "_count", [&http, &rpc]));
    share(&bad, &called(by, matchers))
}

/// Attempts to call other services that got no answer, over HTTP and gRPC.
pub(crate) fn unanswered(by: &[&str]) -> String {
    let http = is(names::HTTP_RESPONSE_STATUS_CODE, "");
    let rpc = is(names::RPC_RESPONSE_STATUS_CODE, "");
    sum(by, &both(CALLED, "_count", [&[&http], &[&rpc]]))
}

/// The share of observations that ended in an error.
pub(crate) fn error_share(by: &[&str], histogram: &str, matchers: &[&str]) -> String {
    let error = some(names::ERROR_TYPE);
    let bad = [matchers, &[error.as_str()]].concat();
    share(
        &observed(by, histogram, &bad),
        &observed(by, histogram, matchers),
    )
}

/// Connections in use over those there may be.
pub(crate) fn pool_use(by: &[&str], matchers: &[&str]) -> String {
    let used = is(names::DB_CLIENT_CONNECTION_STATE, "used");
    let used = of(
        names::DB_CLIENT_CONNECTION_COUNT,
        &[matchers, &[used.as_str()]].concat(),
    );
    let max = of(names::DB_CLIENT_CONNECTION_MAX, matchers);
    format!("{} / {}", sum(by, &used), sum(by, &max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_zero_where_nothing_is_bad() {
        assert_eq!(
            error_share(&["service"], "x", &["a=\"b\""]),
            "(sum by (service) (rate(x_count{a=\"b\",error_type!=\"\"}[$__rate_interval])) \
             or sum by (service) (rate(x_count{a=\"b\"}[$__rate_interval])) * 0) \
             / sum by (service) (rate(x_count{a=\"b\"}[$__rate_interval]))"
        );
    }

    #[test]
    fn a_quantile_is_of_sums_by_bucket() {
        assert_eq!(
            quantile(0.99, &["service"], "x", &[]),
            "histogram_quantile(0.99, sum by (le, service) (rate(x_bucket[$__rate_interval])))"
        );
    }
}

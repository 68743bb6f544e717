//! What a replica has counted since its start.

use anyhow::Context as _;
use telemetry::names;

use crate::{
    deployment::Replica,
    evidence::metrics::{self, Exposition, Format, Labels},
};

/// How attempts ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All that are over.
    pub(crate) attempts: u64,
    /// Those that were answered with an error of the service's own, or were given up.
    pub(crate) failed: u64,
    /// Of the others, those that took too long.
    pub(crate) slow: u64,
}

impl Counts {
    /// What was counted since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            attempts: self.attempts.saturating_sub(earlier.attempts),
            failed: self.failed.saturating_sub(earlier.failed),
            slow: self.slow.saturating_sub(earlier.slow),
        }
    }

    /// As an exposition has them, where what takes longer than `slow_s` is slow.
    fn of(said: &Exposition, slow_s: f64) -> Self {
        let mut counts = Self::default();
        for histogram in [
            names::HTTP_SERVER_REQUEST_DURATION,
            names::RPC_SERVER_CALL_DURATION,
        ] {
            let sum = |part: &str, wanted: &dyn Fn(&Labels) -> bool| {
                let name = format!("{histogram}_{part}");
                let series = said.series(&name).filter(|it| wanted(it.0));
                whole(series.map(|it| it.1).sum())
            };
            let all = sum("count", &|_| true);
            let failed = sum("count", &has_failed);
            let quick = sum("bucket", &|it| !has_failed(it) && ends_at(it, slow_s));
            counts.attempts += all;
            counts.failed += failed;
            counts.slow += all.saturating_sub(failed + quick);
        }
        counts
    }
}

/// Asks a replica.
pub(super) async fn count(
    http: &reqwest::Client,
    replica: &Replica,
    slow_s: f64,
) -> anyhow::Result<Counts> {
    let text = metrics::fetch(http, &replica.admin, Format::Text).await?;
    let said = Exposition::parse(&text);
    let said = said.with_context(|| format!("read http://{}/metrics", replica.admin))?;
    Ok(Counts::of(&said, slow_s))
}

/// Whether a series counts what the service is to blame for. Who has gone away (499) has waited too long.
fn has_failed(labels: &Labels) -> bool {
    let label = |name: &str| labels.get(name).map_or("", String::as_str);
    match label(names::HTTP_RESPONSE_STATUS_CODE) {
        "" => !label(names::ERROR_TYPE).is_empty(),
        status => status.starts_with('5') || status == "499",
    }
}

fn ends_at(labels: &Labels, seconds: f64) -> bool {
    let bound = labels.get("le").and_then(|it| it.parse::<f64>().ok());
    bound.is_some_and(|it| (it - seconds).abs() < 1e-9)
}

/// A count, which metrics have as a float.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole and not negative"
)]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_slow_answers_are_told_apart() {
        let text = r#"
http_server_request_duration_seconds_count{http_route="/search",http_response_status_code="200"} 90
http_server_request_duration_seconds_bucket{http_route="/search",http_response_status_code="200",le="0.25"} 83
http_server_request_duration_seconds_bucket{http_route="/search",http_response_status_code="200",le="+Inf"} 90
http_server_request_duration_seconds_count{http_route="/search",http_response_status_code="404"} 2
http_server_request_duration_seconds_bucket{http_route="/search",http_response_status_code="404",le="0.25"} 2
http_server_request_duration_seconds_count{http_route="/search",http_response_status_code="503",error_type="503"} 5
http_server_request_duration_seconds_bucket{http_route="/search",http_response_status_code="503",le="0.25"} 4
http_server_request_duration_seconds_count{http_route="/search",http_response_status_code="499",error_type="cancelled"} 1
rpc_server_call_duration_seconds_count{rpc_method="a"} 7
rpc_server_call_duration_seconds_bucket{rpc_method="a",le="0.25"} 7
rpc_server_call_duration_seconds_count{rpc_method="a",error_type="INTERNAL"} 3
"#;
        let counts = Counts::of(&Exposition::parse(text).unwrap(), 0.25);
        let expected = Counts {
            attempts: 108,
            failed: 9,
            slow: 7,
        };
        assert_eq!(counts, expected);
        assert_eq!(counts.since(counts), Counts::default());
    }
}

//! `GET /metrics`.

use std::fmt::Write as _;

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use prometheus_client::encoding::text::encode;

use crate::metrics::registry;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves `GET /metrics`: OpenMetrics, with exemplars, to who asks for it; text 0.0.4 to all others.
pub(crate) fn router() -> Router {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(headers: HeaderMap) -> Response {
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry()) {
        tracing::error!(%error, "metrics could not be encoded");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let openmetrics = headers.get_all(header::ACCEPT).iter().any(|it| {
        it.to_str()
            .is_ok_and(|it| it.contains("application/openmetrics-text"))
    });
    if openmetrics {
        ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
    } else {
        ([(header::CONTENT_TYPE, TEXT)], to_text(&text)).into_response()
    }
}

/// OpenMetrics as Prometheus text 0.0.4: without exemplars, units and end mark; a counter is described under the name
/// of its samples.
fn to_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut counters = Vec::new();
    for line in openmetrics.lines() {
        if let Some((name, "counter")) = line
            .strip_prefix("# TYPE ")
            .and_then(|it| it.split_once(' '))
        {
            counters.push(name);
        }
    }
    for line in openmetrics.lines() {
        let mut words = line.splitn(4, ' ');
        let written = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), ..) => Ok(()),
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                writeln!(text, "# {what} {name}_total {rest}")
            }
            (Some("#"), ..) => writeln!(text, "{line}"),
            // Label values hold no ` # `: they are templates, names and statuses.
            _ => writeln!(text, "{}", line.split_once(" # ").map_or(line, |it| it.0)),
        };
        written.expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_becomes_what_version_0_0_4_says() {
        let openmetrics = "\
# HELP wait_seconds Waiting.
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_sum 0.5
wait_seconds_bucket{le=\"1.0\"} 1 # {trace_id=\"ab\"} 0.5
# HELP lost Lost.
# TYPE lost counter
lost_total{signal=\"logs\"} 3
# EOF
";
        let text = "\
# HELP wait_seconds Waiting.
# TYPE wait_seconds histogram
wait_seconds_sum 0.5
wait_seconds_bucket{le=\"1.0\"} 1
# HELP lost_total Lost.
# TYPE lost_total counter
lost_total{signal=\"logs\"} 3
";
        assert_eq!(to_text(openmetrics), text);
    }
}

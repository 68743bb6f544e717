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
pub fn metrics() -> Router {
    Router::new().route("/metrics", get(answer))
}

/// What `GET /metrics` answers to who asks for OpenMetrics; nothing if it cannot be encoded.
pub fn openmetrics() -> Option<String> {
    let mut text = String::new();
    match encode(&mut text, &registry()) {
        Ok(()) => Some(text),
        Err(error) => {
            tracing::error!(%error, "metrics not encoded");
            None
        }
    }
}

async fn answer(headers: HeaderMap) -> Response {
    let Some(text) = openmetrics() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if wants_openmetrics(&headers) {
        ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
    } else {
        ([(header::CONTENT_TYPE, TEXT)], to_text(&text)).into_response()
    }
}

/// Whether `Accept` names OpenMetrics, and prefers no plain text to it (RFC 9110, section 12.5.1).
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let lines = lines.filter_map(|it| it.to_str().ok());
    let (mut openmetrics, mut text) = (0.0, 0.0);
    for range in lines.flat_map(|it| it.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let wanted = match parts.next().map(str::to_ascii_lowercase).as_deref() {
            Some("application/openmetrics-text") => &mut openmetrics,
            Some("text/plain") => &mut text,
            _ => continue,
        };
        let weight = parts.find_map(|it| it.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        let weight = weight.map_or(1.0, |it| it.parse().unwrap_or(0.0));
        *wanted = f32::max(*wanted, weight);
    }
    openmetrics > 0.0 && openmetrics >= text
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
    fn openmetrics_is_for_who_accepts_it_and_prefers_nothing_to_it() {
        let wants = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT, line.parse().unwrap());
            }
            wants_openmetrics(&headers)
        };
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for yes in [
            &[prometheus][..],
            &["Application/OpenMetrics-Text ; Q=0.1"],
            &["text/html", "application/openmetrics-text"],
        ] {
            assert!(wants(yes), "{yes:?}");
        }
        for no in [
            &[][..],
            &["*/*"],
            &["application/openmetrics-text;q=0"],
            &["application/openmetrics-text; version=1.0.0; q=0.000, */*"],
            &["application/openmetrics-text;q=0.2", "text/plain;q=0.5"],
            &["application/openmetrics-texts"],
        ] {
            assert!(!wants(no), "{no:?}");
        }
    }

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

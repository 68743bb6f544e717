//! What our own clients see, as metrics: the other side of what services say of themselves.
//!
//! The engine writes every attempt down as it ends; whoever scrapes has read what was written since.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use telemetry::names::{
    HTTP_REQUEST_METHOD, HTTP_RESPONSE_STATUS_CODE, HTTP_ROUTE, LATENCY_BUCKETS,
    LOADTEST_REQUEST_DURATION,
};
use tokio::net::TcpListener;

use super::marks::Marks;
use crate::engine::{Attempt, plan::Phase};

/// Method, route and status; the status is empty where there was no answer.
type Key = (String, String, String);

/// Everything since we began, and what went on.
#[derive(Default)]
pub(crate) struct Clients {
    state: Mutex<State>,
    marks: Marks,
}

#[derive(Default)]
struct State {
    /// What the engine writes now, and how much of it has been read.
    followed: Option<(PathBuf, u64)>,
    series: BTreeMap<Key, Histogram>,
}

#[derive(Default)]
struct Histogram {
    /// By upper bound, those beyond the last in the end; not summed up.
    buckets: [u64; LATENCY_BUCKETS.len() + 1],
    sum: f64,
}

impl Clients {
    /// Answers `GET /metrics` at `address` for as long as this process runs.
    ///
    /// # Errors
    /// An address that cannot be listened at.
    pub(crate) async fn serve(self: &Arc<Self>, address: SocketAddr) -> anyhow::Result<()> {
        let bound = TcpListener::bind(address).await;
        let listener = bound.with_context(|| {
            format!("listen on {address}: choose another address with --metrics-listen")
        })?;
        let clients = Arc::clone(self);
        let app = Router::new().route("/metrics", get(async move || clients.metrics()));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(())
    }

    /// What a scrape is answered.
    pub(super) fn metrics(&self) -> Response {
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
        (kind, self.exposition()).into_response()
    }

    /// What follows is for this arm of an experiment.
    pub(crate) fn enter(&self, experiment: &str, arm: &str) {
        self.marks.enter(experiment, arm);
    }

    /// A load begins.
    pub(crate) fn begin(&self, phases: &[Phase]) {
        self.marks.begin(phases);
    }

    /// Something is done to the shop.
    pub(crate) fn step(&self, what: String) {
        self.marks.step(what);
    }

    /// From now on an engine writes below `output`.
    pub(crate) fn follow(&self, output: &Path) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up();
        state.followed = Some((output.join("attempts.jsonl"), 0));
    }

    /// All of it in the Prometheus text format.
    fn exposition(&self) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.catch_up();
        let name = LOADTEST_REQUEST_DURATION;
        let mut text = format!("# TYPE {name} histogram\n");
        for ((method, route, status), it) in &state.series {
            let labels = format!(
                "{HTTP_REQUEST_METHOD}=\"{method}\",{HTTP_ROUTE}=\"{route}\",{HTTP_RESPONSE_STATUS_CODE}=\"{status}\""
            );
            let bounds = LATENCY_BUCKETS.iter().map(|it| format!("{it:?}"));
            let mut count = 0;
            for (bound, own) in bounds.chain(["+Inf".to_owned()]).zip(it.buckets) {
                count += own;
                // Writing to a text does not fail.
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", it.sum);
            let _ = writeln!(text, "{name}_count{{{labels}}} {count}");
        }
        self.marks.write(&mut text);
        text
    }
}

impl State {
    /// Reads whole lines that are new. A file that is not there yet has none.
    fn catch_up(&mut self) {
        let Some((path, read)) = &mut self.followed else {
            return;
        };
        let Ok(fresh) = from(path, *read) else { return };
        let whole = fresh
            .iter()
            .rposition(|it| *it == b'\n')
            .map_or(0, |it| it + 1);
        *read += u64::try_from(whole).unwrap_or_default();
        for line in fresh[..whole].split(|it| *it == b'\n') {
            if let Ok(attempt) = serde_json::from_slice::<Attempt>(line) {
                let (method, route) = attempt
                    .route
                    .split_once(' ')
                    .unwrap_or(("", &attempt.route));
                let status = attempt.status.map_or_else(String::new, |it| it.to_string());
                let key = (method.to_owned(), route.to_owned(), status);
                self.series.entry(key).or_default().observe(&attempt);
            }
        }
    }
}

fn from(path: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Histogram {
    fn observe(&mut self, attempt: &Attempt) {
        let seconds = crate::statistics::to_f64(attempt.latency_us()) / 1e6;
        let bucket = LATENCY_BUCKETS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket] += 1;
        self.sum += seconds;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_written_is_counted_once_and_half_lines_wait() {
        let dir = tempfile::tempdir().unwrap();
        let clients = Clients::default();
        clients.follow(dir.path());
        assert_eq!(clients.exposition().lines().count(), 1);
        let attempt = |status| Attempt {
            id: "x-1-0".into(),
            phase: 0,
            route: "GET /products/{id}".into(),
            intended_us: 0,
            sent_us: 10,
            done_us: 60_000,
            status,
            error: None,
            order: None,
            product: None,
        };
        let line = |status| serde_json::to_string(&attempt(status)).unwrap() + "\n";
        let file = dir.path().join("attempts.jsonl");
        let half = line(Some(200));
        fs::write(&file, line(Some(200)) + &line(None) + &half[..20]).unwrap();
        clients.exposition();
        fs::write(&file, line(Some(200)) + &line(None) + &half).unwrap();
        let text = clients.exposition();
        let count = |status: &str, suffix: &str, more: &str| {
            let start = format!(
                "loadtest_request_duration_seconds{suffix}{{http_request_method=\"GET\",http_route=\"/products/{{id}}\",http_response_status_code=\"{status}\"{more}}} "
            );
            let found = text.lines().find_map(|it| it.strip_prefix(&start));
            found
                .unwrap_or_else(|| panic!("{start} in {text}"))
                .to_owned()
        };
        assert_eq!(count("200", "_count", ""), "2");
        assert_eq!(count("", "_count", ""), "1");
        assert_eq!(count("200", "_bucket", ",le=\"0.05\""), "0");
        assert_eq!(count("200", "_bucket", ",le=\"0.1\""), "2");
        assert_eq!(count("200", "_sum", ""), "0.12");
    }
}

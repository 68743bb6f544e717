//! The webhook that Alertmanager tells of alerts.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};

use super::{
    alert::{Alert, Notification, Status},
    clients::Clients,
    switch::{SWITCH, Switch},
};

/// How often it is asked when the switch was last heard.
const SWITCH_INTERVAL: Duration = Duration::from_millis(500);

/// An alert, and when it was told.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) alert: Alert,
}

/// What is told to people as it happens.
type Tell = Box<dyn Fn(&str) + Send + Sync>;

struct Inner {
    notes: Mutex<File>,
    heard: Mutex<Vec<Heard>>,
    /// By fingerprint, what was told last.
    last: Mutex<BTreeMap<String, Status>>,
    switch: Switch,
    tell: Tell,
    clients: Arc<Clients>,
}

/// Listens until it is dropped.
pub(crate) struct Receiver {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
    tasks: [JoinHandle<()>; 2],
}

impl Receiver {
    /// Starts listening. What comes is kept in the file `notes`, a line of JSON for each notification. The switch is missed when it
    /// has not been heard for `patience`.
    pub(super) async fn start(
        notes: &Path,
        patience: Duration,
        tell: Tell,
        clients: Arc<Clients>,
    ) -> anyhow::Result<Self> {
        let file = File::create(notes).with_context(|| format!("create {}", notes.display()))?;
        let inner = Arc::new(Inner {
            notes: Mutex::new(file),
            heard: Mutex::default(),
            last: Mutex::default(),
            switch: Switch::new(patience),
            tell,
            clients,
        });
        let app = Router::new()
            .route("/metrics", get(metrics))
            .route("/{*path}", post(take))
            .with_state(Arc::clone(&inner));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("listen for alerts")?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            // It ends with its task.
            let _ = axum::serve(listener, app).await;
        });
        let watched = Arc::clone(&inner);
        let watching = tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWITCH_INTERVAL).await;
                if watched.switch.looked_at() {
                    (watched.tell)(&format!(
                        "MISSED    the dead man's switch, for {patience:?}: alerts do not arrive"
                    ));
                }
            }
        });
        Ok(Self {
            address,
            inner,
            tasks: [serving, watching],
        })
    }

    /// Everything that was told since `since`, in its order.
    pub(crate) fn heard_since(&self, since: Instant) -> Vec<Heard> {
        let heard = lock(&self.inner.heard);
        heard.iter().filter(|it| it.at >= since).cloned().collect()
    }

    /// Whether the dead man's switch is missed.
    pub(crate) fn switch_is_missed(&self) -> bool {
        self.inner.switch.is_missed()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn metrics(State(inner): State<Arc<Inner>>) -> Response {
    inner.clients.metrics()
}

async fn take(State(inner): State<Arc<Inner>>, Json(it): Json<Notification>) -> StatusCode {
    match inner.take(it) {
        Ok(()) => StatusCode::OK,
        // Alertmanager tries again.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Inner {
    fn take(&self, notification: Notification) -> anyhow::Result<()> {
        let at = Instant::now();
        let line = serde_json::to_string(&notification)?;
        writeln!(lock(&self.notes), "{line}")?;
        for alert in notification.alerts {
            if alert.label("alertname") == SWITCH {
                if self.switch.hear() {
                    (self.tell)("the dead man's switch is heard again");
                }
                continue;
            }
            let before = lock(&self.last).insert(alert.fingerprint.clone(), alert.status);
            if before != Some(alert.status) {
                (self.tell)(&alert.in_words());
            }
            lock(&self.heard).push(Heard { at, alert });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn alerts_are_told_once_and_a_silent_switch_is_missed() {
        let dir = tempfile::tempdir().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let notes = dir.path().join("notifications.jsonl");
        let receiver = Receiver::start(
            &notes,
            Duration::from_millis(200),
            Box::new(move |text| lock(&tell).push(text.to_owned())),
            Arc::default(),
        );
        let receiver = receiver.await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/teams/checkout", receiver.address);
        let post = async |name: &str, status: &str| {
            let alert = json!({ "status": status, "labels": { "alertname": name }, "annotations": { "summary": "s", "runbook_url": "page" },
                "startsAt": "2026-01-01T00:00:00Z", "fingerprint": name });
            let body = json!({ "version": "4", "receiver": "checkout", "status": status, "alerts": [alert] });
            let answer = http.post(&url).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        };
        let since = Instant::now();
        for (name, status) in [
            ("DeadLetters", "firing"),
            ("DeadLetters", "firing"),
            ("DeadLetters", "resolved"),
        ] {
            post(name, status).await;
        }
        assert_eq!(receiver.heard_since(since).len(), 3);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !receiver.switch_is_missed() {
            assert!(Instant::now() < deadline, "it is missed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        post(SWITCH, "firing").await;
        assert!(!receiver.switch_is_missed());
        let told = lock(&told).clone();
        let begins: Vec<_> = told
            .iter()
            .map(|it| it.split(' ').next().unwrap())
            .collect();
        assert_eq!(begins, ["FIRING", "resolved", "MISSED", "the"], "{told:?}");
        assert!(told[0].contains("DeadLetters: s") && told[0].ends_with("page"));
        assert_eq!(std::fs::read_to_string(&notes).unwrap().lines().count(), 4);
    }
}

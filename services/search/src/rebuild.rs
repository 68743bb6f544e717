//! The index written anew from the catalogue, while it is searched and changed.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use api::{Product, ProductId, ProductPage};
use axum::http::{HeaderMap, Method, uri::PathAndQuery};
use bytes::Bytes;
use chassis::{Error, Host};
use client::{Address, Upstream};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use serde::{Deserialize, Serialize};
use telemetry::names;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "elasticsearch")]
use crate::engine::elastic::Building;
use crate::{Store, engine::sqlite::Sqlite};

/// The most the catalogue gives at once.
const PAGE: u32 = 100;
/// The longest one page may take, unless the address says otherwise.
const PAGE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a page is asked for before the rebuild fails, ...
const MAX_TRIES: u32 = 5;
/// ... and the wait after the first time; each further one is twice as long.
const BACK_OFF: Duration = Duration::from_millis(200);
/// How long after the start, or after a rebuild, it is looked whether the index is of an earlier release.
const RENEW_AFTER: Duration = Duration::from_secs(1);
/// How often progress is logged.
const LOG_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

static PRODUCTS: LazyLock<Gauge> = LazyLock::new(|| {
    let help = "Products written by the running index rebuild; 0 if none is running";
    telemetry::register(names::SEARCH_REBUILD_PRODUCTS, help, Gauge::default())
});

static REBUILDS: LazyLock<Family<OutcomeLabel, Counter>> = LazyLock::new(|| {
    let help = "Finished index rebuilds";
    telemetry::register(names::SEARCH_REBUILDS, help, Family::default())
});

/// How a rebuild stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// None was asked for since the start.
    #[default]
    None,
    /// It is under way.
    Running,
    /// Every product of the catalogue is in the index, as new as there or newer.
    Done,
    /// Searches go on with what the index has.
    Failed,
}

/// The latest rebuild of this replica.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// How it stands.
    pub outcome: Outcome,
    /// How many products it has written.
    pub products: u64,
    /// How long it has taken until the index was in use, or until it failed.
    pub seconds: f64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
}

/// Rebuilds the index when asked to; cloning shares it.
#[derive(Debug, Clone)]
pub struct Rebuilder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    catalog: Upstream,
    status: Mutex<Status>,
    asked: Notify,
}

impl Rebuilder {
    /// Waits for somebody to ask, beside the service's other work.
    pub fn start(host: &Host, store: Store, catalog: &Address) -> Self {
        LazyLock::force(&PRODUCTS);
        for outcome in ["done", "failed"] {
            REBUILDS.get_or_create(&OutcomeLabel { outcome }).inc_by(0);
        }
        let it = Self(Arc::new(Inner {
            store,
            catalog: Upstream::unprotected("catalog", catalog, PAGE_TIMEOUT),
            status: Mutex::default(),
            asked: Notify::new(),
        }));
        let worker = it.clone();
        host.spawn("index rebuild", move |stop| worker.run(stop));
        it
    }

    /// Begins a rebuild unless one is under way.
    pub fn begin(&self) -> Result<Status, Error> {
        let mut status = self.lock();
        if status.outcome == Outcome::Running {
            return Err(Error::Conflict(
                "an index rebuild is already running".to_owned(),
            ));
        }
        *status = Status {
            outcome: Outcome::Running,
            ..Status::default()
        };
        self.0.asked.notify_one();
        Ok(status.clone())
    }

    /// How the latest rebuild stands.
    pub fn status(&self) -> Status {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Status> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.0.asked.notified() => (),
                () = self.outdated() => {
                    // If somebody was faster, that will do.
                    let _ = self.begin();
                    continue;
                }
                () = stop.cancelled() => return,
            }
            let begun = Instant::now();
            let ended = self.rebuild(begun, &stop).await;
            let outcome = if ended.is_ok() { "done" } else { "failed" };
            REBUILDS.get_or_create(&OutcomeLabel { outcome }).inc();
            PRODUCTS.set(0);
            match ended {
                Ok(()) => self.lock().outcome = Outcome::Done,
                Err(error) => self.fail(&error, begun),
            }
        }
    }

    /// Returns when the index turns out to have words of another form than ours, as an earlier release has written them.
    async fn outdated(&self) {
        loop {
            tokio::time::sleep(RENEW_AFTER).await;
            match self.0.store.is_current().await {
                Ok(true) => std::future::pending().await,
                Ok(false) => break,
                Err(error) => tracing::debug!(%error, "form of the index unknown"),
            }
        }
        tracing::info!("index of an earlier release found");
    }

    fn fail(&self, error: &Error, begun: Instant) {
        let cause = match error {
            Error::Internal(cause) => format!("{cause:#}"),
            other => other.to_string(),
        };
        tracing::error!(cause, "index rebuild failed; the old index stays in use");
        let mut status = self.lock();
        status.outcome = Outcome::Failed;
        status.seconds = begun.elapsed().as_secs_f64();
        status.error = Some(error.to_string());
    }

    async fn rebuild(&self, begun: Instant, stop: &CancellationToken) -> Result<(), Error> {
        tracing::info!("index rebuild started");
        let mut draft = Draft::of(&self.0.store).await?;
        let filled = tokio::select! {
            filled = self.fill(&mut draft, begun) => filled,
            () = stop.cancelled() => Err(Error::Unavailable("the service (shutting down)")),
        };
        if let Err(error) = filled {
            draft.abandon().await;
            return Err(error);
        }
        let Status {
            products, seconds, ..
        } = self.status();
        tracing::info!(products, seconds, "index rebuild finished");
        // It is in use; what is left behind is looked for again the next time.
        if let Err(error) = draft.tidy().await {
            tracing::warn!(%error, "unused index not deleted");
        }
        Ok(())
    }

    /// Brings all products from the catalogue, and has them searched.
    async fn fill(&self, draft: &mut Draft, begun: Instant) -> Result<(), Error> {
        let (mut products, mut cursor, mut logged) = (0, None, Instant::now());
        loop {
            let page = self.page(cursor.as_ref()).await?;
            draft.put(&page.items).await?;
            products += page.items.len() as u64;
            self.report(products, begun);
            if logged.elapsed() > LOG_EVERY {
                tracing::info!(products, "index rebuild in progress");
                logged = Instant::now();
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        if products == 0 {
            return Err(Error::Conflict("the catalogue has no products".to_owned()));
        }
        draft.publish().await?;
        self.report(products, begun);
        Ok(())
    }

    fn report(&self, products: u64, begun: Instant) {
        PRODUCTS.set(products.cast_signed());
        let mut status = self.lock();
        status.products = products;
        status.seconds = begun.elapsed().as_secs_f64();
    }

    async fn page(&self, cursor: Option<&ProductId>) -> Result<ProductPage, Error> {
        let mut pause = BACK_OFF;
        for _ in 1..MAX_TRIES {
            match self.page_once(cursor).await {
                Err(error @ (Error::Unavailable(_) | Error::Timeout)) => {
                    tracing::warn!(%error, "catalogue unavailable; retrying");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                page => return page,
            }
        }
        self.page_once(cursor).await
    }

    async fn page_once(&self, cursor: Option<&ProductId>) -> Result<ProductPage, Error> {
        let after = cursor.map(|it| format!("&cursor={it}")).unwrap_or_default();
        let path: PathAndQuery = format!("/products?limit={PAGE}{after}")
            .parse()
            .context("build a request path")?;
        let (none, empty) = (HeaderMap::new(), Bytes::new());
        let send = self
            .0
            .catalog
            .send(Method::GET, "/products", path, none, empty);
        let response = send.await?;
        let status = response.status();
        if status.is_server_error() {
            return Err(Error::Unavailable("catalog"));
        }
        if !status.is_success() {
            return Err(Error::Internal(anyhow::anyhow!(
                "catalogue responded with {status}"
            )));
        }
        let page = serde_json::from_slice(response.body()).context("parse a page of the catalogue");
        Ok(page?)
    }
}

/// The index as it is being written.
enum Draft {
    /// In its own place, page by page.
    Sqlite(Sqlite),
    /// Beside the one that is searched.
    #[cfg(feature = "elasticsearch")]
    Elasticsearch(Building),
}

#[cfg_attr(
    not(feature = "elasticsearch"),
    expect(clippy::unused_async, reason = "only a server is waited for")
)]
impl Draft {
    async fn of(store: &Store) -> Result<Self, Error> {
        match store {
            Store::Sqlite(it) => Ok(Self::Sqlite(it.clone())),
            #[cfg(feature = "elasticsearch")]
            Store::Elasticsearch(it) => Ok(Self::Elasticsearch(it.rebuild().await?)),
        }
    }

    async fn put(&mut self, products: &[Product]) -> Result<(), Error> {
        match self {
            Self::Sqlite(it) => it.put_again(products).await,
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => it.put(products).await,
        }
    }

    async fn publish(&mut self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => it.publish().await,
        }
    }

    async fn tidy(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => it.tidy().await,
        }
    }

    async fn abandon(self) {
        match self {
            // What has been written is right.
            Self::Sqlite(_) => (),
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => it.abandon().await,
        }
    }
}

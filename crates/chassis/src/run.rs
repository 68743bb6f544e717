//! The life of a service: start, serve, drain, flush.

use std::future::Future;

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Announcement, App, Config, Door, Host, Limits, admin, descriptors, layers,
    readiness::Stage,
    serve::serve,
    supervisor::{LastWords, Supervisor},
};

/// Telemetry that has not been flushed after this is lost, and the log says so.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// The admin listener is for a few scrapers.
const MAX_ADMIN_CONNECTIONS: usize = 64;

/// Runs the service called `name` until SIGTERM, SIGINT or the end of its supervisor.
///
/// Probes answer from the start; `build` opens what the service needs and returns its routes, and then requests are
/// taken. On the way out, requests in flight finish first, then background work, then telemetry is flushed.
///
/// # Errors
/// An address that cannot be bound, telemetry that cannot be set up, whatever `build` could not open, or background work
/// that ended before the service.
pub async fn run<B, F, A>(name: &'static str, config: &Config, build: B) -> anyhow::Result<()>
where
    B: FnOnce(Host) -> F,
    F: Future<Output = anyhow::Result<A>>,
    A: Into<App>,
{
    // Every crate of the workspace has one version.
    let version = env!("CARGO_PKG_VERSION");
    let telemetry = telemetry::init(name, version, config.log_dir.as_deref())?;
    if let Some(bytes) = config.memory_limit {
        telemetry::limit_memory(bytes);
    }
    let mut last_words = None;
    let outcome = run_observed(config, &telemetry, build, &mut last_words).await;
    if let Err(error) = &outcome {
        tracing::error!(error = format!("{error:#}"), "service failed");
    }
    telemetry.shutdown(FLUSH_TIMEOUT).await;
    if let Some(last_words) = last_words {
        last_words.say().await;
    }
    outcome
}

async fn run_observed<B, F, A>(
    config: &Config,
    telemetry: &telemetry::Telemetry,
    build: B,
    last_words: &mut Option<LastWords>,
) -> anyhow::Result<()>
where
    B: FnOnce(Host) -> F,
    F: Future<Output = anyhow::Result<A>>,
    A: Into<App>,
{
    let host = Host::default();
    let stop = host.stop().clone();
    let public = bind(config.listen, "--listen").await?;
    let admin = bind(config.admin_listen, "--admin-listen").await?;
    let addresses = Announcement {
        public: public.local_addr()?,
        admin: admin.local_addr()?,
    };
    let admin_app = admin::router(config, telemetry.router(), &host);
    // The admin listener outlives the drain, so that the last scrape sees it.
    tokio::spawn(serve(
        admin,
        admin_app,
        Door::inner(MAX_ADMIN_CONNECTIONS),
        CancellationToken::new(),
        Duration::ZERO,
    ));
    *last_words = watch_for_stop(config.supervised, addresses, stop.clone()).await?;

    let app = tokio::select! {
        app = build(host.clone()) => app?,
        () = stop.cancelled() => {
            tracing::info!("stopped before becoming ready");
            return Ok(());
        }
    };
    let app = app.into();
    let wanted = config.max_connections;
    let door = Door {
        idle: config.idle_timeout,
        ..app.door(descriptors::affordable(wanted), wanted)
    };
    let app = layers::wrap(app, Limits::from(config), host.faults());
    host.enter(Stage::Ready);
    let Announcement {
        public: listen,
        admin,
    } = addresses;
    tracing::info!(%listen, %admin, "ready");
    let serving = serve(public, app, door, stop.clone(), config.drain_timeout);
    let announce_draining = async {
        stop.cancelled().await;
        host.enter(Stage::Draining);
        tracing::info!("draining");
    };
    tokio::join!(serving, announce_draining);
    host.finish_work(config.drain_timeout).await;
    tracing::info!("stopped");
    match host.failure() {
        Some(name) => anyhow::bail!("background task ended unexpectedly: {name}"),
        None => Ok(()),
    }
}

async fn bind(address: std::net::SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}: choose another address with {flag}"))
}

/// Cancels `stop` on the first reason to stop. Returns what a supervisor will be told in the end, if there is one.
async fn watch_for_stop(
    supervised: bool,
    addresses: Announcement,
    stop: CancellationToken,
) -> anyhow::Result<Option<LastWords>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (mut gone, mut last_words) = (None, None);
    if supervised {
        let mut it = Supervisor::on_stdin()?;
        it.announce(addresses).await?;
        let (its_end, words) = it.part();
        (gone, last_words) = (Some(its_end), Some(words));
    }
    tokio::spawn(async move {
        let gone = async {
            match gone {
                Some(gone) => gone.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
            () = gone => (),
        }
        stop.cancel();
    });
    Ok(last_words)
}

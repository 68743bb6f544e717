//! The server process: one handler that does nothing, observed in one of several ways.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    time::Duration,
};

use anyhow::Context as _;
use axum::{Router, body::Body, http::Request, routing::get};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracerProvider},
};
use telemetry::loss::{self, Signal};
use tower::ServiceExt as _;
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::Level;
use tracing_subscriber::{layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::load::pin;

/// A way to observe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Nothing,
    Metrics,
    Lines,
    Traces10,
    Traces100,
    Stock10,
    Stock100,
}

impl Variant {
    pub(crate) const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Metrics,
        Self::Lines,
        Self::Traces10,
        Self::Traces100,
        Self::Stock10,
        Self::Stock100,
    ];

    pub(crate) fn named(name: &str) -> anyhow::Result<Self> {
        let found = Self::ALL.into_iter().find(|it| it.name() == name);
        found.with_context(|| format!("there is no variant called {name}"))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Metrics => "metrics",
            Self::Lines => "lines",
            Self::Traces10 => "traces-10",
            Self::Traces100 => "traces-100",
            Self::Stock10 => "stock-10",
            Self::Stock100 => "stock-100",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Metrics => "metrics",
            Self::Lines => "  + access lines",
            Self::Traces10 => "  + 10 % traces",
            Self::Traces100 => "  + 100 % traces",
            Self::Stock10 => "stock layers, 10 % traces",
            Self::Stock100 => "stock layers, 100 % traces",
        }
    }

    pub(crate) fn is_stock(self) -> bool {
        matches!(self, Self::Stock10 | Self::Stock100)
    }

    pub(crate) fn writes_lines(self) -> bool {
        !matches!(self, Self::Nothing | Self::Metrics)
    }

    pub(crate) fn sampled_percent(self) -> u64 {
        match self {
            Self::Nothing | Self::Metrics | Self::Lines => 0,
            Self::Traces10 | Self::Stock10 => 10,
            Self::Traces100 | Self::Stock100 => 100,
        }
    }

    /// What the process is told by its environment. Metrics and lines propagate contexts too, and export none.
    pub(crate) fn environment(self, receiver: SocketAddr) -> Vec<(&'static str, String)> {
        let ratio = match self.sampled_percent() {
            0 => "0",
            10 => "0.1",
            _ => "1",
        };
        vec![
            ("RUST_LOG", "info".into()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}")),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".into()),
            ("OTEL_TRACES_SAMPLER_ARG", ratio.into()),
            // The receiver shares its core with the clients and is slow to answer: few large batches.
            ("OTEL_BSP_MAX_QUEUE_SIZE", "262144".into()),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8192".into()),
            ("OTEL_BSP_SCHEDULE_DELAY", "200".into()),
        ]
    }
}

async fn hello() -> &'static str {
    "hello"
}

/// Serves until standard input ends, and says how much telemetry was dropped.
pub(crate) fn run(variant: Variant) -> anyhow::Result<()> {
    pin(0)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let dropped = runtime.block_on(serve(variant))?;
    write!(io::stderr(), "{dropped}")?;
    Ok(())
}

async fn serve(variant: Variant) -> anyhow::Result<u64> {
    let app = Router::new().route("/hello/{name}", get(hello));
    if variant == Variant::Nothing {
        until_told(app).await?;
        return Ok(0);
    }
    if variant.is_stock() {
        return serve_stock(variant, app).await;
    }
    let telemetry = telemetry::init("bench", env!("CARGO_PKG_VERSION"), None)?;
    if variant == Variant::Metrics {
        loss::one_in(Signal::Logs, 1);
    }
    let metrics = telemetry.router();
    until_told(telemetry::observe(app, telemetry::Caller::Trusted)).await?;
    telemetry.shutdown(Duration::from_secs(10)).await;
    let request = Request::get("/metrics").body(Body::empty())?;
    let answer = metrics.oneshot(request).await?;
    let text = axum::body::to_bytes(answer.into_body(), 1 << 20).await?;
    let lost = [
        telemetry::names::TELEMETRY_DROPPED,
        telemetry::names::TELEMETRY_EXPORT_FAILURES,
    ];
    let dropped: f64 = std::str::from_utf8(&text)?
        .lines()
        .filter(|it| lost.iter().any(|name| it.starts_with(name)))
        .filter_map(|it| it.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter"
    )]
    Ok(dropped as u64)
}

/// What the documentation of these crates puts together: no metrics, which would come on top.
async fn serve_stock(variant: Variant, app: Router) -> anyhow::Result<u64> {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let ratio = if variant == Variant::Stock10 {
        0.1
    } else {
        1.0
    };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(SpanExporter::builder().with_tonic().build()?)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
            ratio,
        ))))
        .build();
    tracing_subscriber::registry()
        .with(tracing_subscriber::EnvFilter::from_default_env())
        .with(tracing_subscriber::fmt::layer().json())
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("bench")))
        .try_init()?;
    let trace = TraceLayer::new_for_http()
        .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    until_told(app.layer(trace)).await?;
    tokio::task::spawn_blocking(move || provider.shutdown()).await??;
    Ok(0)
}

/// Serves `app` and says where; returns when standard input ends.
async fn until_told(app: Router) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    writeln!(io::stderr(), "{address}")?;
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

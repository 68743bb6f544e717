//! Clients that keep one core busy asking, and a receiver that counts spans.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tonic::{Request, Response, Status};

/// Keep-alive connections, each with one request at a time.
const CONNECTIONS: usize = 32;
const REQUEST: &[u8] = b"GET /hello/world HTTP/1.1\r\nhost: bench\r\n\r\n";

/// Keeps the calling thread, and those it starts, on one core.
pub(crate) fn pin(core: usize) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Two threads on core 1, so that the receiver goes on while the main thread waits.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    pin(1)?;
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

/// Open connections to the server.
pub(crate) struct Clients(Vec<TcpStream>);

impl Clients {
    pub(crate) async fn connect(server: SocketAddr) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = TcpStream::connect(server).await?;
            connection.set_nodelay(true)?;
            connections.push(connection);
        }
        Ok(Self(connections))
    }

    /// Asks for as long as `length`; returns how many answers came.
    pub(crate) async fn drive(&mut self, length: Duration) -> anyhow::Result<u64> {
        let end = Instant::now() + length;
        let mut clients = JoinSet::new();
        for connection in self.0.drain(..) {
            clients.spawn(ask(connection, end));
        }
        let mut sum = 0;
        while let Some(client) = clients.join_next().await {
            let (connection, count) = client??;
            self.0.push(connection);
            sum += count;
        }
        Ok(sum)
    }
}

async fn ask(mut connection: TcpStream, end: Instant) -> anyhow::Result<(TcpStream, u64)> {
    let mut answer = [0; 1024];
    let mut count = 0;
    while Instant::now() < end {
        connection.write_all(REQUEST).await?;
        let mut length = 0;
        while !answer[..length].ends_with(b"\r\n\r\nhello") {
            let read = connection.read(&mut answer[length..]).await?;
            anyhow::ensure!(read > 0, "the server closed a connection");
            length += read;
        }
        anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200"), "no success");
        count += 1;
    }
    Ok((connection, count))
}

/// Receives OTLP and counts.
#[derive(Clone)]
pub(crate) struct Spans {
    count: Arc<AtomicU64>,
    address: SocketAddr,
}

impl Spans {
    pub(crate) async fn listen() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let it = Self {
            count: Arc::default(),
            address: listener.local_addr()?,
        };
        let service = TraceServiceServer::new(it.clone()).max_decoding_message_size(64 << 20);
        let app = tonic::service::Routes::new(service).into_axum_router();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(it)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many came since it was last asked.
    pub(crate) fn take(&self) -> u64 {
        self.count.swap(0, Ordering::Relaxed)
    }
}

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter();
        let count = scopes
            .flat_map(|it| it.scope_spans)
            .map(|it| it.spans.len() as u64)
            .sum();
        self.count.fetch_add(count, Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

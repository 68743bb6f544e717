//! A replica that counts what reaches it, over HTTP and gRPC, and how to reach one.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use api::catalog::{
    GetProductsRequest, GetProductsResponse,
    catalog_client::CatalogClient,
    catalog_server::{Catalog, CatalogServer},
};
use axum::{Router, http::Method, routing::get};
use chassis::Error;
use tokio::net::TcpListener;
use tonic::{Response, Status};

use crate::Upstream;

#[derive(Clone, Default)]
struct Counter(Arc<AtomicU32>);

impl Counter {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tonic::async_trait]
impl Catalog for Counter {
    async fn get_products(
        &self,
        _: tonic::Request<GetProductsRequest>,
    ) -> Result<Response<GetProductsResponse>, Status> {
        self.count();
        Ok(Response::new(GetProductsResponse::default()))
    }
}

pub(super) struct Replica {
    pub(super) address: SocketAddr,
    counter: Counter,
}

impl Replica {
    pub(super) async fn start(address: impl Into<SocketAddr>) -> Self {
        let listener = TcpListener::bind(address.into()).await.unwrap();
        let (address, counter) = (listener.local_addr().unwrap(), Counter::default());
        let counting = counter.clone();
        let count = async move || counting.count();
        let grpc = tonic::service::Routes::new(CatalogServer::new(counter.clone()));
        let app = Router::new()
            .route("/", get(count))
            .merge(grpc.into_axum_router().reset_fallback());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, counter }
    }

    /// How many requests it has had since it was asked last.
    pub(super) fn had(&self) -> u32 {
        self.counter.0.swap(0, Ordering::Relaxed)
    }
}

/// One request over HTTP.
pub(super) async fn request(upstream: &Upstream) -> Result<(), Error> {
    let (path, headers) = ("/".parse().unwrap(), axum::http::HeaderMap::new());
    let sent = upstream.send(Method::GET, "/", path, headers, bytes::Bytes::new());
    sent.await.map(|it| assert_eq!(it.status(), 200))
}

/// One call over gRPC.
pub(super) async fn call(upstream: &Upstream) -> Result<(), Status> {
    let mut client = CatalogClient::new(upstream.grpc());
    client
        .get_products(GetProductsRequest::default())
        .await
        .map(drop)
}

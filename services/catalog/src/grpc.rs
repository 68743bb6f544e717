//! The gRPC surface: products by id, for services that need prices.

use api::{
    ProductId,
    catalog::{
        GetProductsRequest, GetProductsResponse, Product,
        catalog_server::{Catalog, CatalogServer},
    },
};
use chassis::Error;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{Request, Response, Status};

use crate::Store;

/// Loads of one request that are under way at once: fewer than a replica has connections to its database.
const CONCURRENT_LOADS: usize = 8;

/// The service as axum routes. Without tonic's fallback, which answers 200 to whatever is not gRPC.
pub(crate) fn router(store: Store) -> axum::Router {
    telemetry::serve_rpc(api::catalog::METHODS);
    tonic::service::Routes::new(CatalogServer::new(store))
        .into_axum_router()
        .reset_fallback()
}

#[tonic::async_trait]
impl Catalog for Store {
    async fn get_products(
        &self,
        request: Request<GetProductsRequest>,
    ) -> Result<Response<GetProductsResponse>, Status> {
        let ids = request.into_inner().ids;
        if ids.len() > api::MAX_IDS {
            let text = format!("at most {} ids per call", api::MAX_IDS);
            return Err(Status::invalid_argument(text));
        }
        let ids: Result<Vec<ProductId>, _> = ids.into_iter().map(ProductId::try_from).collect();
        let ids = ids.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let found = load_each(ids, |id| find(self.clone(), id)).await;
        let products = found.map_err(Error::into_grpc)?.into_iter().flatten();
        Ok(Response::new(GetProductsResponse {
            products: products.collect(),
        }))
    }
}

/// A product as callers see it; none if it is not sold.
async fn find(store: Store, id: ProductId) -> Result<Option<Product>, Error> {
    match store.get(&id).await {
        Ok(product) => Ok(Some(Product {
            id: id.into(),
            version: product.version,
            name: product.name,
            price_cents: product.price_cents.0,
        })),
        Err(error) if matches!(*error, Error::NotFound(_)) => Ok(None),
        Err(error) => Err(Error::shared(&error)),
    }
}

/// What `load` makes of each id, in their order. Where the cache has none of them, a hundred loads one after the other would
/// take a hundred round trips, and all at once every connection of the replica.
async fn load_each<T, F>(
    ids: Vec<ProductId>,
    load: impl Fn(ProductId) -> F,
) -> Result<Vec<T>, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let loads = stream::iter(ids).map(load);
    loads.buffered(CONCURRENT_LOADS).try_collect().await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Barrier;

    use super::*;

    #[tokio::test]
    async fn products_are_loaded_several_at_once_and_come_in_the_order_of_their_ids() {
        let ids: Vec<_> = (1..=40).map(api::product_id).collect();
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // No load ends before as many are under way as may be.
        let together = Barrier::new(CONCURRENT_LOADS);
        let load = |id| {
            let (running, most, together) = (&running, &most, &together);
            async move {
                most.fetch_max(1 + running.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                together.wait().await;
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(id)
            }
        };
        assert_eq!(load_each(ids.clone(), load).await.unwrap(), ids);
        assert_eq!(most.into_inner(), CONCURRENT_LOADS);
    }

    #[tokio::test]
    async fn a_load_that_fails_fails_the_request() {
        let load = |id: ProductId| async move {
            match id.as_str() {
                "p-000002" => Err(Error::Timeout),
                _ => Ok(id),
            }
        };
        let loaded = load_each((1..=3).map(api::product_id).collect(), load).await;
        assert!(matches!(loaded, Err(Error::Timeout)), "{loaded:?}");
    }
}

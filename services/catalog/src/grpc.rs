//! The gRPC surface: products by id, for services that need prices.

use api::{
    ProductId,
    catalog::{
        GetProductsRequest, GetProductsResponse, Product,
        catalog_server::{Catalog, CatalogServer},
    },
};
use chassis::Error;
use tonic::{Request, Response, Status};

use crate::Store;

/// The service as axum routes. Without tonic's fallback, which answers 200 to whatever is not gRPC.
pub(crate) fn router(store: Store) -> axum::Router {
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
            let text = format!("at most {} ids at once", api::MAX_IDS);
            return Err(Status::invalid_argument(text));
        }
        let mut products = Vec::with_capacity(ids.len());
        for id in ids {
            let id: ProductId = id
                .try_into()
                .map_err(|error| Status::invalid_argument(format!("{error}")))?;
            match self.get(&id).await {
                Ok(product) => products.push(Product {
                    id: id.into(),
                    version: product.version,
                    name: product.name,
                    price_cents: product.price_cents.0,
                }),
                Err(error) if matches!(*error, Error::NotFound(_)) => (),
                Err(error) => return Err(Error::shared(&error).into_grpc()),
            }
        }
        Ok(Response::new(GetProductsResponse { products }))
    }
}

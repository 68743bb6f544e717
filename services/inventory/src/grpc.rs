//! The gRPC surface: availability by product id.

use api::{
    ProductId,
    inventory::{
        Availability, GetAvailabilityRequest, GetAvailabilityResponse,
        inventory_server::{Inventory, InventoryServer},
    },
};
use chassis::Error;
use tonic::{Request, Response, Status};

use crate::Store;

/// The service as axum routes. Without tonic's fallback, which answers 200 to whatever is not gRPC.
pub(crate) fn router(store: Store) -> axum::Router {
    telemetry::serve_rpc(api::inventory::METHODS);
    tonic::service::Routes::new(InventoryServer::new(store))
        .into_axum_router()
        .reset_fallback()
}

#[tonic::async_trait]
impl Inventory for Store {
    async fn get_availability(
        &self,
        request: Request<GetAvailabilityRequest>,
    ) -> Result<Response<GetAvailabilityResponse>, Status> {
        let ids = request.into_inner().product_ids;
        if ids.len() > api::MAX_IDS {
            let text = format!("at most {} ids per call", api::MAX_IDS);
            return Err(Status::invalid_argument(text));
        }
        let ids: Result<Vec<ProductId>, _> = ids.into_iter().map(ProductId::try_from).collect();
        let ids = ids.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let available = self.available(&ids).await.map_err(Error::into_grpc)?;
        let items = available.into_iter().map(|it| Availability {
            product_id: it.product_id,
            available: it.available,
        });
        Ok(Response::new(GetAvailabilityResponse {
            items: items.collect(),
        }))
    }
}

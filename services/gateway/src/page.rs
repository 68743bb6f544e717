//! The product page: the catalogue says what it is, the inventory whether it is there.

use api::{
    Availability, Product, ProductId, ProductWithAvailability,
    inventory::{GetAvailabilityRequest, inventory_client::InventoryClient},
};
use axum::{
    body::Bytes,
    http::{HeaderMap, Method, StatusCode},
};
use chassis::Error;
use client::Upstream;

use crate::upstreams::Upstreams;

/// Asks both at once. Without the catalogue there is no page; without the inventory it says `unknown`.
pub(crate) async fn compose(
    upstreams: &Upstreams,
    id: ProductId,
) -> Result<ProductWithAvailability, Error> {
    let (product, availability) = tokio::join!(
        product(&upstreams.catalog, &id),
        availability(&upstreams.inventory, &id),
    );
    Ok(ProductWithAvailability {
        product: product?,
        availability,
    })
}

async fn product(catalog: &Upstream, id: &ProductId) -> Result<Product, Error> {
    let path = format!("/products/{id}");
    let path = path
        .parse()
        .map_err(|error| Error::Internal(anyhow::Error::new(error)))?;
    let answer = catalog
        .send(
            Method::GET,
            "/products/{id}",
            path,
            HeaderMap::new(),
            Bytes::new(),
        )
        .await?;
    let status = answer.status();
    match status {
        StatusCode::OK => serde_json::from_slice(answer.body()).map_err(|error| {
            Error::Internal(anyhow::Error::new(error).context("parse the response of catalog"))
        }),
        StatusCode::NOT_FOUND => Err(Error::NotFound("product")),
        StatusCode::GATEWAY_TIMEOUT => Err(Error::Timeout),
        StatusCode::SERVICE_UNAVAILABLE => Err(Error::Unavailable("catalog")),
        _ => Err(Error::Internal(anyhow::anyhow!(
            "catalog answered {status}"
        ))),
    }
}

async fn availability(inventory: &Upstream, id: &ProductId) -> Availability {
    let request = GetAvailabilityRequest {
        product_ids: vec![id.to_string()],
    };
    match InventoryClient::new(inventory.grpc().idempotent())
        .get_availability(request)
        .await
    {
        Ok(answer) => match answer.into_inner().items.first() {
            Some(item) if item.available > 0 => Availability::InStock,
            _ => Availability::OutOfStock,
        },
        Err(error) => {
            tracing::warn!(code = ?error.code(), error = error.message(), "inventory unavailable; stock shown as unknown");
            Availability::Unknown
        }
    }
}

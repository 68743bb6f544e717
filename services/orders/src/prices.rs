//! What things cost now: the catalogue knows.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use api::{
    Cents, NewOrder, ProductId,
    catalog::{GetProductsRequest, catalog_client::CatalogClient},
};
use chassis::Error;
use client::{Address, Upstream};

/// Asks the catalogue; cloning shares its connections.
#[derive(Debug, Clone)]
pub struct Prices(Upstream);

impl Prices {
    /// Asks the catalogue at `address`, waiting for it no longer than `timeout`. Must be called inside a Tokio runtime.
    pub fn new(address: &Address, timeout: Duration) -> Self {
        let options = client::Options {
            timeout,
            ..client::Options::default()
        };
        Self(Upstream::new("catalog", address, options))
    }

    /// A readiness check: whether any replica of the catalogue is known.
    pub(crate) fn discovered(&self) -> Result<(), String> {
        self.0.discovered()
    }

    /// EUR cents by product id; products that are not sold are left out.
    pub(crate) async fn of(&self, order: &NewOrder) -> Result<HashMap<ProductId, Cents>, Error> {
        let ids = order.items.iter().map(|it| it.product_id.to_string());
        let request = GetProductsRequest { ids: ids.collect() };
        let answer = CatalogClient::new(self.0.grpc())
            .get_products(request)
            .await
            .map_err(|status| self.0.failed(status))?;
        let products = answer.into_inner().products.into_iter();
        let prices = products.map(|it| {
            let id = it.id.try_into().context("read a product id")?;
            Ok((id, Cents(it.price_cents)))
        });
        prices.collect()
    }
}

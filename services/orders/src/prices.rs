//! What things cost now: the catalogue knows.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use api::{
    Cents, NewOrder, ProductId,
    catalog::{GetProductsRequest, catalog_client::CatalogClient},
};
use chassis::{Error, Host};
use client::{Address, Upstream};

/// Timeout of a call for prices, unless the address says otherwise.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Asks the catalogue; cloning shares its connections.
#[derive(Debug, Clone)]
pub(crate) struct Prices(Upstream);

impl Prices {
    /// Asks the catalogue at `address`. Must be called inside a Tokio runtime.
    pub(crate) fn new(address: &Address, host: &Host) -> Self {
        let catalog = Upstream::new("catalog", address, TIMEOUT);
        catalog.watch(host);
        Self(catalog)
    }

    /// EUR cents by product id; products that are not sold are left out.
    pub(crate) async fn of(&self, order: &NewOrder) -> Result<HashMap<ProductId, Cents>, Error> {
        let ids = order.items.iter().map(|it| it.product_id.to_string());
        let request = GetProductsRequest { ids: ids.collect() };
        let answer = CatalogClient::new(self.0.grpc().idempotent())
            .get_products(request)
            .await
            .map_err(|status| self.0.failed(status))?;
        let products = answer.into_inner().products.into_iter();
        let prices = products.map(|it| {
            let id = it.id.try_into().context("parse a product id")?;
            Ok((id, Cents(it.price_cents)))
        });
        prices.collect()
    }
}

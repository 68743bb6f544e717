//! Puts the parts together, each after those that it calls.

use chassis::{App, Host};

use crate::Config;

/// Opens every part and returns the door, behind which they are.
///
/// # Errors
/// Whatever a part cannot open.
pub async fn compose(config: &Config, host: &Host) -> anyhow::Result<App> {
    // Seven services are too much for the future of whoever waits.
    Box::pin(open(config.clone(), host)).await
}

async fn open(config: Config, host: &Host) -> anyhow::Result<App> {
    let Config {
        mut catalog,
        mut gateway,
        inventory,
        mut orders,
        payments,
        mut search,
        users,
    } = config;
    let part = |name| host.part(name, &gateway.chassis);

    let own = part("users");
    let state = users::State::open(&users, &own).await?;
    let users = own.routes(users::app(state), &users.chassis);

    catalog.users_addr = catalog.users_addr.within(users.clone());
    let own = part("catalog");
    let state = catalog::State::open(&catalog, &own).await?;
    let catalog = own.routes(catalog::app(state), &catalog.chassis);

    search.catalog_addr = search.catalog_addr.within(catalog.clone());
    let own = part("search");
    let state = search::State::open(&search, &own).await?;
    let search = own.routes(search::app(state), &search.chassis);

    let own = part("inventory");
    let state = inventory::State::open(&inventory, &own).await?;
    let inventory = own.routes(inventory::app(state), &inventory.chassis);

    // Nobody calls payments: it hears of orders.
    let own = part("payments");
    payments::State::open(&payments, &own).await?;

    orders.users_addr = orders.users_addr.within(users.clone());
    orders.catalog_addr = orders.catalog_addr.within(catalog.clone());
    let own = part("orders");
    let state = orders::State::open(&orders, &own).await?;
    let orders = own.routes(orders::app(state), &orders.chassis);

    gateway.users_addr = gateway.users_addr.within(users);
    gateway.catalog_addr = gateway.catalog_addr.within(catalog);
    gateway.search_addr = gateway.search_addr.within(search);
    gateway.inventory_addr = gateway.inventory_addr.within(inventory);
    gateway.orders_addr = gateway.orders_addr.within(orders);
    Ok(gateway::app(gateway::State::open(&gateway, host).await?))
}

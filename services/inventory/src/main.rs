//! Starts the inventory service.

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    inventory::run(inventory::Config::parse()).await
}

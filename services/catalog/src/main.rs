//! Starts the catalog service.

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    catalog::run(catalog::Config::parse()).await
}

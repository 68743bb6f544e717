//! Starts the orders service.

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    orders::run(orders::Config::parse()).await
}

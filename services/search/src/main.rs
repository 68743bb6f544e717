//! Starts the search service.

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    search::run(search::Config::parse()).await
}

//! Starts the shop as one process.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = std::env::args_os().skip(1);
    monolith::run(monolith::Config::read(arguments)?).await
}

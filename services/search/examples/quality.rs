//! What search finds, and how fast: 20 queries with their three best hits, and latencies at two sizes of the shop.
//!
//! `cargo run --release -p search --example quality`; with `--features elasticsearch -- http://HOST:PORT` there as well.
#![expect(clippy::print_stdout, reason = "a report for the terminal")]

#[path = "../tests/api/queries.rs"]
mod queries;

use std::time::{Duration, Instant};

use api::{SearchQuery, SearchResults};
use chassis::Host;
use clap::Parser as _;
use queries::QUERIES;
use search::{Config, Store};

const ROUNDS: usize = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = std::env::args().nth(1);
    for products in [1_000, 100_000] {
        let data = tempfile::tempdir()?;
        // Boxed: both engines' futures are in it, and are large.
        let file = format!("sqlite:{}/search.db", data.path().display());
        Box::pin(measure(&file, products)).await?;
        if let Some(server) = &server {
            let server = server.trim_end_matches('/');
            let prefix = format!("{server}/quality-{}", std::process::id());
            Box::pin(measure(&prefix, products)).await?;
        }
    }
    Ok(())
}

async fn measure(url: &str, products: u32) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (flag, seed) = (
        format!("--search-url={url}"),
        format!("--seed-products={products}"),
    );
    let config = Config::try_parse_from(["search", &flag, &seed])?;
    let store = Store::open(&config, &Host::default()).await?;
    println!(
        "\n{}: {products} products, indexed in {:.1?}\n",
        store.engine().await?,
        begun.elapsed()
    );
    report(&store).await?;
    Store::remove(&url.parse().map_err(anyhow::Error::msg)?).await
}

async fn report(store: &Store) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for text in QUERIES {
        let query = SearchQuery {
            q: Some(text.to_owned()),
            ..SearchQuery::default()
        };
        let mut times = Vec::new();
        for _ in 1..ROUNDS {
            times.push(search(store, &query).await?.0);
        }
        let (time, results) = search(store, &query).await?;
        times.push(time);
        all.extend_from_slice(&times);
        times.sort_unstable();
        let corrected: Vec<_> = results.corrections.iter().map(|it| &*it.read).collect();
        println!(
            "{text:28}{:8.1?}{:8} found  {}",
            times[ROUNDS / 2],
            results.total,
            corrected.join(" ")
        );
        for hit in results.hits.iter().take(3) {
            println!("    {} [{}]", hit.name, hit.category);
        }
    }
    all.sort_unstable();
    let quantile = |percent: usize| all[all.len() * percent / 100];
    println!("\np50 {:.1?}, p99 {:.1?}", quantile(50), quantile(99));
    Ok(())
}

async fn search(store: &Store, query: &SearchQuery) -> anyhow::Result<(Duration, SearchResults)> {
    let begun = Instant::now();
    let results = store.search(query.clone()).await?;
    Ok((begun.elapsed(), results))
}

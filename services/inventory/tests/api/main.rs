//! The inventory as its callers see it, over gRPC and HTTP, with its own database.

mod orders;

use std::{net::SocketAddr, time::Duration};

use api::inventory::{GetAvailabilityRequest, inventory_client::InventoryClient};
use chassis::{Concurrency, Host, Limits, public};
use clap::Parser as _;
use client::{GrpcUpstream, Upstream};
use inventory::{Config, State, app};
use serde_json::Value;
use testbed::{Databases, on_every_database};
use tonic::Code;

const SEEDED: u32 = 150;

/// The inventory with its data in `data`.
async fn open(data: &Databases, seed: u32, host: &Host) -> State {
    let database = format!("--database-url={}", data.url("inventory").await);
    let broker = format!("--broker-url={}", data.file("broker"));
    let seed = format!("--seed-products={seed}");
    let config = Config::parse_from(["inventory", &database, &broker, &seed]);
    let state = State::open(&config, host).await;
    state.expect("what it needs")
}

async fn serve(data: &Databases) -> SocketAddr {
    let state = open(data, SEEDED, &Host::default()).await;
    let limits = Limits {
        timeout: Duration::from_secs(10),
        body: 65536,
        concurrency: Concurrency::default(),
    };
    testbed::serve(public(app(state), limits)).await
}

fn client(address: SocketAddr) -> InventoryClient<GrpcUpstream> {
    let address = format!("http://{address}").parse().expect("an address");
    InventoryClient::new(Upstream::new("inventory", &address, Duration::from_secs(10)).grpc())
}

fn request(ids: &[&str]) -> GetAvailabilityRequest {
    GetAvailabilityRequest {
        product_ids: ids.iter().map(|it| (*it).to_owned()).collect(),
    }
}

on_every_database! {
    stock_is_what_the_seed_says_and_unknown_products_are_left_out,
    more_than_a_hundred_ids_are_refused,
    what_is_no_id_names_no_product,
    http_shows_the_same_stock,
    a_store_that_is_opened_again_is_not_seeded_again,
}

async fn stock_is_what_the_seed_says_and_unknown_products_are_left_out(data: Databases) {
    let mut client = client(serve(&data).await);
    let ids = ["p-000001", "p-000150", "p-999999"];
    let answer = client.get_availability(request(&ids)).await;
    let mut items = answer.expect("an answer").into_inner().items;
    items.sort_by(|a, b| a.product_id.cmp(&b.product_id));
    let items: Vec<_> = items
        .iter()
        .map(|it| (it.product_id.as_str(), it.available))
        .collect();
    let expected = [
        ("p-000001", api::seed::stock(1)),
        ("p-000150", api::seed::stock(150)),
    ];
    assert_eq!(items, expected);
}

async fn more_than_a_hundred_ids_are_refused(data: Databases) {
    let mut client = client(serve(&data).await);
    let refused = client
        .get_availability(request(&vec!["p-000001"; api::MAX_IDS + 1]))
        .await;
    let status = refused.expect_err("too many");
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "at most 100 ids per call")
    );
}

async fn what_is_no_id_names_no_product(data: Databases) {
    let mut client = client(serve(&data).await);
    for id in ["", "nonsense", "p-00000\0", "p-000001\0"] {
        let refused = client.get_availability(request(&["p-000001", id])).await;
        let status = refused.expect_err("no id");
        assert_eq!(status.code(), Code::InvalidArgument, "{id:?}");
    }
}

async fn http_shows_the_same_stock(data: Databases) {
    let address = serve(&data).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let get = async |id: &str| {
        let url = format!("http://{address}/stock/{id}");
        let answer = client.get(url).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.expect("JSON"))
    };
    let (status, stock) = get("p-000007").await;
    assert_eq!(status, 200);
    assert_eq!(stock["available"], api::seed::stock(7));
    for unknown in ["p-999999", "nonsense", "p-000007%00"] {
        let (status, problem) = get(unknown).await;
        assert_eq!(
            (status, &problem["detail"]),
            (404, &"product not found".into())
        );
    }
}

async fn a_store_that_is_opened_again_is_not_seeded_again(data: Databases) {
    let first = client(serve(&data).await)
        .get_availability(request(&["p-000001"]))
        .await;
    let second = client(serve(&data).await)
        .get_availability(request(&["p-000001"]))
        .await;
    let (first, second) = (first.expect("an answer"), second.expect("an answer"));
    assert_eq!(first.into_inner(), second.into_inner());
}

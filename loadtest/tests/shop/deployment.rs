//! The shop as processes: found, watched, started again, and never left behind.

use std::{collections::BTreeSet, env};

use loadtest::deployment::SERVICES;
use rustix::process::Signal;
use sqlx::{Connection as _, PgConnection};

use crate::{Scratch, eventually, runs, send};

fn get(url: &str) -> Option<(u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().ok()?;
        let answer = client.get(url).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    })
}

#[test]
fn a_service_that_was_killed_runs_again_and_is_found_again() {
    let scratch = Scratch::new();
    let up = scratch.up();
    let before = up.target("inventory").expect("it is found");
    let victim = up
        .services()
        .into_iter()
        .find(|it| {
            let command = std::fs::read_to_string(format!("/proc/{it}/cmdline"));
            command.is_ok_and(|it| it.contains("\0inventory\0"))
        })
        .expect("it runs");
    send(victim, Signal::KILL);
    eventually("another inventory is found", || {
        up.target("inventory").is_some_and(|it| it != before)
    });
    let page = format!("{}/products/p-000001", up.gateway());
    eventually("the page knows the stock again", || {
        get(&page).is_some_and(|(status, body)| status == 200 && !body.contains("unknown"))
    });
}

#[test]
fn without_the_inventory_the_page_still_comes() {
    let scratch = Scratch::new();
    let up = scratch.up();
    let inventory = up.target("inventory").expect("it is found");
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let faults = format!("http://{}/faults", inventory.admin);
        let hang = serde_json::json!({ "hang": true });
        let set = client
            .put(&faults)
            .json(&hang)
            .send()
            .await
            .expect("an answer");
        assert!(set.status().is_success());
    });
    let page = get(&format!("{}/products/p-000001", up.gateway())).expect("an answer");
    assert_eq!(page.0, 200);
    assert!(
        page.1.contains("\"availability\":\"unknown\""),
        "{}",
        page.1
    );
}

#[test]
fn ctrl_c_drains_everything() {
    let scratch = Scratch::new();
    let mut up = scratch.up();
    let services = up.services();
    assert_eq!(services.len(), SERVICES.len());
    up.signal(Signal::INT);
    let status = up.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(!services.iter().any(|it| runs(*it)));
    for service in SERVICES {
        let log = up.run_dir().join(format!("logs/{service}-1.1.log"));
        let log = std::fs::read_to_string(log).expect("its log");
        assert!(log.contains("\"message\":\"stopped\""), "{service}: {log}");
    }
}

/// What runs have at the server that `scripts/backends env` names.
fn schemas() -> BTreeSet<String> {
    let url = env::var("ORDERS_DATABASE_URL");
    let url = url.expect("ORDERS_DATABASE_URL: eval \"$(scripts/backends env)\"");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut server = PgConnection::connect(&url).await.expect("a connection");
        let names = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'run\\_%'";
        let names = sqlx::query_scalar(names).fetch_all(&mut server).await;
        names.expect("names").into_iter().collect()
    })
}

#[test]
#[ignore = "needs PostgreSQL: scripts/backends up"]
fn ctrl_c_in_the_middle_of_a_start_leaves_nothing_on_the_servers() {
    let scratch = Scratch::new();
    let before = schemas();
    let mut up = scratch.loadtest(&["up", "--port", "0", "--backends", "postgres"]);
    let up = up.spawn().expect("start loadtest");
    eventually("it has a schema", || !schemas().is_subset(&before));
    send(up.id(), Signal::INT);
    let ended = up.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(130), "before it was ready");
    assert_eq!(schemas(), before);
}

#[test]
fn a_parent_that_was_killed_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let mut up = scratch.up();
    let services = up.services();
    assert_eq!(services.len(), SERVICES.len());
    up.signal(Signal::KILL);
    up.child.wait().expect("it ends");
    eventually("no service runs", || !services.iter().any(|it| runs(*it)));
}

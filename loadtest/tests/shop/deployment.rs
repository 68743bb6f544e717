//! The shop as processes: found, watched, started again, and never left behind.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use loadtest::deployment::SERVICES;
use rustix::process::Signal;
use sqlx::{Connection as _, PgConnection};

use crate::{Scratch, Up, eventually, runs, send};

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
    up.is_replaced("inventory");
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
    inventory.set_fault(&serde_json::json!({ "hang": true }));
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
    up.has_drained();
}

#[test]
fn a_terminal_that_is_closed_drains_everything() {
    let scratch = Scratch::new();
    let mut up = scratch.up();
    up.signal(Signal::HUP);
    // A shell and the kernel may both say so.
    up.signal(Signal::HUP);
    let status = up.child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0));
    up.has_drained();
}

#[test]
fn under_nohup_it_goes_on() {
    let scratch = Scratch::new();
    let program = env!("CARGO_BIN_EXE_loadtest");
    let script = format!("trap '' HUP; exec {program} up --port 0");
    let mut up = scratch.up_by(&mut scratch.command(Path::new("sh"), &["-c", &script]));
    up.signal(Signal::HUP);
    // It hears of this one later than of the first.
    up.is_replaced("inventory");
    assert!(up.child.try_wait().expect("a process").is_none());
}

#[test]
fn a_reader_that_went_away_ends_it_in_order() {
    let scratch = Scratch::new();
    let mut up = scratch.loadtest(&["up", "--port", "0"]);
    let mut child = up.spawn().expect("start loadtest");
    drop(child.stdout.take());
    let ended = child.wait().expect("it ends");
    let up = Up {
        scratch: &scratch,
        child,
    };
    assert_eq!(ended.code(), Some(69));
    up.has_drained();
}

#[test]
fn a_second_ctrl_c_kills_what_does_not_drain() {
    let scratch = Scratch::new();
    let mut up = scratch.up();
    let (stopped, other) = (up.process("orders"), up.process("users"));
    send(stopped, Signal::STOP);
    up.signal(Signal::INT);
    eventually("the others have drained", || !runs(other));
    up.signal(Signal::INT);
    let mut told = String::new();
    let stderr = up.child.stderr.take().expect("a pipe");
    std::io::BufReader::new(stderr)
        .read_to_string(&mut told)
        .expect("what it says");
    assert_eq!(up.child.wait().expect("it ends").code(), Some(0), "{told}");
    let expected = "orders-1 was killed before it had drained";
    assert!(told.contains(expected), "{told}");
    assert!(!runs(stopped));
}

/// A file of its own with the binary in it.
fn copy_to(scratch: &Scratch) -> PathBuf {
    let program = scratch.runs().join("loadtest");
    fs::copy(env!("CARGO_BIN_EXE_loadtest"), &program).expect("copy the binary");
    program
}

/// Does what a build does: another file takes the place of the old one.
fn replace(program: &Path) {
    fs::remove_file(program).expect("remove the binary");
    fs::write(program, "not a program").expect("write another file");
}

#[test]
fn a_build_meanwhile_does_not_keep_services_from_being_restarted() {
    let scratch = Scratch::new();
    let program = copy_to(&scratch);
    let up = scratch.up_by(&mut scratch.command(&program, &["up", "--port", "0"]));
    replace(&program);
    up.is_replaced("inventory");
}

#[test]
fn a_build_meanwhile_does_not_keep_the_engine_from_being_started() {
    let scratch = Scratch::new();
    let program = copy_to(&scratch);
    let arguments = ["run", "baseline", "--rate", "5", "--duration", "1"];
    let child = scratch.command(&program, &arguments).spawn();
    let shop = scratch.runs().join("latest/baseline/nominal/services.json");
    eventually("the shop starts", || shop.exists());
    replace(&program);
    let ended = child.expect("start loadtest").wait_with_output();
    let ended = ended.expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    // Which verdict it is depends on how busy this machine is.
    assert!(matches!(ended.status.code(), Some(0..=3)), "{told}");
}

#[test]
fn what_is_set_for_services_outside_changes_nothing() {
    let scratch = Scratch::new();
    let up = scratch.up_with(&[
        ("LISTEN", "floppy"),
        ("ADMIN_LISTEN", "floppy"),
        ("RATE_LIMIT", "floppy"),
        ("CACHE_TTL", "floppy"),
        ("RUST_BACKTRACE", "1"),
    ]);
    for process in up.services() {
        let found = fs::read_to_string(format!("/proc/{process}/environ")).expect("variables");
        assert!(found.contains("RUST_BACKTRACE=1"), "{found}");
        for name in ["LISTEN=", "RATE_LIMIT=", "CACHE_TTL=", "LOADTEST_RUNS="] {
            assert!(!found.contains(name), "{name} in {found}");
        }
    }
}

/// Tests that look at what all runs have at the server take turns.
static SERVER: Mutex<()> = Mutex::new(());

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
    let _turn = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
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
#[ignore = "needs PostgreSQL: scripts/backends up"]
fn whoever_goes_away_leaves_nothing_on_the_servers() {
    let _turn = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let before = schemas();
    let scratch = Scratch::new();
    let arguments = ["up", "--port", "0", "--backends", "postgres"];
    let mut up = scratch.up_by(&mut scratch.loadtest(&arguments));
    assert_ne!(schemas(), before);
    up.signal(Signal::HUP);
    assert_eq!(up.child.wait().expect("it ends").code(), Some(0));
    assert_eq!(schemas(), before, "after a terminal was closed");

    let mut unread = scratch.loadtest(&arguments);
    let mut unread = unread.spawn().expect("start loadtest");
    drop(unread.stdout.take());
    assert_eq!(unread.wait().expect("it ends").code(), Some(69));
    assert_eq!(schemas(), before, "after nobody read what it said");
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

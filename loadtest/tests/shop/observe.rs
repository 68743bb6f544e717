//! Prometheus and Alertmanager beside the shop.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpStream,
    process::{Child, Stdio},
};

use rustix::process::Signal;

use crate::{Scratch, children, eventually, runs, send};

/// Starts `up --observe` and returns what it says the addresses of Prometheus and Alertmanager are.
fn observed(scratch: &Scratch) -> (Child, [String; 2]) {
    let mut command = scratch.loadtest(&["up", "--port", "0", "--observe"]);
    let mut up = command
        .stderr(Stdio::null())
        .spawn()
        .expect("start loadtest");
    let lines = BufReader::new(up.stdout.take().expect("a pipe")).lines();
    let mut found = Vec::new();
    for line in lines {
        let line = line.expect("what it says");
        for name in ["PROMETHEUS=http://", "ALERTMANAGER=http://"] {
            found.extend(line.trim().strip_prefix(name).map(str::to_owned));
        }
        if line.trim().starts_with("LOGS=") {
            break;
        }
    }
    (up, found.try_into().expect("both addresses"))
}

fn answers(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

/// The processes of a process, of those, and so on.
fn family(process: u32) -> Vec<u32> {
    let own = children(process);
    let further = own.iter().flat_map(|it| family(*it));
    let further: Vec<_> = further.collect();
    [own, further].concat()
}

/// What Prometheus finds for a query, as text.
fn query(address: &str, query: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let url = format!("http://{address}/api/v1/query");
        let answer = client.get(url).query(&[("query", query)]).send().await;
        answer.expect("an answer").text().await.expect("its text")
    })
}

#[test]
#[ignore = "needs Prometheus and Alertmanager on the PATH"]
fn the_shop_is_observed_and_all_is_gone_with_ctrl_c() {
    let scratch = Scratch::new();
    let (mut up, [prometheus, alertmanager]) = observed(&scratch);
    eventually("every service is scraped", || {
        let up = "count(count by (service) (up{job=\"windtunnel\"} == 1))";
        query(&prometheus, up).contains(",\"7\"]")
    });
    eventually("rules are evaluated", || {
        query(&prometheus, "count(ALERTS{alertname=\"Watchdog\"})").contains(",\"1\"]")
    });
    let notes = scratch.runs().join("latest/observe/notifications.jsonl");
    eventually("the dead man's switch is heard", || {
        std::fs::read_to_string(&notes).is_ok_and(|it| it.contains("Watchdog"))
    });
    let family = family(up.id());
    assert!(answers(&alertmanager));
    send(up.id(), Signal::INT);
    assert_eq!(up.wait().expect("it ends").code(), Some(0));
    assert!(!answers(&prometheus) && !answers(&alertmanager));
    assert!(!family.iter().any(|it| runs(*it)));
}

#[test]
#[ignore = "needs Prometheus and Alertmanager on the PATH"]
fn whoever_kills_the_parent_leaves_no_prometheus_behind() {
    let scratch = Scratch::new();
    let (mut up, _) = observed(&scratch);
    let family = family(up.id());
    up.kill().expect("kill it");
    up.wait().expect("it ends");
    eventually("no process is left", || !family.iter().any(|it| runs(*it)));
}

#[test]
fn a_prometheus_that_is_missing_is_told_with_how_to_get_it() {
    let scratch = Scratch::new();
    let output = scratch
        .loadtest(&["up", "--port", "0", "--observe"])
        .env("PATH", "/nonexistent")
        .output()
        .expect("run loadtest");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{text}");
    assert!(
        text.contains("apt-get install") && text.contains("prometheus-alertmanager"),
        "{text}"
    );
}

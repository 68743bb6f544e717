//! What receives alerts in containers.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Stdio},
};

use serde_json::{Value, json};

use crate::{Scratch, eventually};

struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The status of an answer, and nothing while nobody answers.
fn status(request: reqwest::RequestBuilder) -> Option<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(request.send());
    answer.ok().map(|it| it.status().as_u16())
}

/// A notification of one alert, as Alertmanager 0.25 and later send it.
fn notification(name: &str, status: &str) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status, "receiver": "checkout",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
        "alerts": [{
            "status": status, "labels": {"alertname": name, "service": "inventory", "team": "checkout"},
            "annotations": {"summary": "inventory has given up events", "runbook_url": "page"},
            "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": name,
        }],
    })
}

#[test]
fn alerts_are_logged_and_a_switch_that_stays_away_makes_the_receiver_unready() {
    let scratch = Scratch::new();
    let (port, admin) = (free_port(), free_port());
    let listen = format!("--listen=127.0.0.1:{port}");
    let admin_listen = format!("--admin-listen=127.0.0.1:{admin}");
    let mut receiver = scratch
        .loadtest(&["receive", &listen, &admin_listen, "--patience=1s"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("start a receiver");
    let mut lines = BufReader::new(receiver.stdout.take().expect("a pipe")).lines();
    let _receiver = Receiver(receiver);
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let probe = || status(client.get(format!("http://127.0.0.1:{admin}/readyz")));
    let tell = |name: &str, how: &str| {
        let url = format!("http://127.0.0.1:{port}/teams/checkout");
        status(client.post(url).json(&notification(name, how)))
    };
    eventually("the switch is missed", || probe() == Some(503));
    eventually("the switch makes it ready", || {
        assert_eq!(tell("Watchdog", "firing"), Some(200));
        probe() == Some(200)
    });
    assert_eq!(tell("DeadLetters", "firing"), Some(200));
    let fires = lines.find_map(|line| {
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        (line["message"] == "alert fires").then_some(line)
    });
    let fires = fires.expect("the alert is logged");
    assert_eq!(fires["labels.alert"], "DeadLetters", "{fires}");
    assert_eq!(fires["labels.team"], "checkout", "{fires}");
}

//! Replicas that come and go with the load.

use std::{
    fs,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::{Scratch, Up, eventually};

/// Searches that are in flight: at the target of two, what six replicas have.
const AT_ONCE: usize = 12;

/// Asks as a client at `address`: each has a rate limit of its own.
fn get(url: &str, address: &str) -> reqwest::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        client
            .get(url)
            .header("x-forwarded-for", address)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await
    })
}

/// Says so when it is dropped, whatever has become of who waited.
struct Says<'a>(&'a AtomicBool);

impl Drop for Says<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Where the metrics of the autoscaler are.
fn scaler(up: &Up<'_>) -> Option<String> {
    let text = fs::read(up.run_dir().join("services.json")).ok()?;
    let groups: Vec<serde_json::Value> = serde_json::from_slice(&text).ok()?;
    let own = |it: &&serde_json::Value| it["labels"]["service"].is_null();
    let target = groups.iter().find(own)?["targets"][0].as_str()?;
    Some(format!("http://{target}/metrics"))
}

fn searches(up: &Up<'_>) -> usize {
    let targets = up.targets();
    targets.iter().filter(|it| it.service == "search").count()
}

#[test]
fn replicas_come_and_go_with_the_load_and_it_is_told_why() {
    let scratch = Scratch::new();
    let arguments = ["up", "--port", "0", "--autoscale", "--time-scale", "60"];
    let mut command = scratch.loadtest(&arguments);
    let child = command
        .stdout(Stdio::null())
        .spawn()
        .expect("start loadtest");
    let up = Up {
        scratch: &scratch,
        child,
    };
    eventually("there are the fewest that are allowed", || {
        searches(&up) == 2
    });
    let metrics = || {
        scaler(&up)
            .and_then(|it| get(&it, "192.0.2.1").ok())
            .unwrap_or_default()
    };
    let told = |count: u32| format!("service_replicas_told{{service=\"search\"}} {count}\n");
    eventually("the autoscaler says so", || metrics().contains(&told(2)));

    let (url, enough) = (
        format!("{}/search?q=oak", up.gateway()),
        AtomicBool::new(false),
    );
    // How many are in flight must not depend on how fast this machine is.
    let slow = serde_json::json!({ "route": "/search", "latency_ms": 300 });
    for search in up.targets().iter().filter(|it| it.service == "search") {
        search.set_fault(&slow);
    }
    std::thread::scope(|scope| {
        let _said = Says(&enough);
        for number in 0..AT_ONCE {
            let (url, enough) = (&url, &enough);
            scope.spawn(move || {
                while !enough.load(Relaxed) {
                    // Whether every search succeeds is asked by the experiment.
                    let _ = get(url, &format!("198.51.100.{number}"));
                }
            });
        }
        eventually("there are twice as many", || searches(&up) > 3);
    });
    let at_the_most = metrics();
    for name in [
        "spec_max_replicas",
        "status_current_replicas",
        "status_condition",
        "status_target_metric",
    ] {
        let series = format!("kube_horizontalpodautoscaler_{name}{{");
        assert!(at_the_most.contains(&series), "{name}: {at_the_most}");
    }
    eventually("there are the fewest again", || searches(&up) == 2);
    let log = fs::read_to_string(up.run_dir().join("logs/autoscaler.log")).expect("its log");
    for why in [
        "from 1 to 2 replicas: 1 is fewer than minReplicas, 2",
        "http_server_requests_in_flight is at",
    ] {
        assert!(log.contains(why), "{why}: {log}");
    }
}

#[test]
fn a_file_that_a_cluster_would_refuse_is_refused_by_its_field() {
    let scratch = Scratch::new();
    let path = scratch.runs().join("hpa.yaml");
    fs::create_dir_all(scratch.runs()).expect("a directory");
    fs::write(&path, "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {replicas: 3}\n")
        .expect("a file");
    let path = path.to_str().expect("UTF-8");
    let output = scratch
        .loadtest(&["up", "--autoscale", path])
        .output()
        .expect("run loadtest");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains("spec.replicas") && said.contains("hpa.yaml"),
        "{said}"
    );
}

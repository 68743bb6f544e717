//! What is said to someone who types something wrong, and to someone who asks.

use std::net::TcpListener;

use crate::Scratch;

#[track_caller]
fn says(scratch: &Scratch, arguments: &[&str], code: i32, words: &[&str]) {
    let output = scratch.loadtest(arguments).output().expect("run loadtest");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[test]
fn wrong_usage_is_told_with_exit_code_64() {
    let scratch = Scratch::new();
    says(
        &scratch,
        &["run", "baselin"],
        64,
        &["unknown experiment \"baselin\"", "baseline"],
    );
    says(&scratch, &["run", "--rate", "0"], 64, &["from 1 to 100000"]);
    says(
        &scratch,
        &["run", "--duration", "x"],
        64,
        &["whole seconds"],
    );
    says(&scratch, &["--nonsense"], 64, &["--help"]);
    let from = |it| ["run", it, "--from", "HEAD"];
    says(
        &scratch,
        &from("baseline"),
        64,
        &["replaces no version", "rollout"],
    );
    let on = |target, experiment| ["run", experiment, "--target", target];
    // Addresses that RFC 5737 keeps free for documents.
    let theirs = on("http://192.0.2.1:8080", "baseline");
    says(&scratch, &theirs, 64, &["--i-own-this-target"]);
    let no_gateway = on("ftp://127.0.0.1", "baseline");
    says(&scratch, &no_gateway, 64, &["http://HOST:PORT"]);
    let touches = on("http://127.0.0.1:8080", "crash");
    says(&scratch, &touches, 64, &["only loaded", "baseline"]);
    let much = [
        &on("http://127.0.0.1:8080", "baseline")[..],
        &["--rate", "500"],
    ]
    .concat();
    says(&scratch, &much, 64, &["at most 200"]);
}

#[test]
fn a_comparison_with_what_cannot_be_is_refused_before_anything_is_started() {
    let scratch = Scratch::new();
    let compare = |b, code, words: &[&str]| says(&scratch, &["compare", "--b", b], code, words);
    compare("env:CACHE=off", 64, &["no service knows", "CACHE_"]);
    compare("env:DATABASE_URL=x", 64, &["decided by loadtest"]);
    compare(
        "fault:kiosk:latency_ms=5",
        64,
        &["unknown service", "gateway"],
    );
    compare("main", 64, &["git:REVISION"]);
    compare("git:no-such-revision", 69, &["git:no-such-revision"]);
    says(&scratch, &["compare"], 64, &["--b"]);
    let few = ["compare", "--b", ".", "--pairs", "3"];
    says(&scratch, &few, 64, &["from 10 to 1000"]);
}

#[test]
fn help_and_list_teach() {
    let scratch = Scratch::new();
    let words = ["git:REVISION", "env:NAME=VALUE", "Exit codes"];
    says(&scratch, &["compare", "--help"], 0, &words);
    says(&scratch, &["--help"], 0, &["up", "run", "Exit codes"]);
    says(&scratch, &["list"], 0, &["baseline", "?"]);
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let words = [port.as_str(), "choose another with --port"];
    says(&Scratch::new(), &["up", "--port", &port], 69, &words);
}

#[test]
fn a_report_that_is_not_there_is_told() {
    says(
        &Scratch::new(),
        &["report"],
        69,
        &["run an experiment first"],
    );
}

#[test]
fn a_full_disk_is_told_with_what_to_do() {
    // Nothing can be written to /dev/full, which a run directory below it stands for.
    let scratch = Scratch::new();
    let full = scratch.runs().join("runs");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    let runs = full.display().to_string();
    says(
        &scratch,
        &["--runs", &runs, "up"],
        69,
        &["create a directory for this run in", &runs],
    );
}

#[test]
fn a_service_that_does_not_start_is_told_with_its_last_words() {
    let scratch = Scratch::new();
    let output = scratch
        .loadtest(&["up", "--port", "0"])
        .env("RUST_LOG", "shop=floppy")
        .output()
        .expect("run loadtest");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{text}");
    for word in ["catalog-1 did not start", "exit code", "floppy", "  log: "] {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

//! The binary as people run it: on free ports of this machine, with real processes.

mod commands;
mod compare;
mod deployment;
mod engine;
mod lines;
mod observe;
mod order;
mod receive;
mod scaling;
mod secrets;
mod target;
mod verdicts;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use loadtest::deployment::SERVICES;

/// Anything that takes longer is broken, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A directory for runs that goes away with the test.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn runs(&self) -> &Path {
        self.0.path()
    }

    /// The binary, told to keep its runs here.
    fn loadtest(&self, arguments: &[&str]) -> Command {
        self.command(Path::new(env!("CARGO_BIN_EXE_loadtest")), arguments)
    }

    /// A program that is the binary, or becomes it, told the same.
    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("LOADTEST_RUNS", self.runs())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `up` on free ports, ready.
    fn up(&self) -> Up<'_> {
        self.up_with(&[])
    }

    /// The same in another environment.
    fn up_with(&self, environment: &[(&str, &str)]) -> Up<'_> {
        let mut command = self.loadtest(&["up", "--port", "0"]);
        self.up_by(command.envs(environment.iter().copied()))
    }

    /// The same by a command of its own.
    fn up_by(&self, command: &mut Command) -> Up<'_> {
        let command = command.stdout(Stdio::null());
        let child = command.spawn().expect("start loadtest");
        let up = Up {
            scratch: self,
            child,
        };
        eventually("every service is found", || {
            up.targets().len() == SERVICES.len()
        });
        up
    }
}

/// A running `up`. It is stopped with the test, or its processes end with it.
struct Up<'a> {
    scratch: &'a Scratch,
    child: Child,
}

/// A replica as the discovery file has it.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    service: String,
    admin: String,
    public: String,
}

impl Target {
    fn set_fault(&self, fault: &serde_json::Value) {
        let client = reqwest::Client::builder().no_proxy().build();
        let put = client
            .expect("a client")
            .put(format!("http://{}/faults", self.admin));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let set = runtime.block_on(put.json(fault).send());
        assert!(set.expect("an answer").status().is_success());
    }
}

impl Up<'_> {
    fn run_dir(&self) -> PathBuf {
        self.scratch.runs().join("latest")
    }

    fn targets(&self) -> Vec<Target> {
        let Ok(text) = std::fs::read(self.run_dir().join("services.json")) else {
            return Vec::new();
        };
        let groups: Vec<serde_json::Value> = serde_json::from_slice(&text).expect("file_sd JSON");
        let text = |it: &serde_json::Value| it.as_str().expect("a text").to_owned();
        groups
            .iter()
            // An autoscaler has metrics and is no service.
            .filter(|it| !it["labels"]["service"].is_null())
            .map(|it| Target {
                service: text(&it["labels"]["service"]),
                admin: text(&it["targets"][0]),
                public: text(&it["labels"]["__service_address"]),
            })
            .collect()
    }

    fn target(&self, service: &str) -> Option<Target> {
        self.targets().into_iter().find(|it| it.service == service)
    }

    fn gateway(&self) -> String {
        let gateway = self.target("gateway").expect("the gateway runs");
        format!("http://{}", gateway.public)
    }

    /// The processes of its services.
    fn services(&self) -> Vec<u32> {
        children(self.child.id())
    }

    /// The process of the only replica of a service.
    fn process(&self, service: &str) -> u32 {
        let runs = |it: &u32| {
            let command = std::fs::read_to_string(format!("/proc/{it}/cmdline"));
            command.is_ok_and(|it| it.contains(&format!("\0{service}\0")))
        };
        self.services().into_iter().find(runs).expect("it runs")
    }

    /// Kills a service, and returns when another of it is found.
    fn is_replaced(&self, service: &str) {
        let before = self.target(service).expect("it is found");
        send(self.process(service), rustix::process::Signal::KILL);
        eventually("another one is found", || {
            self.target(service).is_some_and(|it| it != before)
        });
    }

    /// Whether each service has said in its log that it stopped, which it does not when it is killed.
    #[track_caller]
    fn has_drained(&self) {
        for service in SERVICES {
            let log = self.run_dir().join(format!("logs/{service}-1.1.log"));
            let log = std::fs::read_to_string(log).expect("its log");
            assert!(log.contains("\"message\":\"stopped\""), "{service}: {log}");
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        send(self.child.id(), signal);
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(process: u32, signal: rustix::process::Signal) {
    let id = i32::try_from(process).expect("a process id");
    let id = rustix::process::Pid::from_raw(id).expect("a process id");
    rustix::process::kill_process(id, signal).expect("send a signal");
}

/// The child processes of a process, by what `/proc` says of parents.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc");
    let ids = processes.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent)).collect()
}

fn parent_of(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; state and parent follow it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.next()?.parse().ok()
}

fn runs(process: u32) -> bool {
    parent_of(process).is_some()
}

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

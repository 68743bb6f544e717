//! A server of a test's own, and a way to a server that can be cut.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    BrokerUrl,
    broker::place::{Place, backends},
};

/// Passes connections on to a server until it is told otherwise.
pub(super) struct Proxy {
    port: u16,
    /// How often connections were cut, and whether new ones are refused.
    state: Arc<watch::Sender<(u32, bool)>>,
}

impl Proxy {
    pub(super) async fn start(url: &BrokerUrl) -> Self {
        let BrokerUrl::Rabbit(url) = url else {
            unreachable!("it is RabbitMQ's place");
        };
        let upstream = format!("{}:{}", url.uri.authority.host, url.uri.authority.port);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new((0, false)));
        let told = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let mut told = told.subscribe();
                let upstream = upstream.clone();
                if told.borrow().1 {
                    continue;
                }
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(upstream).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => (),
                        _ = told.changed() => (),
                    }
                });
            }
        });
        Self { port, state }
    }

    /// The same place behind this proxy.
    pub(super) fn place(&self, url: &BrokerUrl) -> Place {
        let BrokerUrl::Rabbit(url) = url else {
            unreachable!("it is RabbitMQ's place");
        };
        let mut url = url.clone();
        url.uri.authority.host = "127.0.0.1".to_owned();
        url.uri.authority.port = self.port;
        Place {
            url: BrokerUrl::Rabbit(url),
            data: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn cut(&self) {
        self.state.send_modify(|it| it.0 += 1);
    }

    pub(super) fn refuse(&self, refuse: bool) {
        self.state.send_modify(|it| it.1 = refuse);
    }
}

/// A server that nobody else uses; it ends with this.
pub(super) struct Server {
    pub(super) url: String,
    port: String,
    data: TempDir,
}

impl Server {
    pub(super) async fn start(port: u16) -> Self {
        let it = Self {
            url: format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
            port: port.to_string(),
            data: tempfile::tempdir().unwrap(),
        };
        it.up().await;
        it
    }

    pub(super) async fn up(&self) {
        self.run(&["up", "rabbitmq"]).await;
    }

    /// Runs `rabbitmqctl`.
    pub(super) async fn ctl(&self, arguments: &[&str]) {
        let tool = [&["rabbitmq", "rabbitmqctl"], arguments].concat();
        self.run(&tool).await;
    }

    /// Sends its process a signal; after `KILL`, returns when it has ended.
    pub(super) async fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.data.path().join("rabbitmq/pid")).unwrap();
        let (pid, name_option) = (pid.trim(), format!("-{name}"));
        let sent = Command::new("kill").args([&name_option, pid]).status();
        assert!(sent.unwrap().success());
        let process = format!("/proc/{pid}");
        while name == "KILL" && Path::new(&process).exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn run(&self, arguments: &[&str]) {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let (data, port) = (self.data.path().to_owned(), self.port.clone());
        let run = move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let data = data.to_str().unwrap();
            backends(
                &arguments,
                &[("BACKENDS_DIR", data), ("BACKENDS_RABBITMQ_PORT", &port)],
            );
        };
        tokio::task::spawn_blocking(run).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data.path().to_str().unwrap();
        let variables = [
            ("BACKENDS_DIR", data),
            ("BACKENDS_RABBITMQ_PORT", &self.port),
        ];
        backends(&["down", "rabbitmq"], &variables);
    }
}

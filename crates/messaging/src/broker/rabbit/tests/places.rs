//! A way to a server that can be cut.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{BrokerUrl, broker::place::Place};

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

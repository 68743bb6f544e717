//! A way to a server that a test can shut, so that the server seems to be away.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Passes connections on to a server while it is open; cloning shares it.
#[derive(Debug, Clone)]
pub struct Door(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    server: String,
    passing: Mutex<Option<JoinSet<()>>>,
    connections: Mutex<Connections>,
}

/// What becomes of the connections that were made since this was.
#[derive(Debug, Clone, Default)]
struct Connections {
    /// They are closed.
    cut: CancellationToken,
    /// Nothing comes through them any more.
    silent: CancellationToken,
}

impl Door {
    /// A shut door to `server`, which is `HOST:PORT`.
    pub async fn new(server: &str) -> Self {
        // Free at this moment, and ours soon.
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self(Arc::new(Inner {
            address: free.local_addr().expect("its address"),
            server: server.to_owned(),
            passing: Mutex::default(),
            connections: Mutex::default(),
        }))
    }

    /// Where the server is reached through it.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Lets connections through from now on.
    pub async fn open(&self) {
        let listener = TcpListener::bind(self.0.address).await;
        let listener = listener.expect("the port is still free");
        let door = self.clone();
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            // They end with the task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let of_now = door.connections(|it| it.clone());
                connections.spawn(pass(client, door.0.server.clone(), of_now));
            }
        });
        self.replace(Some(passing));
    }

    /// Refuses connections from now on, and closes those there are.
    pub async fn shut(&self) {
        if let Some(mut passing) = self.replace(None) {
            passing.shutdown().await;
        }
    }

    /// Closes the connections there are; new ones pass.
    pub fn cut(&self) {
        self.connections(std::mem::take).cut.cancel();
    }

    /// From now on nothing comes through the connections there are, which nobody closes; through new ones it does.
    pub fn silence(&self) {
        self.connections(std::mem::take).silent.cancel();
    }

    fn connections<T>(&self, with: impl FnOnce(&mut Connections) -> T) -> T {
        let connections = self.0.connections.lock();
        with(&mut connections.unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, passing: Option<JoinSet<()>>) -> Option<JoinSet<()>> {
        let current = self.0.passing.lock();
        std::mem::replace(
            &mut *current.unwrap_or_else(PoisonError::into_inner),
            passing,
        )
    }
}

async fn pass(mut client: TcpStream, server: String, connections: Connections) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => (),
        () = connections.cut.cancelled() => (),
        () = connections.silent.cancelled() => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::timeout,
    };

    use super::*;

    /// Sends back what it gets.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut read, mut write) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut read, &mut write).await });
            }
        });
        address
    }

    async fn answers(stream: &mut TcpStream) -> std::io::Result<u8> {
        stream.write_all(b"!").await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn connections_pass_are_cut_fall_silent_and_are_refused() {
        let door = Door::new(&echo().await).await;
        let connect = async || TcpStream::connect(door.address()).await;
        assert!(connect().await.is_err(), "it is shut at first");
        door.open().await;
        let mut first = connect().await.unwrap();
        answers(&mut first).await.unwrap();
        door.cut();
        assert!(answers(&mut first).await.is_err());
        let mut second = connect().await.unwrap();
        answers(&mut second).await.unwrap();
        door.silence();
        let silent = timeout(Duration::from_millis(50), answers(&mut second)).await;
        assert!(silent.is_err(), "{silent:?}");
        let mut third = connect().await.unwrap();
        answers(&mut third).await.unwrap();
        door.shut().await;
        assert!(answers(&mut third).await.is_err());
        assert!(connect().await.is_err());
    }
}

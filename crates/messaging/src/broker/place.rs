//! Where a test finds a broker of its own, one of each kind.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use chassis::new_id;
use serde_json::{Value, json};
use telemetry::Origin;
use tempfile::TempDir;
use testbed::{backends, show};

use super::{Broker, BrokerUrl};
use crate::{Event, Topology};

/// Runs each of the tests named on every kind of broker.
macro_rules! on_every_broker {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let place = crate::broker::place::Place::sqlite().await;
                super::$test(&place).await;
            })*
        }

        mod rabbitmq {
            $(#[tokio::test]
            #[ignore = "needs RabbitMQ: scripts/backends up"]
            async fn $test() {
                let place = crate::broker::place::Place::rabbit();
                super::$test(&place).await;
                place.clear().await;
            })*
        }

        #[cfg(feature = "kafka")]
        mod kafka {
            $(#[tokio::test]
            #[ignore = "needs Kafka: scripts/backends up"]
            async fn $test() {
                let place = crate::broker::place::Place::kafka();
                super::$test(&place).await;
                place.clear().await;
            })*
        }
    };
}
pub(crate) use on_every_broker;

/// Events and queues as in a shop.
pub(crate) fn topology() -> Topology {
    const TYPES: &[&str] = &[
        "order.cancelled",
        "order.confirmed",
        "stock.rejected",
        "payment.declined",
        "payment.refunded",
        "product.changed",
    ];
    const QUEUES: [(&str, &[&str]); 4] = [
        ("inventory", &["order.confirmed", "order.cancelled"]),
        ("payments", &["order.cancelled"]),
        ("orders", &["stock.rejected", "payment.declined"]),
        ("search", &["product.changed"]),
    ];
    Topology::new(TYPES, QUEUES, &["product.changed"])
}

/// Something of this type that happened.
pub(crate) fn fact(kind: &str) -> Value {
    json!({ "type": kind, "data": { "reason": "timed_out" } })
}

/// The event that tells it.
pub(crate) fn event(kind: &str) -> Event {
    Event::new("test", "o-1", Origin::default(), fact(kind)).unwrap()
}

/// A broker that only one test uses.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) url: BrokerUrl,
    pub(crate) data: TempDir,
}

impl Place {
    pub(crate) async fn sqlite() -> Self {
        let memory = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
        let version = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&memory);
        let version: String = version.await.unwrap();
        show(&format!("broker: SQLite {version}"));
        let data = tempfile::tempdir().unwrap();
        let url = BrokerUrl::Sqlite(data.path().join("broker.db"));
        Self { url, data }
    }

    /// Names of its own at the server that `AMQP_URL` names, or else the one of `scripts/backends`.
    pub(crate) fn rabbit() -> Self {
        let place = Self::rabbit_at(&server("rabbitmq", "AMQP_URL"));
        show(&format!("broker: RabbitMQ {}", version(&place.url)));
        place
    }

    pub(crate) fn rabbit_at(server: &str) -> Self {
        let url = format!("{server}?exchange={}", new_id("test"));
        Self {
            url: url.parse().unwrap(),
            data: tempfile::tempdir().unwrap(),
        }
    }

    /// The same for `KAFKA_URL`.
    #[cfg(feature = "kafka")]
    pub(crate) fn kafka() -> Self {
        let server = server("kafka", "KAFKA_URL");
        show(&format!("broker: Kafka {}", kafka_version(&server)));
        Self::kafka_at(&server)
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn kafka_at(server: &str) -> Self {
        let url = format!("{server}?topics={}", new_id("test"));
        Self {
            url: url.parse().unwrap(),
            data: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn open(&self) -> Broker {
        Broker::open(&self.url, &topology()).await.unwrap()
    }

    /// Takes away what the test made at the server.
    pub(crate) async fn clear(&self) {
        self.open().await.remove().await.unwrap();
    }
}

/// The URL, without a query, that `variable` has or `scripts/backends` gives it.
pub(crate) fn server(name: &str, variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        let printed = backends(&["env", name], &[]);
        let export = format!("export {variable}=");
        let url = printed.lines().find_map(|it| it.strip_prefix(&export));
        url.expect("scripts/backends prints it").to_owned()
    })
}

/// What the server at `url` says it is, in the first frame it sends.
fn version(url: &BrokerUrl) -> String {
    let BrokerUrl::Rabbit(url) = url else {
        return String::new();
    };
    let address = (url.uri.authority.host.as_str(), url.uri.authority.port);
    let mut stream = TcpStream::connect(address).expect("a server: scripts/backends up");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream.write_all(b"AMQP\0\0\x09\x01").unwrap();
    let mut head = [0; 7];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes(head[3..].try_into().unwrap());
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).unwrap();
    let name = b"\x07versionS";
    let at = frame.windows(name.len()).position(|it| it == name).unwrap() + name.len();
    let length = u32::from_be_bytes(frame[at..at + 4].try_into().unwrap()) as usize;
    String::from_utf8_lossy(&frame[at + 4..at + 4 + length]).into_owned()
}

/// The latest format of metadata that the server at `url` knows, which is called after its release: no answer of its has the
/// version itself.
#[cfg(feature = "kafka")]
fn kafka_version(url: &str) -> &'static str {
    static VERSION: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    VERSION.get_or_init(|| {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../scripts/kafka-node/kafka-node");
        let servers = url.strip_prefix("kafka://").expect("it is Kafka's URL");
        let mut command = std::process::Command::new(script);
        command.args([
            "tool",
            "FeatureCommand",
            "--bootstrap-server",
            servers,
            "describe",
        ]);
        let printed = command.output().unwrap();
        let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
        let mut lines = printed.lines();
        let line = lines.find(|it| it.starts_with("Feature: metadata.version"));
        let words = line.and_then(|it| it.split_once("SupportedMaxVersion: "));
        let version = words.and_then(|it| it.1.split_whitespace().next());
        version.expect("a server: scripts/backends up").to_owned()
    })
}

//! The services of the shop and the flags each is started with.

use std::{fmt, path::Path};

use super::Options;

/// Every service, in the order of the discovery file.
pub const SERVICES: [Service; 3] = [Service::Catalog, Service::Gateway, Service::Inventory];

/// A service of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Products.
    Catalog,
    /// The only public door.
    Gateway,
    /// Stock.
    Inventory,
}

impl Service {
    /// Its name in metrics, logs, spans and the discovery file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Gateway => "gateway",
            Self::Inventory => "inventory",
        }
    }

    /// Whether clients outside the shop talk to it.
    pub fn is_public(self) -> bool {
        self == Self::Gateway
    }

    /// The flags of one replica, beside those that all services get.
    pub(super) fn flags(self, dir: &Path, discovery: &Path, options: &Options) -> Vec<String> {
        let database = || format!("sqlite:{}", dir.join("data").join(self.name()).display());
        let found = || format!("file:{}", discovery.display());
        let broker = || {
            format!(
                "--broker-url=sqlite:{}",
                dir.join("data/broker.db").display()
            )
        };
        match self {
            Self::Catalog => vec![format!("--database-url={}.db", database())],
            Self::Inventory => vec![format!("--database-url={}.db", database()), broker()],
            Self::Gateway => vec![
                format!("--listen=127.0.0.1:{}", options.gateway_port),
                format!("--catalog-addr={}", found()),
                format!("--inventory-addr={}", found()),
                // Every arrival of a load test is a shopper with an address of its own.
                "--trust-forwarded-for".into(),
            ],
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

//! What the shop can run on, and what was chosen.

use std::{fmt, str::FromStr};

use anyhow::Context as _;

/// A server that takes a file's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Databases.
    Postgres,
    /// A cache that replicas share.
    Redis,
    /// The same.
    Memcached,
    /// A broker.
    Rabbitmq,
    /// The same; built in with the feature `kafka`.
    Kafka,
    /// A search engine; built in with the feature `elasticsearch`.
    Elasticsearch,
}

/// What a server is to the shop, which needs one of each and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Databases,
    Cache,
    Broker,
    Search,
}

impl Role {
    /// What a check of `/readyz` asks, if it is a server. Nobody asks a cache.
    pub(crate) fn asked_by(check: &str) -> Option<Self> {
        let asks = |it: &Self| it.check() == Some(check);
        [Self::Databases, Self::Broker, Self::Search, Self::Cache]
            .into_iter()
            .find(asks)
    }

    /// What `/readyz` calls the check that asks it.
    fn check(self) -> Option<&'static str> {
        match self {
            Self::Databases => Some("database"),
            Self::Broker => Some("broker"),
            Self::Search => Some("elasticsearch"),
            Self::Cache => None,
        }
    }
}

const SERVERS: [Server; 6] = [
    Server::Postgres,
    Server::Redis,
    Server::Memcached,
    Server::Rabbitmq,
    Server::Kafka,
    Server::Elasticsearch,
];

/// What `real` stands for, as far as it is built in.
const REAL: [Server; 4] = [
    Server::Postgres,
    Server::Redis,
    Server::Rabbitmq,
    Server::Elasticsearch,
];

impl Server {
    /// Its name on the command line and for `scripts/backends`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Memcached => "memcached",
            Self::Rabbitmq => "rabbitmq",
            Self::Kafka => "kafka",
            Self::Elasticsearch => "elasticsearch",
        }
    }

    pub(crate) fn role(self) -> Role {
        match self {
            Self::Postgres => Role::Databases,
            Self::Redis | Self::Memcached => Role::Cache,
            Self::Rabbitmq | Self::Kafka => Role::Broker,
            Self::Elasticsearch => Role::Search,
        }
    }

    /// What this build has no client for it without.
    fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::Kafka if !cfg!(feature = "kafka") => Some("kafka"),
            Self::Elasticsearch if !cfg!(feature = "elasticsearch") => Some("elasticsearch"),
            _ => None,
        }
    }
}

impl FromStr for Server {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let found = SERVERS.into_iter().find(|it| it.name() == text);
        let names = SERVERS.map(Self::name).join(", ");
        let found = found.with_context(|| format!("unknown server {text:?}; known: {names}"))?;
        if let Some(feature) = found.missing_feature() {
            anyhow::bail!("this build has no {text} client: build with --features {feature}");
        }
        Ok(found)
    }
}

/// The servers that the shop runs on; files take the place of those that are not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backends(Vec<Server>);

impl Backends {
    /// Every server, in the order they were named.
    pub fn servers(&self) -> &[Server] {
        &self.0
    }

    /// Those `servers` and no others.
    pub(crate) fn of(servers: &[Server]) -> Self {
        Self(servers.to_vec())
    }

    pub(crate) fn get(&self, role: Role) -> Option<Server> {
        self.0.iter().copied().find(|it| it.role() == role)
    }
}

impl FromStr for Backends {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut it = Self::default();
        match text {
            "files" => (),
            "real" => {
                let built_in = |it: &Server| it.missing_feature().is_none();
                it.0.extend(REAL.into_iter().filter(built_in));
            }
            names => {
                for name in names.split(',') {
                    let server: Server = name.parse()?;
                    if let Some(other) = it.get(server.role()) {
                        anyhow::bail!("{} and {name} have the same role: choose one", other.name());
                    }
                    it.0.push(server);
                }
            }
        }
        Ok(it)
    }
}

impl fmt::Display for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("files");
        }
        let names: Vec<_> = self.0.iter().map(|it| it.name()).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_named_one_of_a_role() {
        let chosen: Backends = "postgres,memcached".parse().unwrap();
        assert_eq!(chosen.servers(), [Server::Postgres, Server::Memcached]);
        assert_eq!(chosen.to_string(), "postgres,memcached");
        assert_eq!("files".parse::<Backends>().unwrap(), Backends::default());
        let real: Backends = "real".parse().unwrap();
        assert_eq!(real.get(Role::Broker), Some(Server::Rabbitmq));
        for bad in ["", "redis,memcached", "floppy", "files,redis", "redis,"] {
            assert!(bad.parse::<Backends>().is_err(), "{bad:?}");
        }
    }
}

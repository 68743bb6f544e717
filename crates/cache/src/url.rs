//! Which cache, and where.

use std::{fmt, str::FromStr};

use chassis::url::{check_name, scheme};

/// What a URL of a cache looks like.
const EXPECTED: &str = "expected memory:, redis://HOST:PORT or memcached://HOST:PORT, and ?prefix=NAME if the server is shared";

/// Which cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Url {
    /// `memory:`, one for each process.
    Memory,
    /// `redis://HOST:PORT?prefix=NAME`, behind the one in memory.
    Redis(Server),
    /// `memcached://HOST:PORT?prefix=NAME`, behind the one in memory.
    Memcached(Server),
}

/// Where a shared cache is, and what our keys there begin with.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// `HOST:PORT`; before it may be a user and a password.
    pub(crate) address: String,
    pub(crate) prefix: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match scheme(text) {
            ("memory", "") => Ok(Self::Memory),
            ("redis", rest) => rest.parse().map(Self::Redis),
            ("memcached", rest) => {
                let server: Server = rest.parse()?;
                let port = server
                    .address
                    .rsplit_once(':')
                    .map(|it| it.1.parse::<u16>());
                // Its client knows no port of its own.
                match port {
                    Some(Ok(_)) => Ok(Self::Memcached(server)),
                    _ => Err(EXPECTED.to_owned()),
                }
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Not the text itself: it may hold a password.
        let rest = text.strip_prefix("//").ok_or(EXPECTED)?;
        let (address, query) = rest.split_once('?').unwrap_or((rest, "prefix="));
        let prefix = query.strip_prefix("prefix=").ok_or(EXPECTED)?;
        if !prefix.is_empty() {
            check_name("prefix", prefix)?;
        }
        if address.is_empty() {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self {
            address: address.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Redis(server) => write!(f, "redis://{server}"),
            Self::Memcached(server) => write!(f, "memcached://{server}"),
        }
    }
}

impl fmt::Display for Server {
    /// Without whatever stands before the host, which may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.as_str();
        f.write_str(address.rsplit_once('@').map_or(address, |it| it.1))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

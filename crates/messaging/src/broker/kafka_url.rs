//! Where Kafka is, and under which names our things are there.

use std::{fmt, str::FromStr};

use chassis::url::check_name;

/// The names' first part, unless the URL has another.
const PREFIX: &str = "windtunnel";

/// `kafka://HOST:PORT,HOST:PORT…?topics=PREFIX`: some of the servers of one cluster; they name the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaUrl {
    /// `HOST:PORT`, separated by commas.
    pub(in crate::broker) servers: String,
    /// What the names of all topics and groups begin with.
    pub(in crate::broker) prefix: String,
}

impl FromStr for KafkaUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No message has the text in it: somebody may have put a password there.
        let rest = text
            .strip_prefix("kafka://")
            .ok_or("the URL is malformed")?;
        let (servers, query) = rest.split_once('?').unwrap_or((rest, ""));
        let servers = servers.strip_suffix('/').unwrap_or(servers);
        if servers.contains('@') {
            return Err("Kafka authentication is not supported".to_owned());
        }
        if !servers.split(',').all(is_server) {
            return Err("expected kafka://HOST:PORT,HOST:PORT".to_owned());
        }
        let mut pairs = query.split('&').filter_map(|it| it.split_once('='));
        let prefix = pairs.find(|it| it.0 == "topics").map_or(PREFIX, |it| it.1);
        check_name("topics", prefix)?;
        Ok(Self {
            servers: servers.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

fn is_server(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let fits = |it: u8| it.is_ascii_alphanumeric() || b".-_[]:".contains(&it);
    !host.is_empty() && host.bytes().all(fits) && port.parse::<u16>().is_ok()
}

impl fmt::Display for KafkaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kafka://{}", self.servers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers_and_the_prefix_of_all_names() {
        let url: KafkaUrl = "kafka://one:9092,[::1]:9093?topics=shop.1".parse().unwrap();
        assert_eq!(url.servers, "one:9092,[::1]:9093");
        assert_eq!(url.prefix, "shop.1");
        assert_eq!(url.to_string(), "kafka://one:9092,[::1]:9093");
        let url: KafkaUrl = "kafka://127.0.0.1:9092/".parse().unwrap();
        assert_eq!(url.servers, "127.0.0.1:9092");
        assert_eq!(url.prefix, PREFIX);
        for wrong in [
            "kafka://",
            "kafka://s3cret",
            "kafka://me:s3cret@host:1",
            "kafka://one:9092,s3cret",
            "kafka://one:9092?topics=s3cret/",
            "kafka://one:9092?topics=",
        ] {
            assert!(!wrong.parse::<KafkaUrl>().unwrap_err().contains("s3cret"));
        }
    }
}

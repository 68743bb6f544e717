//! Where `RabbitMQ` is, and under which names our things are there.

use std::{fmt, fs, str::FromStr};

use chassis::url::check_name;
use lapin::uri::{AMQPScheme, AMQPUri};

/// A peer that is silent for twice this long, in seconds, is gone.
const HEARTBEAT: u16 = 5;
/// The names' first part, unless the URL has another.
const PREFIX: &str = "windtunnel";

/// `amqp://USER:PASSWORD@HOST:PORT/VHOST?exchange=NAME`, or `?password_file=PATH` for a password that is not in the URL. It is shown and written to logs without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct AmqpUrl {
    pub(in crate::broker) uri: AMQPUri,
    /// What the exchange is called and all other names begin with.
    pub(super) prefix: String,
}

impl FromStr for AmqpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No message has the text in it: it may hold a password.
        let mut uri: AMQPUri = text
            .parse()
            .map_err(|_| "the URL is malformed".to_owned())?;
        if uri.scheme != AMQPScheme::AMQP {
            return Err("TLS is not supported".to_owned());
        }
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT));
        let query = text.split_once('?').map_or("", |it| it.1);
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|it| it.split_once('='));
            Some(pairs.find(|it| it.0 == name)?.1)
        };
        let prefix = parameter("exchange").unwrap_or(PREFIX);
        check_name("exchange", prefix)?;
        if let Some(path) = parameter("password_file") {
            let password = fs::read_to_string(path)
                .map_err(|error| format!("read the broker's password from {path}: {error}"))?;
            password
                .trim()
                .clone_into(&mut uri.authority.userinfo.password);
        }
        Ok(Self {
            uri,
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = &self.uri.authority;
        write!(f, "amqp://{}:{}", authority.host, authority.port)
    }
}

impl fmt::Debug for AmqpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_understood_and_its_password_is_never_shown() {
        let url: AmqpUrl = "amqp://me:s3cret@rabbit:5673/%2f?exchange=shop.1"
            .parse()
            .unwrap();
        assert_eq!(
            (url.prefix.as_str(), url.uri.vhost.as_str()),
            ("shop.1", "/")
        );
        assert_eq!(
            format!("{url} {url:?}"),
            "amqp://rabbit:5673 amqp://rabbit:5673"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "s3cret\n").unwrap();
        let url = format!("amqp://me@rabbit?password_file={}", file.path().display());
        let url: AmqpUrl = url.parse().unwrap();
        assert_eq!(url.uri.authority.userinfo.password, "s3cret");
        assert!(!format!("{url} {url:?}").contains("s3cret"));
        let missing = "amqp://me@rabbit?password_file=/nowhere/at/all";
        assert!(
            missing
                .parse::<AmqpUrl>()
                .unwrap_err()
                .contains("/nowhere/at/all")
        );
        let url: AmqpUrl = "amqp://127.0.0.1".parse().unwrap();
        assert_eq!(url.prefix, PREFIX);
        assert_eq!(url.uri.query.heartbeat, Some(HEARTBEAT));
        for wrong in [
            "amqps://s3cret",
            "amqp://x:s3cret@h/?exchange=a/b",
            "s3cret",
        ] {
            assert!(!wrong.parse::<AmqpUrl>().unwrap_err().contains("s3cret"));
        }
    }
}

//! Which search engine, and where.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

const EXPECTED: &str =
    "expected sqlite:PATH or http://USER:PASSWORD@HOST:PORT/PREFIX (Elasticsearch)";
/// What indices are called where the URL does not say.
const DEFAULT_PREFIX: &str = "products";
const MAX_PREFIX: usize = 100;

/// Which search engine, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchUrl {
    /// `sqlite:PATH`: FTS5 in a file, made when missing. Replicas of the service share it.
    Sqlite(PathBuf),
    /// `http://USER:PASSWORD@HOST:PORT/PREFIX`: Elasticsearch. Nobody else uses names that begin with `PREFIX` there.
    Elasticsearch(ElasticsearchUrl),
}

/// Where Elasticsearch is, and how our names begin there. The password is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ElasticsearchUrl {
    server: Url,
    prefix: String,
}

impl ElasticsearchUrl {
    /// The server, with user and password.
    #[cfg(feature = "elasticsearch")]
    pub(crate) fn server(&self) -> &Url {
        &self.server
    }

    /// How all names of ours begin.
    #[cfg(feature = "elasticsearch")]
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl FromStr for SearchUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("http:") {
            return text.parse().map(Self::Elasticsearch);
        }
        if text.starts_with("https:") {
            return Err(
                "connections to Elasticsearch are not encrypted: use http: on a trusted network"
                    .to_owned(),
            );
        }
        match text.parse() {
            Ok(database::Url::Sqlite(path)) => Ok(Self::Sqlite(path)),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

impl FromStr for ElasticsearchUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No cause is told: it may quote the password.
        let mut server: Url = text.parse().map_err(|_| EXPECTED.to_owned())?;
        if server.query().is_some() || server.fragment().is_some() {
            return Err(EXPECTED.to_owned());
        }
        let prefix = match server.path().trim_matches('/') {
            "" => DEFAULT_PREFIX.to_owned(),
            path => path.to_owned(),
        };
        let known = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"-_".contains(&it);
        let starts_well = prefix.starts_with(|it: char| it.is_ascii_lowercase());
        if !starts_well || prefix.len() > MAX_PREFIX || !prefix.bytes().all(known) {
            return Err(format!(
                "index prefix must be a lower-case letter and up to {} more letters, digits, dashes or underscores",
                MAX_PREFIX - 1
            ));
        }
        server.set_path("/");
        Ok(Self { server, prefix })
    }
}

impl fmt::Display for SearchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Elasticsearch(url) => url.fmt(f),
        }
    }
}

impl fmt::Display for ElasticsearchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.server.scheme(), self.server.host_str());
        write!(f, "{scheme}://{}", host.unwrap_or_default())?;
        if let Some(port) = self.server.port() {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.prefix)
    }
}

impl fmt::Debug for ElasticsearchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_an_engine_and_shows_no_password() {
        for (text, shown) in [
            ("sqlite:a/b.db", "sqlite:a/b.db"),
            ("http://127.0.0.1:9200", "http://127.0.0.1:9200/products"),
            (
                "http://shop:s3cret@search:9200/run-7/",
                "http://search:9200/run-7",
            ),
            ("http://[::1]:9200/a_b", "http://[::1]:9200/a_b"),
        ] {
            let url: SearchUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3cret"), "{url:?}");
        }
    }

    #[test]
    fn what_names_no_engine_is_refused_without_a_word_of_it() {
        for text in [
            "",
            "sqlite:",
            "postgres://shop:s3cret@search/products",
            "https://shop:s3cret@search:9200",
            "http://shop:s3cret@",
            "http://shop:s3cret@search:x/",
            "http://shop:s3cret@search/a/b",
            "http://shop:s3cret@search/Products",
            "http://shop:s3cret@search/7",
            "http://shop:s3cret@search/a?b",
            "http://shop:s3cret@search/a*",
        ] {
            let refused = text.parse::<SearchUrl>().unwrap_err();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}

//! Where the index lives: one engine or another, chosen by a URL.

use api::{CategoryCount, Correction, Hit, SearchQuery, SearchResults};
use chassis::{Error, Host};
use database::Database;

#[cfg(feature = "elasticsearch")]
use crate::engine::elastic::Elastic;
use crate::{
    Config, SearchUrl,
    engine::sqlite::Sqlite,
    text::cursor::Position,
    text::query::{BadQuery, Query},
};

#[cfg(not(feature = "elasticsearch"))]
const NOT_BUILT_IN: &str =
    "this build has no Elasticsearch client: build with --features elasticsearch";

/// A handle to the index; cloning shares it.
#[derive(Debug, Clone)]
pub enum Store {
    /// FTS5 in a file.
    Sqlite(Sqlite),
    /// A server.
    #[cfg(feature = "elasticsearch")]
    Elasticsearch(Elastic),
}

/// What an engine finds: a page, and what is to be said of all pages.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) total: u64,
    /// One more than asked for tells that there is a next page.
    pub(crate) hits: Vec<(Hit, Position)>,
    pub(crate) categories: Vec<CategoryCount>,
    pub(crate) corrections: Vec<Correction>,
}

impl Store {
    /// Opens the index and, if it is empty, fills it with the seed.
    pub async fn open(config: &Config, host: &Host) -> anyhow::Result<Self> {
        let store = match &config.engine.url {
            SearchUrl::Sqlite(path) => {
                let index = Sqlite::open(path, config.seed_products).await?;
                Self::Sqlite(index)
            }
            #[cfg(feature = "elasticsearch")]
            SearchUrl::Elasticsearch(url) => {
                let index = Elastic::open(url, config.engine.refresh, config.seed_products).await?;
                Self::Elasticsearch(index)
            }
            #[cfg(not(feature = "elasticsearch"))]
            SearchUrl::Elasticsearch(_) => anyhow::bail!(NOT_BUILT_IN),
        };
        store.watch(host);
        Ok(store)
    }

    /// Has `/readyz` ask whether the index answers.
    fn watch(&self, host: &Host) {
        match self {
            Self::Sqlite(it) => Database::from(it.database().clone()).watch(host),
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => {
                let asked = it.clone();
                host.check("elasticsearch", move || asked.clone().ping());
            }
        }
    }

    /// The engine and the version it says it has.
    pub async fn engine(&self) -> Result<String, Error> {
        match self {
            Self::Sqlite(it) => it.version().await.map(|it| format!("SQLite {it}")),
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => Ok(format!("Elasticsearch {}", it.version().await?)),
        }
    }

    /// Whether the words in it are such as we look for. A file has seen to that when it was opened.
    #[cfg_attr(
        not(feature = "elasticsearch"),
        expect(clippy::unused_async, reason = "only a server is waited for")
    )]
    pub(crate) async fn is_current(&self) -> Result<bool, Error> {
        match self {
            Self::Sqlite(_) => Ok(true),
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => it.is_current().await,
        }
    }

    /// Takes everything of the index from the server it is at; a file is its owner's to delete.
    #[cfg_attr(
        not(feature = "elasticsearch"),
        expect(clippy::unused_async, reason = "only a server is waited for")
    )]
    pub async fn remove(url: &SearchUrl) -> anyhow::Result<()> {
        match url {
            SearchUrl::Sqlite(_) => Ok(()),
            #[cfg(feature = "elasticsearch")]
            SearchUrl::Elasticsearch(url) => Elastic::remove(url).await,
            #[cfg(not(feature = "elasticsearch"))]
            SearchUrl::Elasticsearch(_) => anyhow::bail!(NOT_BUILT_IN),
        }
    }

    /// A page of what is `asked` for, with what is to be said of all pages.
    pub async fn search(&self, asked: SearchQuery) -> Result<SearchResults, Error> {
        let query: Query = asked
            .try_into()
            .map_err(|it: BadQuery| Error::Invalid(it.to_string()))?;
        let found = match self {
            Self::Sqlite(it) => it.search(&query).await?,
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(it) => it.search(&query).await?,
        };
        Ok(found.page(&query))
    }
}

impl Found {
    /// The answer to `query`.
    fn page(self, query: &Query) -> SearchResults {
        let limit = query.limit as usize;
        let more = self.hits.len() > limit;
        let (hits, positions): (Vec<_>, Vec<_>) = self.hits.into_iter().take(limit).unzip();
        let last = positions.last().filter(|_| more);
        SearchResults {
            total: self.total,
            hits,
            categories: self.categories,
            corrections: self.corrections,
            next_cursor: last.map(|it| it.encode(query.fingerprint)),
        }
    }
}

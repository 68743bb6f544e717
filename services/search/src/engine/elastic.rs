//! The index at an Elasticsearch server, which replicas share.
//!
//! All names there begin with the URL's prefix. `PREFIX-v1`, `PREFIX-v2` and so on are indices, one after the other; the alias
//! `PREFIX` says which of them is searched, and `PREFIX-next` which is being written anew, if one is. What changes is written to
//! both, under the version of the product: an older one, or the same again, changes nothing. So no event has to be remembered,
//! and neither order nor repetition matters.
//!
//! [`answer`] asks the server, [`schema`] says what a product looks like there, [`bulk`] writes, [`reading`] and [`finding`]
//! search, and [`indices`] makes indices and puts one in the place of another.

mod answer;
mod bulk;
mod finding;
mod indices;
mod reading;
mod schema;

use std::{fmt, sync::Arc, time::Duration};

use anyhow::Context as _;
use elasticsearch::{
    Elasticsearch,
    http::transport::{SingleNodeConnectionPool, TransportBuilder},
};
pub(crate) use indices::Building;

use crate::engine::url::ElasticsearchUrl;

/// A handle to the index; cloning shares its connections.
#[derive(Clone)]
pub struct Elastic(Arc<Inner>);

struct Inner {
    client: Elasticsearch,
    prefix: String,
    /// The alias that is searched.
    live: String,
    /// The alias of the index that is being written anew.
    next: String,
    /// How often what was written becomes visible.
    refresh: Duration,
}

impl fmt::Debug for Elastic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client would show the password.
        f.debug_tuple("Elastic").field(&self.0.prefix).finish()
    }
}

impl Elastic {
    /// Opens the index and, if there is none, makes one with `seed` products. A server that is away is waited for.
    pub(crate) async fn open(
        url: &ElasticsearchUrl,
        refresh: Duration,
        seed: u32,
    ) -> anyhow::Result<Self> {
        let it = Self::at(url, refresh)?;
        it.make(seed)
            .await
            .with_context(|| format!("open the index {url}"))?;
        Ok(it)
    }

    fn at(url: &ElasticsearchUrl, refresh: Duration) -> anyhow::Result<Self> {
        let pool = SingleNodeConnectionPool::new(url.server().clone());
        let transport = TransportBuilder::new(pool).disable_proxy().build();
        let transport = transport.context("create the Elasticsearch client")?;
        let prefix = url.prefix().to_owned();
        Ok(Self(Arc::new(Inner {
            client: Elasticsearch::new(transport),
            live: prefix.clone(),
            next: format!("{prefix}-next"),
            prefix,
            refresh,
        })))
    }

    fn client(&self) -> &Elasticsearch {
        &self.0.client
    }
}

#[cfg(test)]
mod tests;

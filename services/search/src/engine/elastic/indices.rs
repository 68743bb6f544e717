//! Indices: the first, further ones that take its place, and the end of all.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use api::Product;
use chassis::Error;
use elasticsearch::{
    CountParts,
    cluster::ClusterHealthParts,
    indices::{
        IndicesCreateParts, IndicesDeleteIndexTemplateParts, IndicesDeleteParts,
        IndicesGetAliasParts, IndicesGetMappingParts, IndicesPutIndexTemplateParts,
        IndicesPutSettingsParts, IndicesRefreshParts,
    },
    nodes::NodesInfoParts,
    params::WaitForStatus,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Elastic,
    answer::{Failure, LONG, SHORT, ask, ask_quietly},
    bulk::Batch,
    schema,
};
use crate::{engine::url::ElasticsearchUrl, text::words::FORM};

/// The wait for a server that is away, at the start.
const PAUSE: Duration = Duration::from_millis(500);
/// How long an index is kept that is not searched any more: no search that began before takes longer than `SHORT`.
const GRACE: Duration = SHORT.saturating_add(Duration::from_secs(1));

/// An answer that says nothing but that it was done.
#[derive(Deserialize)]
struct Done {}

/// Indices by name, with their aliases.
type Indices = BTreeMap<String, Aliases>;

#[derive(Deserialize)]
struct Aliases {
    aliases: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    version: String,
}

/// An index as it was made.
#[derive(Deserialize)]
struct Made {
    mappings: Mappings,
}

#[derive(Deserialize)]
struct Mappings {
    #[serde(rename = "_meta", default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
struct Meta {
    /// None in the first release.
    form: Option<i64>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

impl Elastic {
    /// Makes the first index, with `seed` products, unless there is one. Replicas that start together all write the same
    /// products to the same index, and the first to have done so puts it in use.
    pub(super) async fn make(&self, seed: u32) -> anyhow::Result<()> {
        let version = loop {
            match self.version().await {
                Ok(version) => break version,
                Err(Error::Unavailable(_)) => sleep(PAUSE).await,
                Err(error) => return Err(error).context("fetch the version"),
            }
        };
        tracing::info!(version, "connected to the search engine");
        self.put_template()
            .await
            .context("create the index template")?;
        loop {
            match self.make_once(seed).await {
                // Another replica was faster with the same.
                Err(error) if error.is(404) => {
                    tracing::info!(%error, "index not found; looking again");
                }
                Err(Failure::Away) => sleep(PAUSE).await,
                made => return made.context("create the first index"),
            }
        }
    }

    async fn make_once(&self, seed: u32) -> Result<(), Failure> {
        let Some(_) = self.in_use(&self.0.live).await? else {
            let first = self.name(1);
            match self
                .create(&first, &json!({ self.0.next.as_str(): {} }))
                .await
            {
                Err(Failure::Refused { kind, .. }) if kind == ALREADY_EXISTS => (),
                made => made?,
            }
            let mut batch = Batch::default();
            for product in api::seed(seed) {
                batch.add(self, &product).await?;
            }
            batch.write(self).await?;
            self.refresh(&first).await?;
            return self.put_in_use(&first, None).await;
        };
        let body = json!({"index": {"refresh_interval": schema::interval(self.0.refresh)}});
        let names = [self.0.live.as_str()];
        let indices = self.client().indices();
        let put = indices.put_settings(IndicesPutSettingsParts::Index(&names));
        ask::<Done>("indices.put_settings", LONG, put.body(body).send()).await?;
        Ok(())
    }

    /// Takes everything of ours from the server.
    pub(crate) async fn remove(url: &ElasticsearchUrl) -> anyhow::Result<()> {
        let it = Self::at(url, Duration::ZERO)?;
        it.remove_all()
            .await
            .with_context(|| format!("delete the index {url}"))
    }

    async fn put_template(&self) -> Result<(), Error> {
        let body = schema::template(&format!("{}-v*", self.0.prefix), self.0.refresh);
        let parts = IndicesPutIndexTemplateParts::Name(&self.0.prefix);
        let indices = self.client().indices();
        let put = indices.put_index_template(parts).body(body);
        ask::<Done>("indices.put_index_template", LONG, put.send()).await?;
        Ok(())
    }

    /// What the server says it is: of all nodes the oldest version.
    pub(crate) async fn version(&self) -> Result<String, Error> {
        let nodes = self.client().nodes();
        let info = nodes.info(NodesInfoParts::None);
        let sent = info.filter_path(&["nodes.*.version"]).send();
        let Nodes { nodes } = ask("nodes.info", SHORT, sent).await?;
        let oldest = nodes.into_values().map(|it| it.version).min();
        Ok(oldest.unwrap_or_default())
    }

    /// Whether all of the index can be searched.
    pub(crate) async fn ping(self) -> Result<(), String> {
        let names = [self.0.live.as_str()];
        let cluster = self.client().cluster();
        let health = cluster
            .health(ClusterHealthParts::Index(&names))
            .wait_for_status(WaitForStatus::Yellow)
            .timeout("500ms");
        let answer: Result<Done, _> = ask_quietly("cluster.health", SHORT, health.send()).await;
        answer.map(drop).map_err(|it| it.to_string())
    }

    /// Whether the index that is searched has words of our form.
    pub(crate) async fn is_current(&self) -> Result<bool, Error> {
        let names = [self.0.live.as_str()];
        let indices = self.client().indices();
        let mapping = indices.get_mapping(IndicesGetMappingParts::Index(&names));
        let made: BTreeMap<String, Made> =
            ask("indices.get_mapping", SHORT, mapping.send()).await?;
        Ok(made.values().all(|it| it.mappings.meta.form == Some(FORM)))
    }

    /// Begins to write the index anew. If another replica is doing so, ours takes its place.
    pub(crate) async fn rebuild(&self) -> Result<Building, Error> {
        let old = self.in_use(&self.0.live).await?;
        let old = old.ok_or(Error::Unavailable("the search engine"))?;
        let latest = self
            .all()
            .await?
            .keys()
            .filter_map(|it| self.number(it))
            .max();
        let new = self.name(latest.unwrap_or(0) + 1);
        self.create(&new, &json!({})).await?;
        let building = Building {
            index: self.clone(),
            old,
            new,
            batch: Batch::default(),
            put: 0,
        };
        // From here on, events are written to it too. What was told before is in the catalogue already.
        let (every, next) = (format!("{}-v*", self.0.prefix), &self.0.next);
        let moved = self.move_aliases(json!([
            {"remove": {"index": every, "alias": next, "must_exist": false}},
            {"add": {"index": building.new, "alias": next}},
        ]));
        if let Err(failure) = moved.await {
            building.abandon().await;
            return Err(failure.into());
        }
        Ok(building)
    }

    /// Has `new`, which was being written, searched from now on, in the place of `old`; nothing happens if either is not what
    /// it was.
    async fn put_in_use(&self, new: &str, old: Option<&str>) -> Result<(), Failure> {
        let (live, next) = (&self.0.live, &self.0.next);
        let mut actions = vec![
            json!({"remove": {"index": new, "alias": next, "must_exist": true}}),
            json!({"add": {"index": new, "alias": live}}),
        ];
        if let Some(old) = old {
            actions.push(json!({"remove": {"index": old, "alias": live, "must_exist": true}}));
        }
        self.move_aliases(Value::Array(actions)).await
    }

    async fn move_aliases(&self, actions: Value) -> Result<(), Failure> {
        let body = json!({ "actions": actions });
        let indices = self.client().indices();
        let update = indices.update_aliases().body(body);
        ask::<Done>("indices.update_aliases", LONG, update.send()).await?;
        Ok(())
    }

    async fn create(&self, name: &str, aliases: &Value) -> Result<(), Failure> {
        let body = json!({ "aliases": aliases });
        let indices = self.client().indices();
        let create = indices.create(IndicesCreateParts::Index(name));
        ask::<Done>("indices.create", LONG, create.body(body).send()).await?;
        Ok(())
    }

    async fn refresh(&self, name: &str) -> Result<(), Failure> {
        let names = [name];
        let indices = self.client().indices();
        let refresh = indices.refresh(IndicesRefreshParts::Index(&names));
        ask::<Done>("indices.refresh", LONG, refresh.send()).await?;
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        let names = [name];
        let indices = self.client().indices();
        let delete = indices.delete(IndicesDeleteParts::Index(&names));
        ask::<Done>("indices.delete", LONG, delete.send()).await?;
        Ok(())
    }

    /// The index behind an alias of ours.
    async fn in_use(&self, alias: &str) -> Result<Option<String>, Failure> {
        let all = self.all().await?;
        let mut named = all
            .into_iter()
            .filter(|it| it.1.aliases.contains_key(alias));
        Ok(named.next().map(|it| it.0))
    }

    /// Every index of ours.
    async fn all(&self) -> Result<Indices, Failure> {
        let every = format!("{}-v*", self.0.prefix);
        let names = [every.as_str()];
        let indices = self.client().indices();
        let get = indices.get_alias(IndicesGetAliasParts::Index(&names));
        let mut all: Indices = ask("indices.get_alias", SHORT, get.send()).await?;
        all.retain(|it, _| self.number(it).is_some());
        Ok(all)
    }

    fn name(&self, number: u64) -> String {
        format!("{}-v{number}", self.0.prefix)
    }

    fn number(&self, name: &str) -> Option<u64> {
        let number = name.strip_prefix(&self.0.prefix)?.strip_prefix("-v")?;
        number.parse().ok()
    }

    async fn remove_all(&self) -> Result<(), Failure> {
        for name in self.all().await?.keys() {
            self.delete(name).await?;
        }
        let parts = IndicesDeleteIndexTemplateParts::Name(&self.0.prefix);
        let indices = self.client().indices();
        let delete = indices.delete_index_template(parts);
        match ask::<Done>("indices.delete_index_template", LONG, delete.send()).await {
            Err(failure) if !failure.is(404) => Err(failure),
            _ => Ok(()),
        }
    }
}

/// The type of what the server says when an index is to be made a second time.
const ALREADY_EXISTS: &str = "resource_already_exists_exception";

/// An index that is being written, beside the one that is searched meanwhile.
#[derive(Debug)]
pub(crate) struct Building {
    index: Elastic,
    old: String,
    new: String,
    batch: Batch,
    put: u64,
}

impl Building {
    pub(crate) async fn put(&mut self, products: &[Product]) -> Result<(), Error> {
        for product in products {
            let added = self.batch.add(&self.index, product).await;
            added.map_err(overtaken)?;
        }
        self.put += products.len() as u64;
        Ok(())
    }

    /// Has it searched from now on, if all that was put is there.
    pub(crate) async fn publish(&mut self) -> Result<(), Error> {
        let count = self.finish().await.map_err(overtaken)?;
        if count < self.put {
            let (new, put) = (&self.new, self.put);
            let error = anyhow::anyhow!("index {new} has {count} of {put} products written");
            return Err(Error::Internal(error));
        }
        let done = self.index.put_in_use(&self.new, Some(&self.old)).await;
        done.map_err(overtaken)
    }

    /// Writes what is left, and says how many products can be searched then.
    async fn finish(&mut self) -> Result<u64, Failure> {
        self.batch.write(&self.index).await?;
        let next = self.index.in_use(&self.index.0.next).await?;
        if next.as_ref() != Some(&self.new) {
            // What we have written since is there.
            return Err(Failure::of(404, String::new()));
        }
        self.index.refresh(&self.new).await?;
        let names = [self.new.as_str()];
        let count = self.index.client().count(CountParts::Index(&names));
        let Count { count } = ask("count", SHORT, count.send()).await?;
        Ok(count)
    }

    /// Deletes what is not used any more, once no search can be looking at it.
    pub(crate) async fn tidy(self) -> Result<(), Error> {
        sleep(GRACE).await;
        let newest = self.index.number(&self.new);
        for (name, Aliases { aliases }) in self.index.all().await? {
            // A higher number is the beginning of another rebuild.
            if aliases.is_empty() && self.index.number(&name) < newest {
                self.index.delete(&name).await?;
                tracing::info!(index = name, "unused index deleted");
            }
        }
        Ok(())
    }

    /// Forgets it; the index in use stays what it is.
    pub(crate) async fn abandon(self) {
        if let Err(error) = self.withdraw().await {
            tracing::warn!(%error, index = self.new, "unfinished index not deleted");
        }
    }

    /// Once it is not `next` any more nobody can put it in use. If it was not before either, it may be in use already: the
    /// answer that said so got lost.
    async fn withdraw(&self) -> Result<(), Failure> {
        let (new, next, live) = (&self.new, &self.index.0.next, &self.index.0.live);
        let remove = json!([{"remove": {"index": new, "alias": next, "must_exist": true}}]);
        match self.index.move_aliases(remove).await {
            Err(failure) if !failure.is(404) => return Err(failure),
            Err(_) if self.index.in_use(live).await?.as_ref() == Some(new) => return Ok(()),
            _ => (),
        }
        self.index.delete(new).await
    }
}

/// Where the index or the alias is not there any more, somebody else has moved it.
fn overtaken(failure: Failure) -> Error {
    if failure.is(404) {
        return Error::Conflict("superseded by another rebuild".to_owned());
    }
    failure.into()
}

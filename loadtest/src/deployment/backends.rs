//! Where the services keep their data: files of the run, or the servers that `scripts/backends env` names.

use std::{collections::BTreeMap, env, time::SystemTime};

use anyhow::Context as _;
use clap::ValueEnum;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::Service;

/// What the shop runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Backends {
    /// Files in the run directory.
    #[default]
    Files,
    /// The servers that the variables of `scripts/backends env` name.
    Real,
}

/// The services that can keep their data in `PostgreSQL`.
const DATABASES: [Service; 5] = [
    Service::Catalog,
    Service::Inventory,
    Service::Orders,
    Service::Payments,
    Service::Users,
];

/// What this deployment has on the servers. It has no `Debug`: there are passwords in it.
#[derive(Default)]
pub(super) struct Servers {
    /// Its tables are in a schema of their own, so that it begins with none.
    schema: String,
    databases: BTreeMap<Service, String>,
    /// Its index has a name of its own at Elasticsearch, if that was built in.
    index: Option<String>,
}

impl Servers {
    /// Makes room for this deployment on the servers of `backends`.
    pub(super) async fn prepare(backends: Backends) -> anyhow::Result<Self> {
        let mut it = Self::default();
        if backends == Backends::Files {
            return Ok(it);
        }
        it.schema = format!("run_{}", SystemTime::UNIX_EPOCH.elapsed()?.as_nanos());
        for service in DATABASES {
            let variable = format!("{}_DATABASE_URL", service.name().to_uppercase());
            it.databases.insert(service, read(&variable)?);
        }
        if cfg!(feature = "elasticsearch") {
            let server = read("ELASTICSEARCH_URL")?;
            it.index = Some(format!("{}/{}", server.trim_end_matches('/'), it.schema));
        }
        it.everywhere("CREATE SCHEMA").await?;
        Ok(it)
    }

    /// The variable that tells `service` where its data is, and its value, unless it keeps it in a file.
    pub(super) fn url(&self, service: Service) -> Option<(&'static str, String)> {
        if service == Service::Search {
            return Some(("SEARCH_URL", self.index.clone()?));
        }
        let url = self.databases.get(&service)?;
        let schema = &self.schema;
        Some((
            "DATABASE_URL",
            format!("{url}?options[search_path]={schema}"),
        ))
    }

    /// Leaves nothing of this deployment on the servers.
    pub(super) async fn clear(&self) -> anyhow::Result<()> {
        if let Some(index) = &self.index {
            let index = index.parse().map_err(anyhow::Error::msg)?;
            search::Store::remove(&index)
                .await
                .context("remove the index")?;
        }
        self.everywhere("DROP SCHEMA IF EXISTS").await
    }

    async fn everywhere(&self, verb: &str) -> anyhow::Result<()> {
        let cascade = if verb.starts_with("DROP") {
            " CASCADE"
        } else {
            ""
        };
        let statement = format!("{verb} {}{cascade}", self.schema);
        for (service, url) in &self.databases {
            let run = async {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query(AssertSqlSafe(statement.as_str()))
                    .execute(&mut connection)
                    .await?;
                connection.close().await
            };
            run.await
                .with_context(|| format!("prepare the database of {service}"))?;
        }
        Ok(())
    }
}

fn read(variable: &str) -> anyhow::Result<String> {
    env::var(variable).with_context(|| {
        format!("read {variable}: scripts/backends up, then eval \"$(scripts/backends env)\"")
    })
}

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
            let url = env::var(&variable).with_context(|| {
                format!(
                    "read {variable}: scripts/backends up, then eval \"$(scripts/backends env)\""
                )
            })?;
            it.databases.insert(service, url);
        }
        it.everywhere("CREATE SCHEMA").await?;
        Ok(it)
    }

    /// The `DATABASE_URL` of `service`, unless it keeps its data in a file.
    pub(super) fn database_url(&self, service: Service) -> Option<String> {
        let url = self.databases.get(&service)?;
        Some(format!("{url}?options[search_path]={}", self.schema))
    }

    /// Leaves nothing of this deployment on the servers.
    pub(super) async fn clear(&self) -> anyhow::Result<()> {
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

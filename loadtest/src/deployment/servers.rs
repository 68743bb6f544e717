//! What one deployment has on the servers it runs on: tables, queues and keys that no other deployment sees.

use std::{collections::BTreeMap, env, path::Path, time::Duration, time::SystemTime};

use anyhow::Context as _;
use api::{BROADCAST, Fact, QUEUES};
use messaging::{Broker, BrokerUrl, Topology};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::{net::TcpStream, time::timeout};

use super::{
    backends::{Backends, Role, Server},
    service::Service,
};

/// A server that does not take a connection by then is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Where everything is. It has no `Debug`: there are passwords in it.
pub(super) struct Servers {
    /// What everything of this deployment is called on the servers, or begins with.
    name: String,
    databases: BTreeMap<Service, String>,
    broker: Option<String>,
    cache: Option<String>,
    search: Option<String>,
}

impl Servers {
    /// Makes room for a deployment on `backends`.
    ///
    /// # Errors
    /// A variable that is missing, or a server that does not answer.
    pub(super) async fn prepare(backends: &Backends) -> anyhow::Result<Self> {
        let name = format!("run_{}", SystemTime::UNIX_EPOCH.elapsed()?.as_nanos());
        let mut it = Self {
            databases: BTreeMap::new(),
            broker: None,
            cache: None,
            search: None,
            name,
        };
        for &server in backends.servers() {
            it.add(server).await?;
        }
        if let Err(error) = it
            .in_every_database(&format!("CREATE SCHEMA {}", it.name))
            .await
        {
            // Why there is no schema is what is told.
            _ = it.clear().await;
            return Err(error);
        }
        Ok(it)
    }

    async fn add(&mut self, server: Server) -> anyhow::Result<()> {
        let own = |url: String, parameter: &str| {
            let sign = if url.contains('?') { '&' } else { '?' };
            format!("{url}{sign}{parameter}={}", self.name)
        };
        match server.role() {
            Role::Databases => {
                for service in Service::WITH_DATABASE {
                    let variable = format!("{}_DATABASE_URL", service.name().to_uppercase());
                    let url = reach(server, &variable).await?;
                    let url = own(url, "options[search_path]");
                    self.databases.insert(service, url);
                }
            }
            Role::Broker if server == Server::Kafka => {
                self.broker = Some(own(reach(server, "KAFKA_URL").await?, "topics"));
            }
            Role::Broker => {
                self.broker = Some(own(reach(server, "AMQP_URL").await?, "exchange"));
            }
            Role::Cache if server == Server::Memcached => {
                self.cache = Some(own(reach(server, "MEMCACHED_URL").await?, "prefix"));
            }
            Role::Cache => self.cache = Some(own(reach(server, "REDIS_URL").await?, "prefix")),
            Role::Search => {
                let url = reach(server, "ELASTICSEARCH_URL").await?;
                self.search = Some(format!("{}/{}", url.trim_end_matches('/'), self.name));
            }
        }
        Ok(())
    }

    /// The variables that tell `service` where its data is; files are below `dir`. Everybody can read the arguments of a
    /// process, and there are passwords in these.
    pub(super) fn environment(&self, service: Service, dir: &Path) -> Vec<(&'static str, String)> {
        let file = |name: &str| format!("sqlite:{}/data/{name}.db", dir.display());
        let mut variables = Vec::new();
        if Service::WITH_DATABASE.contains(&service) {
            let url = self.databases.get(&service).cloned();
            let url = url.unwrap_or_else(|| file(service.name()));
            variables.push(("DATABASE_URL", url));
        }
        if service.hears_or_tells() {
            let url = self.broker.clone().unwrap_or_else(|| file("broker"));
            variables.push(("BROKER_URL", url));
        }
        match service {
            Service::Catalog => {
                let url = self.cache.clone().unwrap_or_else(|| "memory:".to_owned());
                variables.push(("CACHE_URL", url));
            }
            Service::Search => {
                let url = self.search.clone().unwrap_or_else(|| file("search"));
                variables.push(("SEARCH_URL", url));
            }
            _ => (),
        }
        variables
    }

    /// Leaves nothing of this deployment on the servers, but keys in a cache, which expire within minutes.
    pub(super) async fn clear(&self) -> anyhow::Result<()> {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        let databases = self.in_every_database(&drop).await;
        let broker = self
            .clear_broker()
            .await
            .context("delete this run's queues from the broker");
        let search = self.clear_search().await.context("delete the index");
        databases.and(broker).and(search)
    }

    async fn clear_broker(&self) -> anyhow::Result<()> {
        let Some(url) = &self.broker else {
            return Ok(());
        };
        let url: BrokerUrl = url.parse().map_err(anyhow::Error::msg)?;
        let topology = Topology::new(Fact::KINDS, QUEUES, &BROADCAST);
        Ok(Broker::open(&url, &topology).await?.remove().await?)
    }

    async fn clear_search(&self) -> anyhow::Result<()> {
        let Some(url) = &self.search else {
            return Ok(());
        };
        let url = url.parse().map_err(anyhow::Error::msg)?;
        search::Store::remove(&url).await
    }

    /// On all of them, also where one refuses; then its reason is returned.
    async fn in_every_database(&self, statement: &str) -> anyhow::Result<()> {
        let mut all = Ok(());
        for (service, url) in &self.databases {
            let run = async {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query(AssertSqlSafe(statement))
                    .execute(&mut connection)
                    .await?;
                connection.close().await
            };
            let done = run.await;
            all = all.and(done.with_context(|| format!("prepare the database of {service}")));
        }
        all
    }
}

/// The URL in `variable`, once somebody takes connections there.
async fn reach(server: Server, variable: &str) -> anyhow::Result<String> {
    let name = server.name();
    let url = env::var(variable).with_context(|| {
        format!(
            "read {variable}: scripts/backends up {name}, then eval \"$(scripts/backends env)\""
        )
    })?;
    let place = place(&url).with_context(|| format!("{variable} has no host and port"))?;
    let connected = match timeout(CONNECT_TIMEOUT, TcpStream::connect(place)).await {
        Ok(connected) => connected.map(drop).map_err(anyhow::Error::from),
        Err(_) => Err(anyhow::anyhow!("no response within {CONNECT_TIMEOUT:?}")),
    };
    connected.with_context(|| {
        format!("{name} cannot be reached at {place}: scripts/backends up {name}")
    })?;
    Ok(url)
}

/// The first HOST:PORT of a URL.
fn place(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?']).next()?;
    let hosts = authority.rsplit_once('@').map_or(authority, |it| it.1);
    let place = hosts.split(',').next()?;
    place.contains(':').then_some(place)
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn the_place_of_a_url_has_no_password() {
        for (url, expected) in [
            ("postgres://me:s3,cret@db:5432/orders", Some("db:5432")),
            (
                "amqp://guest:guest@127.0.0.1:5672/%2f",
                Some("127.0.0.1:5672"),
            ),
            ("kafka://a:1,b:2", Some("a:1")),
            ("redis://cache:6379", Some("cache:6379")),
            ("http://search:9200/products", Some("search:9200")),
            ("redis://cache", None),
            ("floppy", None),
        ] {
            assert_eq!(place(url), expected, "{url}");
        }
    }
}

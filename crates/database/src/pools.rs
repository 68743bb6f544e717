//! How many connections there are, and how many of them are busy.

use std::sync::LazyLock;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};
use telemetry::names;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabel {
    db_client_connection_pool_name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    db_client_connection_pool_name: &'static str,
    db_client_connection_state: &'static str,
}

static COUNT: LazyLock<Family<StateLabels, Gauge>> = LazyLock::new(|| {
    let help = "Open database connections";
    telemetry::register(names::DB_CLIENT_CONNECTION_COUNT, help, Family::default())
});

static MAX: LazyLock<Family<PoolLabel, Gauge>> = LazyLock::new(|| {
    let help = "Maximum number of open database connections";
    telemetry::register(names::DB_CLIENT_CONNECTION_MAX, help, Family::default())
});

static TIMEOUTS: LazyLock<Family<PoolLabel, Counter>> = LazyLock::new(|| {
    let help = "Timeouts while waiting for a database connection";
    let name = names::DB_CLIENT_CONNECTION_TIMEOUTS;
    telemetry::register(name, help, Family::default())
});

/// The connections that queries of a file share.
pub(super) const READERS: &str = "readers";
/// The one connection that changes a file.
pub(super) const WRITER: &str = "writer";
/// Those to a server.
pub(super) const DATABASE: &str = "database";

fn timeouts_of(pool: &'static str) -> Counter {
    TIMEOUTS.get_or_create_owned(&PoolLabel {
        db_client_connection_pool_name: pool,
    })
}

/// Somebody did not get a connection of `pool` in time.
pub(super) fn count_timeout(pool: &'static str) {
    timeouts_of(pool).inc();
}

#[cfg(test)]
pub(super) fn timeouts(pool: &'static str) -> u64 {
    timeouts_of(pool).get()
}

/// The connections of one pool at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pool {
    name: &'static str,
    used: i64,
    idle: i64,
    max: i64,
}

impl Pool {
    pub(super) fn of<D: sqlx::Database>(name: &'static str, pool: &sqlx::Pool<D>) -> Self {
        let size = i64::from(pool.size());
        // They are read one after the other: a connection may go in between.
        let idle = i64::try_from(pool.num_idle()).unwrap_or(0).min(size);
        Self {
            name,
            used: size - idle,
            idle,
            max: i64::from(pool.options().get_max_connections()),
        }
    }

    #[cfg(test)]
    pub(super) fn used_of_max(self) -> (i64, i64) {
        (self.used, self.max)
    }

    pub(super) fn report(self) {
        // There from the start, at zero.
        timeouts_of(self.name);
        let pool = PoolLabel {
            db_client_connection_pool_name: self.name,
        };
        MAX.get_or_create(&pool).set(self.max);
        for (state, connections) in [("used", self.used), ("idle", self.idle)] {
            let labels = StateLabels {
                db_client_connection_pool_name: self.name,
                db_client_connection_state: state,
            };
            COUNT.get_or_create(&labels).set(connections);
        }
    }
}

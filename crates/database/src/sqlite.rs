//! A database in one `SQLite` file that the replicas of a service share.

use std::{
    fs::{File, TryLockError},
    ops::{Deref, DerefMut},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use chassis::Error;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::timeout,
};

use super::{
    beside_the_next, failed,
    failure::failed_in,
    pools::{Pool, READERS, WRITER},
};

/// Readers at once; they do not wait for its writer.
const MAX_READERS: u32 = 4;
/// The longest wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Only a transaction that was cut off without a rollback can make another wait for the file itself.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A handle to the database; cloning shares its connections.
///
/// With several processes on one file, a transaction that reads first and then writes fails at once when another
/// has written in between, and busy waiting starves. So every write takes a lock file first and then `BEGIN IMMEDIATE`.
#[derive(Debug, Clone)]
pub struct SqliteDatabase {
    readers: SqlitePool,
    writer: SqlitePool,
    /// The mutex is for the tasks of this process: they share the open lock file, which keeps only other processes out.
    lock: Arc<Mutex<File>>,
}

impl SqliteDatabase {
    /// Opens the database and brings its tables up to date. Replicas that start together do so one after the other.
    pub async fn open(path: &Path, migrations: &Migrator) -> anyhow::Result<Self> {
        let database = Self::open_file(path, migrations).await;
        database.with_context(|| format!("open the database sqlite:{}", path.display()))
    }

    async fn open_file(path: &Path, migrations: &Migrator) -> anyhow::Result<Self> {
        let lock_path = path.with_added_extension("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("make {}", lock_path.display()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = |size| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(ACQUIRE_TIMEOUT)
        };
        let lock = Arc::new(Mutex::new(lock));
        // Changing the journal mode is a write too.
        let guard = LockGuard::take(Arc::clone(&lock).lock_owned().await).await?;
        let writer = pool(1).connect_with(options.clone()).await?;
        beside_the_next(migrations).run(&writer).await?;
        drop(guard);
        Ok(Self {
            readers: pool(MAX_READERS).connect_lazy_with(options),
            writer,
            lock,
        })
    }

    /// Makes further tables, those of another migration directory.
    pub(super) async fn migrate(&self, migrations: &Migrator) -> anyhow::Result<()> {
        let turn = Arc::clone(&self.lock).lock_owned().await;
        let guard = LockGuard::take(turn).await?;
        beside_the_next(migrations).run(&self.writer).await?;
        drop(guard);
        Ok(())
    }

    /// Where to read. What a reader sees is at least as new as the last commit before it began.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Begins a transaction that may write; only one runs at a time, over all replicas.
    pub async fn write(&self) -> Result<SqliteTransaction, Error> {
        let turn = timeout(ACQUIRE_TIMEOUT, Arc::clone(&self.lock).lock_owned()).await;
        let turn = turn.map_err(|_| Error::Unavailable("the database"))?;
        let guard = LockGuard::take(turn).await?;
        let connection = self.writer.acquire().await;
        let connection = connection.map_err(|cause| failed_in(WRITER, cause))?;
        let begin = sqlx::SqlStr::from_static("BEGIN IMMEDIATE");
        let inner = sqlx::Transaction::begin(connection, Some(begin))
            .await
            .map_err(failed)?;
        Ok(SqliteTransaction {
            inner,
            _guard: guard,
        })
    }

    pub(super) fn pools(&self) -> [Pool; 2] {
        [
            Pool::of(READERS, &self.readers),
            Pool::of(WRITER, &self.writer),
        ]
    }
}

/// A transaction that may write; dropped without [`SqliteTransaction::commit`], it is rolled back.
#[derive(Debug)]
pub struct SqliteTransaction {
    // In the order in which they are given back.
    inner: sqlx::Transaction<'static, Sqlite>,
    _guard: LockGuard,
}

impl SqliteTransaction {
    /// Makes everything written visible and durable, or nothing.
    pub async fn commit(self) -> Result<(), Error> {
        let Self { inner, _guard } = self;
        inner.commit().await.map_err(failed)
    }
}

impl Deref for SqliteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for SqliteTransaction {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

/// Holds the lock file, and with it every other write: those of this process and of other replicas.
#[derive(Debug)]
struct LockGuard(OwnedMutexGuard<File>);

impl LockGuard {
    async fn take(turn: OwnedMutexGuard<File>) -> Result<Self, Error> {
        match turn.try_lock() {
            Ok(()) => return Ok(Self(turn)),
            Err(TryLockError::WouldBlock) => (),
            Err(TryLockError::Error(error)) => return Err(Error::Internal(error.into())),
        }
        // The turn goes along: whoever waits may go away, but the waiting for the file goes on. If another task had its turn
        // then, both would lock the same open file, and the first to unlock it would unlock it for both.
        let wait = tokio::task::spawn_blocking(move || turn.lock().map(|()| Self(turn)));
        let guard = wait.await.map_err(|error| Error::Internal(error.into()))?;
        guard.map_err(|error| Error::Internal(error.into()))
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::error!(%error, "database lock not released");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_wait_for_another_replica_keeps_its_turn_even_if_nobody_wants_it_any_more() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("x.db");
        let none = Migrator::DEFAULT;
        let ours = SqliteDatabase::open(&path, &none).await.unwrap();
        let theirs = SqliteDatabase::open(&path, &none).await.unwrap();
        let held = theirs.write().await.unwrap();
        let impatient = timeout(Duration::from_millis(10), ours.write()).await;
        assert!(impatient.is_err());
        let turn = ours.lock.try_lock();
        assert!(turn.is_err(), "two would wait with one open file");
        drop(turn);
        held.commit().await.unwrap();
        let write = ours.write().await.unwrap();
        let lock = theirs.lock.try_lock().unwrap();
        assert!(matches!(lock.try_lock(), Err(TryLockError::WouldBlock)));
        drop(write);
        lock.try_lock().unwrap();
    }
}

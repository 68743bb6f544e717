//! What a failure of sqlx means to who asked.

use chassis::Error;
use sqlx::sqlite::SqliteError;
use telemetry::DbFailure;

use super::pools::{self, READERS};

/// The error that a request gets for `cause`: unavailable where trying again may help, which is logged and, where no
/// connection was had in time, counted. It was one of those that queries of a file share.
pub fn failed(cause: sqlx::Error) -> Error {
    failed_in(READERS, cause)
}

/// The same where the connection was to come from `pool`.
pub(crate) fn failed_in(pool: &'static str, cause: sqlx::Error) -> Error {
    if !is_away(&cause) {
        return Error::Internal(anyhow::Error::new(cause).context("query the database"));
    }
    if matches!(cause, sqlx::Error::PoolTimedOut) {
        pools::count_timeout(pool);
    }
    // Its text may hold personal data where it comes from the database itself.
    let reason = match &cause {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        other => other.to_string(),
    };
    tracing::warn!(reason, "database unavailable");
    Error::Unavailable("the database")
}

/// Why `cause` failed, as samples and spans have it.
pub fn reason(cause: &sqlx::Error) -> DbFailure {
    let reason = match cause {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => return DbFailure::Code(code.into_owned().into()),
            None => "_OTHER",
        },
        sqlx::Error::PoolTimedOut => "timeout",
        sqlx::Error::PoolClosed => "closed",
        sqlx::Error::Io(_) => "io",
        _ => "_OTHER",
    };
    DbFailure::Reason(reason)
}

/// Whether `error` says that the database is away, too busy or had to choose another, so that trying again may help.
///
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>, <https://www.sqlite.org/rescode.html>
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) if error.try_downcast_ref::<SqliteError>().is_some() => {
            let code = error.code().and_then(|it| it.parse::<u32>().ok());
            // Busy, locked, an error of the disk, a full disk, a file that cannot be opened; above eight bits is detail.
            code.is_some_and(|it| [5, 6, 10, 13, 14].contains(&(it & 0xff)))
        }
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Serialization failure, deadlock, a standby that takes no writes, a transaction that idled for too long, a
            // lock that was not had; then the classes of connections, resources, and operators who intervene (a statement
            // over its time is one).
            ["40001", "40P01", "25006", "25P03", "55P03"].contains(&code.as_ref())
                || ["08", "53", "57"].iter().any(|it| code.starts_with(it))
        }),
        _ => false,
    }
}

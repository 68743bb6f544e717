//! Faults on purpose: operations on the database that are slow or fail (`chassis::DATABASE`).

use std::sync::{OnceLock, PoisonError, RwLock};

use chassis::{DATABASE, Faults, Host};

/// The faults of the service that this process is. Where tests run several in one, those of the last that was opened.
static FAULTS: OnceLock<RwLock<Faults>> = OnceLock::new();

/// Follows the faults of `host` from now on.
pub(crate) fn follow(host: &Host) {
    let faults = FAULTS.get_or_init(RwLock::default);
    *faults.write().unwrap_or_else(PoisonError::into_inner) = host.faults().clone();
}

/// Lets the fault of the database happen to one operation.
pub(crate) async fn strike() -> Result<(), sqlx::Error> {
    let Some(faults) = FAULTS.get() else {
        return Ok(());
    };
    let faults = faults
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let injected = faults.strike_at(DATABASE).await;
    injected.map_err(|_| sqlx::Error::Io(std::io::Error::other("injected fault")))
}

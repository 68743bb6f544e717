//! Faults hold for every replica of a service, those that are started later too.

use anyhow::Context as _;
use chassis::Fault;

use super::{discovery::Replica, roster::Roster, service::Service};

/// Sets what was asked of the service on a replica that has just become ready, and has it found. Who asks for a fault meanwhile is
/// heard: whoever asks is remembered first, and then goes to the replicas that can be found.
pub(super) async fn enter(roster: &Roster, replica: &Replica) -> anyhow::Result<()> {
    let faults = roster.faults(replica);
    set(roster, replica, &faults).await?;
    roster.enter(replica)?;
    let now = roster.faults(replica);
    let set_again = if now == faults {
        Ok(())
    } else {
        set(roster, replica, &now).await
    };
    if set_again.is_err() {
        roster.leave(replica)?;
    }
    set_again
}

async fn set(
    roster: &Roster,
    replica: &Replica,
    faults: &[(Service, Fault)],
) -> anyhow::Result<()> {
    for (service, fault) in faults {
        let admin = replica.admin_of(*service);
        let admin = admin.with_context(|| format!("{} serves no {service}", replica.service))?;
        let answer = roster
            .http
            .put(format!("{admin}/faults"))
            .json(fault)
            .send();
        answer
            .await
            .and_then(reqwest::Response::error_for_status)
            .with_context(|| format!("set a fault at {service}"))?;
    }
    Ok(())
}

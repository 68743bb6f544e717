//! What the commands on the pages in `runbooks/` call the places of the shop.

use std::path::Path;

use crate::deployment::{Deployment, SERVICES};

/// Names and values: where each service's admin port is now, where the gateway takes requests, and where to ask about both.
pub(super) fn variables(
    deployment: &Deployment,
    dir: &Path,
    [prometheus, alertmanager]: [String; 2],
) -> Vec<(String, String)> {
    let replicas = deployment.replicas();
    let mut all = Vec::new();
    if let Ok(gateway) = deployment.gateway() {
        all.push(("GATEWAY".to_owned(), format!("http://{gateway}")));
    }
    for service in SERVICES {
        if let Some(it) = replicas.iter().find(|it| it.service == service) {
            let name = format!("{}_ADMIN", service.name().to_uppercase());
            all.push((name, format!("http://{}", it.admin)));
        }
    }
    all.push(("PROMETHEUS".to_owned(), prometheus));
    all.push(("ALERTMANAGER".to_owned(), alertmanager));
    all.push(("LOGS".to_owned(), dir.join("logs").display().to_string()));
    all
}

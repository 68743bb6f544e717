//! Whoever wrote a line or made a span is who it says it is.

use std::collections::BTreeMap;

use telemetry::{attributes, conventions};

use super::{facts::Facts, findings::Findings};
use crate::verdict::Check;

pub(super) fn check(facts: &Facts<'_>) -> Check {
    let mut findings = Findings::default();
    for (service, testimony) in facts.testimonies() {
        for (origin, shaped) in &testimony.lines.origins {
            findings.look();
            let (wrote, says) = (&origin.process, (&origin.service, &origin.node));
            if says != (&service.name().to_owned(), wrote) {
                findings.add(format!("{service}: lines"), &shaped.request_id, || {
                    format!(
                        "{} lines in the log of {wrote} say {} and {}",
                        shaped.count, says.0, says.1
                    )
                });
            }
        }
        let mut resources: BTreeMap<(&str, &str, &str), (u64, &str)> = BTreeMap::new();
        for span in &testimony.spans {
            let said = |name: &str| span.resource.attribute(name);
            let of = (
                said(attributes::SERVICE_NAME),
                said(attributes::SERVICE_INSTANCE_ID),
                span.resource.schema_url.as_str(),
            );
            let it = resources.entry(of).or_insert((0, facts.request(span)));
            it.0 += 1;
        }
        for ((name, instance, schema), (count, request_id)) in resources {
            findings.look();
            if name != service.name() {
                findings.add(format!("{service}: spans"), request_id, || {
                    format!("{count} from {instance} say {name}")
                });
            }
            if !testimony.processes.contains_key(instance) {
                findings.add(format!("{service}: spans"), request_id, || {
                    format!("{count} are from {instance:?}, which is no process of it")
                });
            }
            if schema != conventions::SCHEMA_URL {
                findings.add(format!("{service}: schema of spans"), request_id, || {
                    format!("{count} have {schema:?}, not {}", conventions::SCHEMA_URL)
                });
            }
        }
    }
    findings.into_check(
        "everyone says who it is",
        "processes in lines and spans",
        "service and replica of lines and spans are those that wrote them",
    )
}

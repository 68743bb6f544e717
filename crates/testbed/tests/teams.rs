//! Logstash says which team owns a service as the table of owners does.

use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn the_owner_of_a_service_is_the_same_in_a_log_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../observability");
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let mut owners = BTreeMap::new();
    let (table, mut team) = (read("owners.yaml"), String::new());
    for line in table.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- name: ") {
            name.clone_into(&mut team);
        } else if let Some(services) = line.strip_prefix("services: [") {
            for service in services.trim_end_matches(']').split(", ") {
                owners.insert(service.to_owned(), team.clone());
            }
        }
    }
    assert_eq!(owners.len(), 7, "{owners:?}");
    // They are no services of the shop, and belong to who owns what nobody else does.
    for program in ["trickle", "receiver"] {
        owners.insert(program.to_owned(), "platform".to_owned());
    }

    let text = read("logstash/teams.json");
    let teams = text.lines().filter_map(|line| {
        let (service, team) = line.trim().trim_end_matches(',').split_once(": ")?;
        Some((
            service.trim_matches('"').to_owned(),
            team.trim_matches('"').to_owned(),
        ))
    });
    assert_eq!(teams.collect::<BTreeMap<_, _>>(), owners);
}

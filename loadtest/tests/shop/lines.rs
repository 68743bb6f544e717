//! What the shop writes down is what the index template of Elasticsearch takes, and a trickle of load makes every service write.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value};

use crate::{Scratch, eventually};

/// The fields of a mapping, by their full names.
fn declared(properties: &Map<String, Value>, prefix: &str, found: &mut BTreeSet<String>) {
    for (name, field) in properties {
        let name = format!("{prefix}{name}");
        match field.get("properties").and_then(Value::as_object) {
            Some(inner) => declared(inner, &format!("{name}."), found),
            None => drop(found.insert(name)),
        }
    }
}

/// The lines of all files below `directory`.
fn lines(directory: &Path) -> Vec<Map<String, Value>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("a file");
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |it| it.0);
        found.extend(
            whole
                .lines()
                .map(|it| serde_json::from_str(it).expect("a JSON object")),
        );
    }
    found
}

#[test]
fn every_field_of_every_line_is_declared() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../observability/elasticsearch/logs-windtunnel.json");
    let template: Value = serde_json::from_slice(&fs::read(template).expect("the template"))
        .expect("the template is JSON");
    let mappings = &template["template"]["mappings"];
    assert_eq!(mappings["dynamic"], "strict");
    let mut fields = BTreeSet::new();
    let properties = mappings["properties"].as_object().expect("properties");
    declared(properties, "", &mut fields);

    let scratch = Scratch::new();
    let up = scratch.up();
    let files = scratch.runs().join("files");
    fs::create_dir(&files).expect("make a directory");
    let directory = format!("--log-dir={}", files.display());
    let target = format!("--target={}", up.gateway());
    let mut trickle = scratch
        .loadtest(&["trickle", &target, &directory, "--rate=40"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("start a trickle");

    let services: BTreeSet<_> = up.targets().into_iter().map(|it| it.service).collect();
    let logs = up.run_dir().join("logs");
    eventually("every service has something to say of a request", || {
        let lines = lines(&logs);
        let busy = lines.iter().filter(|it| it.contains_key("event.duration"));
        let busy: BTreeSet<_> = busy.filter_map(|it| it["service.name"].as_str()).collect();
        services.iter().all(|it| busy.contains(it.as_str()))
    });
    eventually("the trickle writes to its file", || {
        !lines(&files).is_empty()
    });
    trickle.kill().expect("end the trickle");
    trickle.wait().expect("the trickle ends");

    let mut unknown = BTreeSet::new();
    for line in lines(&logs).into_iter().chain(lines(&files)) {
        let foreign = |it: &String| !it.starts_with("labels.") && !fields.contains(it);
        unknown.extend(line.keys().filter(|it| foreign(it)).cloned());
    }
    assert!(unknown.is_empty(), "not in the template: {unknown:?}");
}

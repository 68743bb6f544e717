//! What readers make of events that another version wrote.

use api::Fact;
use serde_json::{Value, json};

use crate::document::{document, samples};

fn written(fact: &Fact) -> Value {
    serde_json::to_value(fact).expect("JSON")
}

fn read(event: Value) -> Result<Fact, serde_json::Error> {
    serde_json::from_value(event)
}

/// Adds to every object in it what only the next version knows.
fn extend(it: &mut Value) {
    match it {
        Value::Object(fields) => {
            fields.values_mut().for_each(extend);
            fields.insert("of_the_next_version".into(), json!({ "known": false }));
        }
        Value::Array(items) => items.iter_mut().for_each(extend),
        _ => (),
    }
}

#[test]
fn what_only_the_next_version_knows_is_ignored_in_every_event() {
    for fact in samples() {
        let mut event = written(&fact);
        extend(&mut event["data"]);
        assert!(event.to_string().contains("of_the_next_version"));
        assert_eq!(read(event).expect("it is read"), fact);
    }
}

/// Fields of an object in an event, by the path of the object, and whether its schema requires them.
type Fields = Vec<(String, String, bool)>;

fn fields(path: &str, value: &Value, schema: &Value, document: &Value, found: &mut Fields) {
    let name = schema["$ref"].as_str().map(|it| it.trim_start_matches('#'));
    let schema = name.map_or(schema, |it| document.pointer(it).expect("a component"));
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let required = schema["required"].as_array();
                let required = required.is_some_and(|it| it.contains(&json!(name)));
                found.push((path.to_owned(), name.clone(), required));
                let inner = &schema["properties"][name];
                assert!(inner.is_object(), "{path}: {name} is not described");
                fields(&format!("{path}/{name}"), value, inner, document, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}/{index}");
                fields(&path, item, &schema["items"], document, found);
            }
        }
        _ => (),
    }
}

/// The comparison of versions goes by what the description says is required.
#[test]
fn readers_need_what_the_description_says_is_required_and_nothing_else() {
    let document = document();
    let mut all = 0;
    for fact in samples() {
        let event = written(&fact);
        let path = format!("/{}", fact.kind());
        let body = &document["paths"][path]["post"]["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        let mut found = Fields::new();
        fields("/data", &event["data"], schema, &document, &mut found);
        for (path, name, required) in &found {
            let mut event = event.clone();
            let object = event.pointer_mut(path).and_then(Value::as_object_mut);
            object.expect("an object").remove(name);
            let kind = fact.kind();
            assert_eq!(read(event).is_err(), *required, "{kind}: {path}/{name}");
        }
        all += found.len();
    }
    assert!(all > 20, "{all} fields");
}

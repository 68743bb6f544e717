//! Alerts go to the teams of the table, and nothing silences a page.

use serde::Deserialize;
use slo::{alert::WATCHDOG, files};

#[derive(Deserialize)]
struct Config {
    route: Route,
    inhibit_rules: Vec<Inhibition>,
    receivers: Vec<Receiver>,
}

#[derive(Deserialize)]
struct Route {
    receiver: String,
    #[serde(default)]
    matchers: Vec<String>,
    #[serde(default)]
    routes: Vec<Route>,
}

#[derive(Deserialize)]
struct Inhibition {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
    equal: Vec<String>,
}

#[derive(Deserialize)]
struct Receiver {
    name: String,
    webhook_configs: Vec<Webhook>,
}

#[derive(Deserialize)]
struct Webhook {
    url: String,
}

fn config() -> Config {
    let text = files::read(&files::root().join(files::ALERTMANAGER)).expect("it is there");
    yaml_serde::from_str(&text).expect("it is a configuration of Alertmanager")
}

#[test]
fn each_team_has_its_route_and_its_receiver() {
    let config = config();
    let teams = &slo::teams().teams;
    let mut expected: Vec<_> = teams
        .iter()
        .map(|it| (it.name.clone(), vec![format!("team=\"{}\"", it.name)]))
        .collect();
    let (alert, receiver) = WATCHDOG;
    expected.push((receiver.to_owned(), vec![format!("alertname=\"{alert}\"")]));
    let routes = config.route.routes.into_iter();
    let mut found: Vec<_> = routes
        .map(|it| {
            assert!(it.routes.is_empty(), "a route within {}", it.receiver);
            (it.receiver, it.matchers)
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let owns_the_rest = |it: &&slo::Team| it.paths.iter().any(|it| it == "*");
    let rest = teams.iter().find(owns_the_rest).map(|it| it.name.as_str());
    assert_eq!(
        rest,
        Some(config.route.receiver.as_str()),
        "what nobody owns"
    );

    let mut receivers: Vec<_> = config.receivers.iter().map(|it| &it.name).collect();
    receivers.sort();
    let expected: Vec<_> = expected.iter().map(|it| &it.0).collect();
    assert_eq!(receivers, expected);
    for it in &config.receivers {
        let [webhook] = &it.webhook_configs[..] else {
            panic!("{} has no webhook", it.name)
        };
        let end = format!("/{}", it.name);
        assert!(webhook.url.ends_with(&end), "{}: {}", it.name, webhook.url);
    }
}

#[test]
fn nothing_silences_a_page_and_a_label_that_is_missing_matches_nothing() {
    let inhibitions = config().inhibit_rules;
    assert!(!inhibitions.is_empty());
    for it in inhibitions {
        let only_tickets = it
            .target_matchers
            .iter()
            .any(|it| it == "severity=\"ticket\"");
        assert!(only_tickets, "{:?} may be pages", it.target_matchers);
        assert!(!it.equal.is_empty());
        for label in it.equal {
            let there = format!("{label}=~\".+\"");
            for matchers in [&it.source_matchers, &it.target_matchers] {
                assert!(matchers.contains(&there), "{matchers:?} may lack {label}");
            }
        }
    }
}

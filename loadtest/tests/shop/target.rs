//! A shop that the run did not start. What depends on how busy this machine is is not asserted here.

use std::process::Output;

use serde_json::Value;

use crate::{Scratch, Up};

fn baseline(scratch: &Scratch, up: &Up<'_>, more: &[&str]) -> (Output, Value) {
    let gateway = up.gateway();
    let mut arguments = vec!["run", "baseline", "--json", "--duration", "4"];
    arguments.extend(["--target", &gateway]);
    arguments.extend(more);
    let output = scratch.loadtest(&arguments).output().expect("run loadtest");
    let verdict = serde_json::from_slice(&output.stdout);
    let verdict = verdict.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output, verdict)
}

fn check<'a>(verdict: &'a Value, name: &str) -> &'a Value {
    let arms = verdict["experiments"][0]["arms"].as_array().expect("arms");
    assert_eq!(arms.len(), 1, "the arm with a fault is left out");
    let checks = arms[0]["checks"].as_array().expect("checks");
    let found = checks.iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {checks:?}"))
}

#[test]
fn a_shop_that_others_use_is_loaded_audited_and_compared_twice() {
    let (shop, scratch) = (Scratch::new(), Scratch::new());
    let up = shop.up();
    let found = up.run_dir().join("services.json");
    let found = ["--discovery", found.to_str().expect("a path")];
    for _ in 0..2 {
        let (_, verdict) = baseline(&scratch, &up, &found);
        for name in [
            "no acknowledged order is lost",
            "no order was taken twice",
            "money is where it belongs",
            "clients ≤ gateway",
        ] {
            assert_eq!(check(&verdict, name)["outcome"], "PASS", "{verdict}");
        }
        for name in ["lines", "traces"] {
            assert_eq!(check(&verdict, name)["counts"], false);
        }
        assert_eq!(verdict["backends"], up.gateway());
    }
}

#[test]
fn without_its_admin_ports_it_is_said_what_is_left_out() {
    let (shop, scratch) = (Scratch::new(), Scratch::new());
    let up = shop.up();
    let (_, verdict) = baseline(&scratch, &up, &[]);
    let ledgers = check(&verdict, "ledgers");
    assert_eq!(ledgers["counts"], false);
    let why = ledgers["observed"].as_str().expect("a text");
    assert!(why.contains("--discovery"), "{why}");
    check(&verdict, "browsing is available");
}

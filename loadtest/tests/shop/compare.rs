//! Two shops compared. What depends on how busy this machine is (latency, processor time) is not asserted here.

use serde_json::Value;

use crate::Scratch;

#[test]
fn a_shop_that_fails_more_often_is_found_by_slices_with_the_same_arrivals() {
    let scratch = Scratch::new();
    let output = scratch
        .loadtest(&[
            "compare",
            "--b",
            "env:CACHE_TTL=1m",
            "--b",
            "fault:catalog:route=/products/{id},error_ratio=0.5",
            "--pairs",
            "10",
            "--slice",
            "1s",
            "--rate",
            "20",
            "--seed",
            "7",
            "--json",
        ])
        .output()
        .expect("run loadtest");
    let told = String::from_utf8_lossy(&output.stderr);
    let verdict: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("one JSON document: {error}; {told}"));
    // Half of the pages fail, so no machine is so busy that it would not be found.
    assert_eq!(output.status.code(), Some(1), "{verdict:#}");
    assert_eq!(verdict["outcome"], "FAIL");
    let comparison = &verdict["experiments"][0]["comparison"];
    assert_eq!(comparison["a"], ".");
    let figures = comparison["figures"].as_array().expect("figures");
    let of = |measure: &str| {
        let found = figures.iter().find(|it| it["measure"] == measure);
        found.unwrap_or_else(|| panic!("{measure} in {figures:?}"))
    };
    let values = |figure: &Value, side: &str| -> Vec<f64> {
        let values = figure[side].as_array().expect("a value of each slice");
        values.iter().filter_map(Value::as_f64).collect()
    };
    let errors = of("errors");
    assert_eq!(errors["outcome"], "FAIL");
    let said = errors["said"].as_str().unwrap_or_default();
    assert!(said.starts_with("B fails more often by "), "{said}");
    let (a, b) = (values(errors, "a"), values(errors, "b"));
    assert_eq!((a.len(), b.len()), (10, 10));
    assert!(a.iter().zip(&b).all(|(a, b)| a < b), "{a:?} {b:?}");
    let goodput = &of("goodput")["said"];
    assert!(
        goodput
            .as_str()
            .is_some_and(|it| it.starts_with("B answers less by ")),
        "{goodput}"
    );
    assert!(values(of("cpu"), "a").iter().all(|it| *it > 0.0));
    let checks = verdict["experiments"][0]["checks"]
        .as_array()
        .expect("checks");
    let turns = checks
        .iter()
        .find(|it| it["name"] == "the shops were loaded by turns");
    assert_eq!(turns.expect("the check")["group"], "validity");
    for file in ["report.html", "verdict.json", "junit.xml"] {
        assert!(scratch.runs().join("latest").join(file).is_file(), "{file}");
    }
}

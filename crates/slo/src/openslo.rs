//! The part of `OpenSLO` v1 that is understood; anything else in a file is an error.
//!
//! <https://github.com/OpenSLO/OpenSLO#specification>

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::{Indicator, PERIOD_DAYS, Selector, Slo, indicator::Open};

/// The annotation that names a gauge of what is open past its limit.
const OPEN: &str = "windtunnel/open";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<S> {
    #[serde(rename = "apiVersion")]
    api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: S,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metadata {
    name: String,
    display_name: Option<String>,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceSpec {
    #[serde(rename = "description")]
    _description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SloSpec {
    description: String,
    service: String,
    indicator: Sli,
    time_window: Vec<TimeWindow>,
    budgeting_method: String,
    objectives: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sli {
    metadata: Metadata,
    spec: SliSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SliSpec {
    ratio_metric: Ratio,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratio {
    counter: bool,
    good: Option<Metric>,
    bad: Option<Metric>,
    total: Metric,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metric {
    metric_source: Source,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    spec: Query,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    query: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TimeWindow {
    duration: String,
    is_rolling: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    target: f64,
}

/// What tells which document it is.
#[derive(Deserialize)]
struct Kind {
    kind: String,
}

pub(crate) fn read(text: &str) -> anyhow::Result<Vec<Slo>> {
    let (mut slos, mut services) = (Vec::<Slo>::new(), BTreeSet::new());
    for document in yaml_serde::Deserializer::from_str(text) {
        let value = yaml_serde::Value::deserialize(document)?;
        let Kind { kind } = yaml_serde::from_value(value.clone()).context("read a kind")?;
        match kind.as_str() {
            "Service" => {
                let it: Document<ServiceSpec> = yaml_serde::from_value(value)?;
                check_version(&it.api_version)?;
                let name = it.metadata.name;
                ensure!(services.insert(name.clone()), "service {name} comes twice");
            }
            "SLO" => {
                let it: Document<SloSpec> = yaml_serde::from_value(value)?;
                check_version(&it.api_version)?;
                let name = it.metadata.name.clone();
                ensure!(
                    slos.iter().all(|it| it.name != name),
                    "SLO {name} comes twice"
                );
                let slo = it.slo().with_context(|| format!("SLO {name}"))?;
                ensure!(
                    services.contains(&slo.service),
                    "SLO {name}: there is no service {}",
                    slo.service
                );
                slos.push(slo);
            }
            _ => bail!("documents of kind {kind} are not understood"),
        }
    }
    ensure!(!slos.is_empty(), "there is no SLO");
    Ok(slos)
}

fn check_version(version: &str) -> anyhow::Result<()> {
    ensure!(version == "openslo/v1", "apiVersion is {version}");
    Ok(())
}

impl Document<SloSpec> {
    fn slo(mut self) -> anyhow::Result<Slo> {
        let SloSpec {
            description,
            service,
            indicator,
            time_window,
            budgeting_method,
            objectives,
        } = self.spec;
        let [window] = &time_window[..] else {
            bail!("expected one time window")
        };
        let period = format!("{PERIOD_DAYS}d");
        ensure!(
            window.is_rolling && window.duration == period,
            "the time window is not the last {period}"
        );
        ensure!(
            budgeting_method == "Occurrences",
            "budgeting by {budgeting_method}"
        );
        let [objective] = &objectives[..] else {
            bail!("expected one objective")
        };
        let name = self.metadata.name;
        ensure!(
            indicator.metadata.name == name,
            "its indicator is named {}",
            indicator.metadata.name
        );
        let open = self.metadata.annotations.remove(OPEN);
        let open = open.as_deref().map(Open::read).transpose()?;
        let unknown = self.metadata.annotations.keys().next();
        ensure!(unknown.is_none(), "annotation {unknown:?} is unknown");
        Ok(Slo {
            title: self.metadata.display_name.context("no displayName")?,
            name,
            description,
            service,
            target_millionths: millionths(objective.target)?,
            indicator: indicator.spec.ratio_metric.indicator(open)?,
        })
    }
}

impl Ratio {
    fn indicator(self, open: Option<Open>) -> anyhow::Result<Indicator> {
        ensure!(self.counter, "its metrics are no counters");
        let total = self.total.selector()?;
        match (self.bad, self.good) {
            (Some(bad), None) => {
                ensure!(open.is_none(), "{OPEN} is for what has a limit");
                Indicator::failed(bad.selector()?, total)
            }
            (None, Some(good)) => Indicator::late(good.selector()?, total, open),
            _ => bail!("expected either good or bad"),
        }
    }
}

impl Metric {
    fn selector(self) -> anyhow::Result<Selector> {
        let Source { kind, spec } = self.metric_source;
        ensure!(kind == "Prometheus", "a metric source of type {kind}");
        Selector::read(&spec.query)
    }
}

/// A share in millionths; anything finer is no objective that anybody could hold.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share between 0 and 1 is looked for, and then there is nothing to lose"
)]
fn millionths(share: f64) -> anyhow::Result<u32> {
    ensure!(share > 0.0 && share < 1.0, "a target of {share}");
    let millionths = (share * 1e6).round();
    let exact = (share * 1e6 - millionths).abs() < 1e-3;
    ensure!(exact && millionths < 1e6, "a target of {share} is too fine");
    Ok(millionths as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = include_str!("../../../observability/slo.yaml");

    #[test]
    fn the_objectives_of_the_shop_are_read() {
        let slos = read(SHOP).unwrap();
        assert_eq!(slos.len(), 9);
        assert_eq!(
            slos[0].routes_and_percent(),
            ("GET /products, GET /products/{id}".into(), "99.9 %".into())
        );
        assert!((slos[0].budget() - 0.001).abs() < 1e-12);
    }

    impl Slo {
        fn routes_and_percent(&self) -> (String, String) {
            (self.indicator.routes().join(", "), self.percent())
        }
    }

    #[test]
    fn what_nothing_here_understands_is_refused() {
        for (from, to, complaint) in [
            (
                "budgetingMethod: Occurrences",
                "budgetingMethod: Timeslices",
                "Timeslices",
            ),
            ("duration: 30d", "duration: 28d", "30d"),
            ("isRolling: true", "isRolling: false", "30d"),
            ("target: 0.999", "target: 1.0", "target of 1"),
            ("target: 0.999", "target: 99.9", "target of 99.9"),
            ("target: 0.999", "target: 0.9999999", "too fine"),
            ("counter: true", "counter: false", "no counters"),
            ("kind: Service", "kind: Team", "Team"),
            ("openslo/v1", "openslo/v2", "openslo/v2"),
            ("type: Prometheus", "type: Datadog", "Datadog"),
            ("name: search}", "name: index}", "no service search"),
            (
                "name: browse-lists-latency\n",
                "name: browse-pages-latency\n",
                "indicator",
            ),
            (
                "description: Searches do not fail",
                "descriptoin: Searches do not fail",
                "descriptoin",
            ),
            (
                "le=\"0.1\"",
                "le=\"0.1\", code=\"200\"",
                "no bucket of total",
            ),
            ("le=\"10.0\"", "le=\"10\"", "10.0"),
            (
                "status_code=~\"5..\"}'",
                "status_code=~\"5..\", le=\"1.0\"}[5m]'",
                "selector",
            ),
            ("windtunnel/open:", "windtunnel/opened:", "unknown"),
        ] {
            let text = SHOP.replacen(from, to, 1);
            assert_ne!(text, SHOP, "{from} is there");
            let error = format!("{:#}", read(&text).expect_err(to));
            assert!(error.contains(complaint), "{to}: {error}");
        }
    }
}

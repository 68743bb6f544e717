//! Where the lines of panels are drawn: at what is promised.

use std::sync::LazyLock;

use slo::Slo;

/// Limits that panels draw, from observability/slo.yaml.
pub(crate) struct Objectives {
    /// The smallest share of failures that an objective allows.
    pub(crate) strictest_errors: f64,
    /// 99 % of product pages and lists are faster.
    pub(crate) browse_seconds: f64,
    /// 99 % of searches are faster.
    pub(crate) search_seconds: f64,
    /// 99 % of orders are accepted faster.
    pub(crate) checkout_seconds: f64,
    /// 99 % of orders are final sooner.
    pub(crate) completion_seconds: f64,
    /// 99 % of changes can be searched sooner.
    pub(crate) freshness_seconds: f64,
}

pub(crate) static OBJECTIVES: LazyLock<Objectives> = LazyLock::new(|| {
    let failures = slo::shop()
        .iter()
        .filter(|it| it.indicator.limit().is_none());
    Objectives {
        strictest_errors: failures.map(Slo::budget).fold(1.0, f64::min),
        browse_seconds: limit("browse-pages-latency"),
        search_seconds: limit("search-latency"),
        checkout_seconds: limit("checkout-latency"),
        completion_seconds: limit("order-completion"),
        freshness_seconds: limit("search-freshness"),
    }
});

/// The longest that a good event of an objective takes, in seconds.
fn limit(name: &str) -> f64 {
    let mut all = slo::shop().iter();
    let slo = all.find(|it| it.name == name);
    let limit = slo.and_then(|it| it.indicator.limit());
    let limit = limit.expect("observability/slo.yaml has the objective, and it counts time");
    limit.as_secs_f64()
}

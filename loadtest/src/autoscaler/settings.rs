//! What is scaled, by what, and how fast time passes.

use std::time::Duration;

use anyhow::Context as _;
use hpa::HorizontalPodAutoscaler;

use crate::deployment::{SERVICES, Service};

/// The object that a cluster is given.
const SEARCH: &str = include_str!("../../../deploy/k8s/base/search/hpa.yaml");

/// What an autoscaler is told.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) object: HorizontalPodAutoscaler,
    pub(crate) service: Service,
    /// How many seconds pass for it in each real one.
    pub(crate) time_scale: f64,
}

impl Settings {
    /// For search, as in a cluster.
    pub(crate) fn of_search(time_scale: f64) -> anyhow::Result<Self> {
        Self::read(SEARCH, time_scale).context("read deploy/k8s/base/search/hpa.yaml")
    }

    /// What `yaml` says: an object of `autoscaling/v2`, whose target is called as one of our services.
    ///
    /// # Errors
    /// Whatever an API server would refuse, or a target that is none of ours.
    pub(crate) fn read(yaml: &str, time_scale: f64) -> anyhow::Result<Self> {
        let object = HorizontalPodAutoscaler::from_yaml(yaml)?;
        let target = &object.spec.scale_target_ref.name;
        let service = SERVICES.into_iter().find(|it| it.name() == target);
        let service = service
            .with_context(|| format!("spec.scaleTargetRef.name: {target:?} is no service"))?;
        Ok(Self {
            object,
            service,
            time_scale,
        })
    }

    /// For how long what was recommended holds against fewer replicas, on the autoscaler's clock.
    pub(crate) fn window_down(&self) -> Duration {
        let behavior = self.object.spec.behavior.as_ref();
        let down = behavior.and_then(|it| it.scale_down.as_ref());
        let window = down.and_then(|it| it.stabilization_window_seconds);
        let default = hpa::Controller::default().downscale_stabilization;
        let seconds = |it: i32| Duration::from_secs(u64::try_from(it).unwrap_or(0));
        window.map_or(default, seconds)
    }

    /// Never fewer replicas.
    pub(crate) fn min(&self) -> u32 {
        let min = self.object.spec.min_replicas.unwrap_or(1);
        u32::try_from(min).unwrap_or(1)
    }

    /// Never more.
    pub(crate) fn max(&self) -> u32 {
        u32::try_from(self.object.spec.max_replicas).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn a_cluster_and_the_load_test_read_the_same_file() {
        let settings = Settings::of_search(1.0).unwrap();
        assert_eq!(settings.service, Service::Search);
        assert!(settings.min() < settings.max());
    }

    #[test]
    fn every_autoscaler_of_the_cluster_is_understood() {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/k8s/base");
        let folders = fs::read_dir(base).unwrap().map(|it| it.unwrap());
        let files = folders.filter_map(|it| fs::read_to_string(it.path().join("hpa.yaml")).ok());
        let read = files.map(|it| Settings::read(&it, 1.0).unwrap().service);
        let services: BTreeSet<_> = read.collect();
        assert!(services.contains(&Service::Search), "{services:?}");
    }

    #[test]
    fn a_target_that_we_do_not_have_is_refused_by_its_field() {
        let wrong = SEARCH.replace(
            "kind: Deployment, name: search",
            "kind: Deployment, name: shop",
        );
        let error = Settings::read(&wrong, 1.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "spec.scaleTargetRef.name: \"shop\" is no service"
        );
        let unknown = SEARCH.replace("maxReplicas", "maximum");
        assert!(Settings::read(&unknown, 1.0).is_err());
    }
}

//! What the shop of an arm is like.

use crate::{
    deployment::{Backends, Server, Service, Topology},
    engine::mix::{Mix, NOMINAL},
};

/// The shop of one arm.
#[derive(Clone, Copy)]
pub struct Shop {
    /// Which processes it consists of.
    pub topology: Topology,
    /// What every service finds in its environment beside the usual.
    pub environment: &'static [(&'static str, &'static str)],
    /// How services protect themselves from each other: parameters of an address, as a service's `--help` lists them.
    pub upstreams: &'static str,
    /// Services with more than one replica.
    pub replicas: &'static [(Service, u32)],
    /// Whether search is scaled under load as in a cluster, on a clock so many times as fast.
    pub autoscaled: Option<f64>,
    /// Who visits it.
    pub mix: Mix,
    /// How many of its products are asked for, from the most popular one on.
    pub products: u32,
    /// What it runs on, whatever was asked for; `None` leaves that to the command line.
    pub backends: Option<&'static [Server]>,
}

/// How many products a shop is seeded with, which is the services' default.
pub const SEEDED: u32 = 1000;

/// The shop as it is by default.
pub const SHOP: Shop = Shop {
    topology: Topology::Services,
    environment: &[],
    upstreams: "",
    replicas: &[],
    autoscaled: None,
    mix: NOMINAL,
    products: SEEDED,
    backends: None,
};

impl Shop {
    /// In these processes.
    #[must_use]
    pub const fn topology(self, topology: Topology) -> Self {
        Self { topology, ..self }
    }

    /// With these variables in every service's environment.
    #[must_use]
    pub const fn env(self, environment: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            environment,
            ..self
        }
    }

    /// With these parameters of every address of a service.
    #[must_use]
    pub const fn upstreams(self, upstreams: &'static str) -> Self {
        Self { upstreams, ..self }
    }

    /// With so many replicas of some services.
    #[must_use]
    pub const fn replicas(self, replicas: &'static [(Service, u32)]) -> Self {
        Self { replicas, ..self }
    }

    /// Visited by these.
    #[must_use]
    pub const fn mix(self, mix: Mix) -> Self {
        Self { mix, ..self }
    }

    /// Of whose products only so many are asked for.
    #[must_use]
    pub const fn products(self, products: u32) -> Self {
        Self { products, ..self }
    }

    /// What it runs on.
    pub(crate) fn backends(&self, asked: &Backends) -> Backends {
        self.backends.map_or_else(|| asked.clone(), Backends::of)
    }
}

//! Which processes a shop consists of.

use super::service::{SERVICES, Service};

/// What is a process of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Topology {
    /// Every service.
    #[default]
    Services,
    /// The whole shop.
    Monolith,
}

impl Topology {
    /// The processes, each as it is started.
    pub(super) fn processes(self) -> &'static [Service] {
        match self {
            Self::Services => &SERVICES,
            Self::Monolith => &[Service::Monolith],
        }
    }

    /// The process that `service` is, or is in.
    pub(crate) fn process(self, service: Service) -> Service {
        match self {
            Self::Services => service,
            Self::Monolith => Service::Monolith,
        }
    }
}

//! When replicas were there.

use std::time::Instant;

use super::{discovery, service::Service, track::Make};

/// One start of one replica, from the start of its process to its end.
#[derive(Debug, Clone)]
pub struct Life {
    /// Which service.
    pub service: Service,
    /// Counts the replicas of a service from 1.
    pub number: u32,
    /// Counts the starts of this replica from 1.
    pub start: u32,
    /// What it was started as.
    pub make: Make,
    /// When its process was started.
    pub started: Instant,
    /// Since when it could be found, if it came to that.
    pub ready: Option<Instant>,
    /// Until when it could be found.
    pub left: Option<Instant>,
    /// When its process had ended.
    pub ended: Option<Instant>,
}

impl Life {
    /// As [`discovery::Replica::instance`].
    pub fn instance(&self) -> String {
        discovery::instance(self.service, self.number, self.start)
    }
}

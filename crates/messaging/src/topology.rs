//! Which events there are and who listens to them: data that whoever uses this crate brings along.

use std::sync::Arc;

/// A queue of one consuming service, all its replicas together, and the types of events that are put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// The service.
    pub name: &'static str,
    /// Types of events.
    pub types: &'static [&'static str],
}

/// All events and queues there are. Whoever opens the broker declares all of them, so that no event is told before somebody
/// listens. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Topology {
    /// Types of events.
    pub(crate) types: &'static [&'static str],
    pub(crate) queues: Arc<[Queue]>,
    /// Types of events that every process may overhear as well.
    pub(crate) broadcast: &'static [&'static str],
}

impl Topology {
    /// Events of these `types`; `queues` by the name of their service, with the types that it hears; and the types in
    /// `broadcast`, which every process may overhear as well, each replica all of them. Nothing that must not stay may be in
    /// them: a broker may keep them for a while.
    pub fn new(
        types: &'static [&'static str],
        queues: impl IntoIterator<Item: Into<(&'static str, &'static [&'static str])>>,
        broadcast: &'static [&'static str],
    ) -> Self {
        let queue = |(name, types)| Queue { name, types };
        let queues = queues.into_iter().map(|it| queue(it.into())).collect();
        Self {
            types,
            queues,
            broadcast,
        }
    }

    /// The queues that events of this type are put into.
    pub(crate) fn listeners(&self, kind: &str) -> impl Iterator<Item = &Queue> {
        self.queues
            .iter()
            .filter(move |it| it.types.contains(&kind))
    }

    /// `kind` as a label, whose values must be few: whoever can reach the broker can write any type into an event.
    pub(crate) fn label(&self, kind: &str) -> &'static str {
        let known = self.types.iter().find(|it| **it == kind);
        known.copied().unwrap_or("_OTHER")
    }
}

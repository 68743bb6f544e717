//! What a service serves, and to whom.

use axum::Router;
use telemetry::Caller;
use tower_http::cors::CorsLayer;

use crate::{Class, Door, admission::Classes};

/// The longest head of a stranger's request, in bytes. Services behind the door take twice as much, so that none that it
/// passes on is too long for them.
const STRANGERS_HEAD: usize = 16 * 1024;

/// What one stranger may have of a door.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Connections from one address, as [`counted_as`](crate::counted_as) says.
    pub connections: usize,
    /// Requests in flight on one HTTP/2 connection.
    pub streams: u32,
}

/// What a service serves: its routes, which pages may call them from a browser, and whose traces it continues. A router alone
/// lets no page call it, and is called by services of ours.
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) routes: Router,
    pub(crate) cors: Option<CorsLayer>,
    pub(crate) caller: Caller,
    pub(crate) hears_deadlines: bool,
    pub(crate) classes: Classes,
    share: Option<Share>,
}

impl App {
    /// Lets pages call `routes` as `cors` says. Also what is answered in their place (413, 500, 504) says so: without that a
    /// page could not even read the status.
    pub fn with_cors(routes: Router, cors: CorsLayer) -> Self {
        Self {
            cors: Some(cors),
            ..routes.into()
        }
    }

    /// Gives every request the time of [`Limits`](crate::Limits), whatever its caller says: for a door that strangers come through.
    #[must_use]
    pub fn without_callers_deadlines(self) -> Self {
        Self {
            hears_deadlines: false,
            ..self
        }
    }

    /// Gives every stranger no more than `share`, and takes no heads above 16 KiB: for such a door too.
    #[must_use]
    pub fn shared(self, share: Share) -> Self {
        Self {
            share: Some(share),
            ..self
        }
    }

    /// Refuses these routes as late as `class` says when there is not room for all; the others are of [`Class::Rest`]. Each is
    /// `METHOD /route/{template}`, or `/package.Service/Method` for gRPC.
    #[must_use]
    pub fn worth(mut self, class: Class, routes: &[&'static str]) -> Self {
        self.classes.declare(class, routes);
        self
    }

    /// Continues the traces of `caller`.
    #[must_use]
    pub fn called_by(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// How a listener with at most `connections` of the `wanted` ones lets this in.
    pub(crate) fn door(&self, connections: usize, wanted: usize) -> Door {
        let door = Door::inner(connections);
        let Some(share) = self.share else {
            return door;
        };
        // Whoever may have a quarter of what is wanted may have a quarter of what there is.
        let per_peer = share.connections.min(wanted) * connections / wanted.max(1);
        Door {
            per_peer: per_peer.max(1),
            streams: share.streams,
            head: STRANGERS_HEAD,
            ..door
        }
    }
}

impl From<Router> for App {
    fn from(routes: Router) -> Self {
        Self {
            routes,
            cors: None,
            caller: Caller::Trusted,
            hears_deadlines: true,
            classes: Classes::default(),
            share: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_one_of_the_connections_that_there_are() {
        let share = |connections| Share {
            connections,
            streams: 100,
        };
        let per_peer = |app: App| app.door(512, 4096).per_peer;
        let open = || App::from(Router::new());
        assert_eq!(per_peer(open()), 512, "callers of ours have no share");
        assert_eq!(per_peer(open().shared(share(2048))), 256);
        assert_eq!(per_peer(open().shared(share(usize::MAX))), 512);
        assert_eq!(per_peer(open().shared(share(1))), 1);
    }
}

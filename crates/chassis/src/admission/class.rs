//! What a request is worth when there is not room for all, by its route.

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
};
use resilience::Priority;

/// What requests of a route are worth, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Buying, and what it cannot do without, such as a log-in. Refused last of all.
    Checkout,
    /// Looking at what there is.
    Browse,
    /// Looking for something.
    Search,
    /// Everything else.
    Rest,
}

impl Class {
    /// All, the most important first.
    pub(crate) const ALL: [Self; 4] = [Self::Checkout, Self::Browse, Self::Search, Self::Rest];

    /// As metrics call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::Browse => "browse",
            Self::Search => "search",
            Self::Rest => "rest",
        }
    }

    /// Its place in [`Class::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn priority(self) -> Priority {
        match self {
            Self::Checkout => Priority::Critical,
            Self::Browse => Priority::High,
            Self::Search => Priority::Normal,
            Self::Rest => Priority::Low,
        }
    }
}

/// The classes of an app's routes; a route that is not among them is of [`Class::Rest`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Classes(Vec<(Route, Class)>);

#[derive(Debug, Clone, Copy)]
struct Route {
    /// Empty for a gRPC method.
    method: &'static str,
    path: &'static str,
}

impl Classes {
    /// Each of `routes` is `METHOD /route/{template}`, or `/package.Service/Method`.
    pub(crate) fn declare(&mut self, class: Class, routes: &[&'static str]) {
        let routes = routes.iter().map(|it| {
            let (method, path) = it.split_once(' ').unwrap_or(("", it));
            (Route { method, path }, class)
        });
        self.0.extend(routes);
    }

    pub(crate) fn of(&self, request: &Request) -> Class {
        let matched = request.extensions().get::<MatchedPath>();
        let template = matched.map_or("", MatchedPath::as_str);
        let method = match *request.method() {
            Method::HEAD => "GET",
            ref method => method.as_str(),
        };
        let found = self.0.iter().find(|(route, _)| {
            if route.method.is_empty() {
                // tonic routes a service and not its methods.
                route.path == request.uri().path()
            } else {
                route.path == template && route.method == method
            }
        });
        found.map_or(Class::Rest, |it| it.1)
    }
}

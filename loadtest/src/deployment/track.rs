//! What a replica is for, beside its service: the version that serves, one that is tried, or what that is compared with.

/// Which side of a service requests are split between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// What serves.
    #[default]
    Stable,
    /// Started as a canary is, of the version that serves: a canary is compared with nothing older than itself.
    Baseline,
    /// A version that is tried.
    Canary,
}

impl Track {
    /// Its name in the discovery file and in metrics, as the label of a cluster's pods.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Baseline => "baseline",
            Self::Canary => "canary",
        }
    }
}

/// What a replica is started as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Make {
    /// What it calls its version; the release's own, where that is none.
    pub version: Option<&'static str>,
    /// What it is for.
    pub track: Track,
}

impl Make {
    /// What it says of its version in lines and spans.
    pub fn version_told(self) -> &'static str {
        self.version.unwrap_or(env!("CARGO_PKG_VERSION"))
    }
}

/// How a replica goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// It is found no longer, finishes what it has begun, and ends.
    Drain,
    /// It is killed, whatever it is doing.
    Kill,
}

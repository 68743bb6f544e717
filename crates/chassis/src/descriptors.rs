//! How many connections the system's limit on file descriptors allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many of `wanted` connections as half the descriptors are enough for: the other half is for what a request needs. First
/// the process takes as many descriptors as it may have, as Go's runtime and Java's do.
///
/// Without this, whoever opens more connections than there are descriptors has the door closed for everybody, because nothing
/// behind it can be reached either.
pub(crate) fn affordable(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::debug!(%error, "limit of file descriptors not raised");
    }
    let descriptors = getrlimit(Resource::Nofile).current;
    let connections = share(descriptors, wanted);
    if connections < wanted {
        tracing::warn!(
            descriptors,
            connections,
            "connections limited by file descriptors"
        );
    }
    connections
}

fn share(descriptors: Option<u64>, wanted: usize) -> usize {
    let half = descriptors.and_then(|it| usize::try_from(it / 2).ok());
    half.map_or(wanted, |it| it.clamp(1, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_at_most_half_of_the_descriptors() {
        assert_eq!(share(None, 4096), 4096);
        assert_eq!(share(Some(1 << 20), 4096), 4096);
        assert_eq!(share(Some(1024), 4096), 512);
        assert_eq!(share(Some(1), 4096), 1);
    }
}

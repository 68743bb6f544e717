//! What keeps a part that fails, or is slow, from taking the rest with it.

mod admission;
mod calls;

use crate::{annotations::annotations, model::Dashboard};

pub(crate) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "windtunnel-resilience",
        title: "Resilience",
        description: "What keeps a part that fails, or is slow, from taking the rest with it: who is refused, and why?",
        variables: Vec::new(),
        annotations: annotations(),
        rows: vec![admission::row(), calls::protections(), calls::replicas()],
    }
}

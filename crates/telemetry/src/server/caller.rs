//! Whose decision to sample a trace is followed.

use opentelemetry::trace::{SpanContext, TraceId};

use crate::{context::new_trace_id, sampler::Sampler};

/// Whether a caller's decision to sample a trace is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Another service of ours: follow it.
    Trusted,
    /// Anyone: keep the trace id, so that the caller finds its trace, but decide ourselves what is kept.
    Untrusted,
}

impl Caller {
    /// Whether a trace is kept.
    pub(super) fn keeps(
        self,
        sampler: Sampler,
        trace: TraceId,
        parent: Option<&SpanContext>,
    ) -> bool {
        match self {
            // The id came from outside, and whoever chooses it must not choose what is kept.
            Self::Untrusted if parent.is_some() => sampler.keeps(new_trace_id(), None),
            Self::Untrusted | Self::Trusted => sampler.keeps(trace, parent),
        }
    }
}

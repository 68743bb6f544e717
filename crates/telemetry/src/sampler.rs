//! Which traces are kept.

use std::sync::OnceLock;

use opentelemetry::trace::{SpanContext, TraceId};

/// Keeps a share of new traces; follows the parent's decision or not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    parent_based: bool,
    /// Traces whose id is below this are kept, as the SDK's `TraceIdRatioBased` does, so that services agree.
    bound: u64,
}

static SAMPLER: OnceLock<Sampler> = OnceLock::new();

/// The share kept by default.
pub(crate) const DEFAULT_RATIO: f64 = 0.1;

/// A share from 0 to 1.
pub(crate) fn ratio(text: &str) -> Option<f64> {
    let ratio = text.parse().ok();
    ratio.filter(|it| (0.0..=1.0).contains(it))
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new(true, DEFAULT_RATIO)
    }
}

impl Sampler {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 2^63"
    )]
    pub(crate) fn new(parent_based: bool, ratio: f64) -> Self {
        let bound = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        Self {
            parent_based,
            bound,
        }
    }

    /// What `OTEL_TRACES_SAMPLER` says, with the ratio of `OTEL_TRACES_SAMPLER_ARG`; none for what is not known.
    pub(crate) fn parse(kind: &str, ratio: f64) -> Option<Self> {
        Some(match kind {
            "always_on" => Self::new(false, 1.0),
            "always_off" => Self::new(false, 0.0),
            "traceidratio" => Self::new(false, ratio),
            "parentbased_always_on" => Self::new(true, 1.0),
            "parentbased_always_off" => Self::new(true, 0.0),
            "parentbased_traceidratio" => Self::new(true, ratio),
            _ => return None,
        })
    }

    /// Decides for one request, before any span exists.
    pub(crate) fn keeps(self, trace: TraceId, parent: Option<&SpanContext>) -> bool {
        match parent {
            Some(parent) if self.parent_based => parent.is_sampled(),
            _ => {
                let id = u128::from_be_bytes(trace.to_bytes());
                let low = u64::try_from(id & u128::from(u64::MAX)).expect("64 bits");
                low >> 1 < self.bound
            }
        }
    }
}

/// The sampler of this process: what [`install`] set, or the default.
pub(crate) fn sampler() -> Sampler {
    SAMPLER.get().copied().unwrap_or_default()
}

pub(crate) fn install(sampler: Sampler) {
    // A second `init` keeps the first one's sampler; it has failed by then.
    let _ = SAMPLER.set(sampler);
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceState};

    use super::*;

    #[test]
    fn a_ratio_keeps_that_share_and_decides_the_same_everywhere() {
        let sampler = Sampler::new(false, 0.25);
        let traces: Vec<_> = (0..10_000)
            .map(|_| crate::context::new_trace_id())
            .collect();
        let kept = traces.iter().filter(|it| sampler.keeps(**it, None)).count();
        // Six standard deviations of a binomial with n = 10,000 and p = 0.25.
        assert!((2_240..=2_760).contains(&kept), "{kept}");
        assert!(
            traces
                .iter()
                .all(|it| Sampler::new(false, 1.0).keeps(*it, None))
        );
        assert!(
            !traces
                .iter()
                .any(|it| Sampler::new(false, 0.0).keeps(*it, None))
        );
    }

    #[test]
    fn a_parent_decides_when_it_is_asked() {
        let flags = TraceFlags::SAMPLED;
        let (trace, span) = (TraceId::from(1), SpanId::from(1));
        let parent = SpanContext::new(trace, span, flags, true, TraceState::default());
        assert!(Sampler::new(true, 0.0).keeps(trace, Some(&parent)));
        assert!(!Sampler::new(false, 0.0).keeps(trace, Some(&parent)));
    }

    #[test]
    fn only_samplers_and_ratios_of_the_specification_are_known() {
        let always = Sampler::new(false, 1.0);
        assert_eq!(Sampler::parse("always_on", 0.1), Some(always));
        let half = Sampler::new(true, 0.5);
        assert_eq!(Sampler::parse("parentbased_traceidratio", 0.5), Some(half));
        assert_eq!(Sampler::parse("sometimes", 0.5), None);
        assert_eq!(
            (ratio("0.5"), ratio("10"), ratio("NaN")),
            (Some(0.5), None, None)
        );
    }
}

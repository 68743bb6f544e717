//! On whose behalf a call is made: where an upstream is split, the same caller is always sent to the same side.

tokio::task_local! {
    static KEY: u64;
}

/// Serves a request on behalf of `who`, such as an account or an address: as long as `serve` lasts, calls to an upstream whose replicas
/// are on several tracks go to the one that `who` belongs to. Without it each call is sent to one by chance, as often as that weighs.
pub fn on_behalf_of<F: Future>(who: &[u8], serve: F) -> impl Future<Output = F::Output> + use<F> {
    KEY.scope(resilience::key(who), serve)
}

/// What decides the side of a call.
pub(crate) fn key() -> u64 {
    KEY.try_with(|it| *it).unwrap_or_else(|_| fastrand::u64(..))
}

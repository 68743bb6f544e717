//! What fires during a drill, by Prometheus and by what was told.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, sleep};

use super::{catalogue::named, ground::Ground};
use crate::observe::Labels;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(500);
/// An alert has cleared when it has been silent for so long.
pub(super) const SUSTAINED: Duration = Duration::from_secs(15);

/// Everything that fired since some moment.
pub(super) struct Watch {
    since: Instant,
    fired: BTreeSet<Labels>,
}

impl Watch {
    pub(super) fn begin() -> Self {
        Self {
            since: Instant::now(),
            fired: BTreeSet::new(),
        }
    }

    /// All but the switch, which always fires.
    pub(super) fn fired(&self) -> impl Iterator<Item = &Labels> {
        self.fired
            .iter()
            .filter(|it| named(it) != crate::observe::SWITCH)
    }

    /// Whether somebody was told of an alert that `is_meant` since `moment`.
    pub(super) fn told(
        ground: &Ground,
        moment: Instant,
        is_meant: impl Fn(&Labels) -> bool,
    ) -> bool {
        let heard = ground.stack.receiver.heard_since(moment);
        heard
            .iter()
            .any(|it| it.alert.fires() && is_meant(&it.alert.labels))
    }

    async fn look(&mut self, ground: &Ground) -> anyhow::Result<Vec<Labels>> {
        let firing = ground.firing().await?;
        self.fired.extend(firing.iter().cloned());
        let heard = ground.stack.receiver.heard_since(self.since);
        let told = heard.into_iter().filter(|it| it.alert.fires());
        self.fired.extend(told.map(|it| it.alert.labels));
        Ok(firing)
    }

    /// Watches for `time`.
    pub(super) async fn pass(&mut self, ground: &Ground, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.look(ground).await?;
            sleep(INTERVAL).await;
        }
        Ok(())
    }

    /// Watches until `holds`, and returns how long that took; nothing, if it does not within `patience`.
    pub(super) async fn until(
        &mut self,
        ground: &Ground,
        patience: Duration,
        mut holds: impl FnMut(&Ground) -> bool,
    ) -> anyhow::Result<Option<Duration>> {
        let began = Instant::now();
        loop {
            self.look(ground).await?;
            if holds(ground) {
                return Ok(Some(began.elapsed()));
            }
            if began.elapsed() > patience {
                return Ok(None);
            }
            sleep(INTERVAL).await;
        }
    }

    /// Watches until nothing that `counts` has fired for as long as `sustained`. Returns after how long it was silent first; nothing,
    /// if it is not by then within `patience`.
    pub(super) async fn until_silent(
        &mut self,
        ground: &Ground,
        patience: Duration,
        sustained: Duration,
        counts: impl Fn(&Labels) -> bool,
    ) -> anyhow::Result<Option<Duration>> {
        let began = Instant::now();
        let mut silent: Option<Instant> = None;
        loop {
            let firing = self.look(ground).await?;
            if firing.iter().any(&counts) {
                silent = None;
            } else {
                let since = *silent.get_or_insert_with(Instant::now);
                if since.elapsed() >= sustained {
                    return Ok(Some(since - began));
                }
            }
            if began.elapsed() > patience + sustained {
                return Ok(None);
            }
            sleep(INTERVAL).await;
        }
    }
}

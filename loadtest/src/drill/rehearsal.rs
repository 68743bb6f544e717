//! Carries one drill out.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;
use tokio::time::Instant;

use super::{
    act::Act,
    catalogue::{Drill, named},
    diagnosis,
    ground::Ground,
    page::Page,
    watch::{SUSTAINED, Watch},
};
use crate::{
    observe::{Labels, SWITCH},
    verdict::Outcome,
};

/// Before a fault its alert must have been silent; what the last drill left has so long to clear.
const QUIET_WITHIN: Duration = Duration::from_mins(8);
/// Alerts of a shop that has just started are over by then.
const STARTED_WITHIN: Duration = Duration::from_secs(10);
/// The dead man's switch is missed after 15 s on this clock.
const SWITCH_WITHIN: Duration = Duration::from_mins(1);

/// What came of a drill.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Rehearsed {
    pub(super) name: String,
    pub(super) alert: String,
    pub(super) outcome: Outcome,
    /// Seconds from the fault until somebody was told.
    pub(super) detected_s: Option<f64>,
    /// Seconds from the mitigation until it was silent and stayed so.
    pub(super) cleared_s: Option<f64>,
    /// How many looks of the page were checked.
    pub(super) looks: usize,
    /// Names of the alerts that fired.
    pub(super) fired: BTreeSet<String>,
    /// Those that had to stay silent.
    pub(super) unexpected: BTreeSet<String>,
    /// What is not as it should be.
    pub(super) wrong: Vec<String>,
}

impl Rehearsed {
    pub(super) fn new(name: &str, alert: &str) -> Self {
        Self {
            name: name.to_owned(),
            alert: alert.to_owned(),
            outcome: Outcome::Pass,
            detected_s: None,
            cleared_s: None,
            looks: 0,
            fired: BTreeSet::new(),
            unexpected: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// Takes over what `fired`, and judges. Prometheus leaves evaluations out (`left_out`) when the machine has no time for it: what is
    /// wrong then says nothing about the shop.
    fn end<'a>(
        mut self,
        fired: impl Iterator<Item = &'a Labels>,
        left_out: f64,
        may_fire: impl Fn(&Labels) -> bool,
    ) -> Self {
        for labels in fired {
            self.fired.insert(named(labels).to_owned());
            if !may_fire(labels) {
                self.unexpected.insert(in_words(labels));
            }
        }
        for it in &self.unexpected {
            self.wrong
                .push(format!("fired, and had to stay silent: {it}"));
        }
        if !self.wrong.is_empty() {
            self.outcome = Outcome::Fail;
            if left_out > 0.0 {
                self.outcome = Outcome::Invalid;
                self.wrong.push(format!(
                    "Prometheus left {left_out:.0} evaluations out: this measured the machine"
                ));
            }
        }
        self
    }

    /// In a line, and what is wrong below it.
    pub(super) fn line(&self) -> String {
        let seconds =
            |it: Option<f64>| it.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} s"));
        let mut text = format!(
            "{:<7} {:40} told after {:>7}, clear after {:>7}, {} looks",
            self.outcome.to_string(),
            self.name,
            seconds(self.detected_s),
            seconds(self.cleared_s),
            self.looks
        );
        for it in &self.wrong {
            text.push_str("\n       ");
            text.push_str(it);
        }
        text
    }
}

fn in_words(labels: &Labels) -> String {
    let rest = labels.iter().filter(|it| it.0 != "alertname");
    let rest: Vec<_> = rest
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{} {}", named(labels), rest.join(" "))
}

/// A healthy shop for `lasts`: nothing fires.
pub(super) async fn healthy(ground: &Ground, lasts: Duration) -> anyhow::Result<Rehearsed> {
    let mut it = Rehearsed::new("healthy", "");
    // Services were absent before they were scraped.
    let alert = |labels: &Labels| named(labels) != SWITCH;
    let mut watch = Watch::begin();
    let silent = watch.until_silent(ground, STARTED_WITHIN, Duration::ZERO, alert);
    if silent.await?.is_none() {
        it.wrong
            .push(format!("not silent within {STARTED_WITHIN:?} of the start"));
    }
    let mut watch = Watch::begin();
    watch.pass(ground, lasts).await?;
    if ground.stack.receiver.switch_is_missed() {
        it.wrong.push("the dead man's switch is missed".to_owned());
    }
    let left_out = ground.evaluations_left_out(lasts).await?;
    Ok(it.end(watch.fired(), left_out, |_| false))
}

/// The drill of one alert, from quiet to quiet.
pub(super) async fn rehearse(ground: &mut Ground, drill: &Drill) -> anyhow::Result<Rehearsed> {
    let mut it = Rehearsed::new(drill.name(), &drill.alert);
    let hurt = ground.hurt.clone();
    let after_effect = |labels: &Labels| labels.get("slo").is_some_and(|it| hurt.contains(it));
    let may_fire = |labels: &Labels| drill.may_fire(labels) || after_effect(labels);
    let surprise =
        |labels: &Labels| named(labels) != SWITCH && (drill.is_meant(labels) || !may_fire(labels));
    let began = Instant::now();
    let mut watch = Watch::begin();
    let quiet = watch.until_silent(ground, QUIET_WITHIN, Duration::ZERO, surprise);
    if quiet.await?.is_none() {
        it.wrong.push("not quiet before the fault".to_owned());
        let left_out = ground.evaluations_left_out(began.elapsed()).await?;
        return Ok(it.end(watch.fired(), left_out, |_| true));
    }
    let mut watch = Watch::begin();
    match Page::of(&drill.alert) {
        Ok(page) if drill.alert == SWITCH => {
            switch(ground, &mut it).await?;
            // What the page looks at is there again.
            diagnose(ground, drill, &page, &mut it).await;
            watch.pass(ground, Duration::from_secs(1)).await?;
        }
        Ok(page) => follow(ground, drill, &page, &mut watch, &mut it).await?,
        Err(error) => it.wrong.push(format!("{error:#}")),
    }
    let slos = watch.fired().filter_map(|it| it.get("slo"));
    ground.hurt.extend(slos.cloned());
    let left_out = ground.evaluations_left_out(began.elapsed()).await?;
    Ok(it.end(watch.fired(), left_out, may_fire))
}

/// Fault, alert, diagnosis, mitigation, silence.
async fn follow(
    ground: &mut Ground,
    drill: &Drill,
    page: &Page,
    watch: &mut Watch,
    it: &mut Rehearsed,
) -> anyhow::Result<()> {
    let fault = drill.fault.clone();
    let fault = fault.unwrap_or_else(|| acts(&page.rehearse));
    let mitigation = drill.mitigation.clone();
    let mitigation = mitigation.unwrap_or_else(|| acts(&page.mitigation));
    if until_told(ground, drill, &fault, watch, it).await? {
        diagnose(ground, drill, page, it).await;
    }
    perform(ground, &mitigation, drill, it).await;
    if drill.leaves_traces() {
        return Ok(());
    }
    let meant = |labels: &Labels| drill.is_meant(labels);
    let silent = watch.until_silent(ground, drill.clear(), SUSTAINED, meant);
    match silent.await? {
        Some(after) => it.cleared_s = Some(after.as_secs_f64()),
        None => it
            .wrong
            .push(format!("not silent within {:?}", drill.clear())),
    }
    Ok(())
}

/// Looks where the page says, as far as that is about this case.
async fn diagnose(ground: &Ground, drill: &Drill, page: &Page, it: &mut Rehearsed) {
    let variables = ground.variables(&drill.variables);
    let wanted = |number: usize| drill.looks.as_ref().is_none_or(|it| it.contains(&number));
    let looks = (1..).zip(&page.diagnosis);
    let looks: Vec<_> = looks.filter(|(number, _)| wanted(*number)).collect();
    it.looks = looks.len();
    let wrong = diagnosis::follow(ground, &looks, &variables).await;
    it.wrong.extend(wrong);
}

/// Puts the fault in and waits until somebody is told. Where the alert is silenced, nobody may be told before that is over.
async fn until_told(
    ground: &mut Ground,
    drill: &Drill,
    fault: &[Act],
    watch: &mut Watch,
    it: &mut Rehearsed,
) -> anyhow::Result<bool> {
    let silenced = drill.silence.map(Duration::from_secs);
    if let Some(lasts) = silenced {
        let mut labels = drill.labels.clone();
        labels.insert("alertname".to_owned(), drill.alert.clone());
        ground.silence(&labels, lasts).await?;
    }
    let began = Instant::now();
    perform(ground, fault, drill, it).await;
    let told = |ground: &Ground| Watch::told(ground, began, |labels| drill.is_meant(labels));
    if let Some(lasts) = silenced {
        // A second for clocks, and for what is under way.
        let quiet = lasts.saturating_sub(began.elapsed() + Duration::from_secs(1));
        if watch.until(ground, quiet, told).await?.is_some() {
            it.wrong.push("told although it was silenced".to_owned());
        }
        if !watch.fired().any(|labels| drill.is_meant(labels)) {
            it.wrong
                .push("did not fire while it was silenced".to_owned());
        }
    }
    if watch.until(ground, drill.detect(), told).await?.is_none() {
        it.wrong
            .push(format!("not told within {:?}", drill.detect()));
        return Ok(false);
    }
    it.detected_s = Some(began.elapsed().as_secs_f64());
    Ok(true)
}

fn acts(commands: &[String]) -> Vec<Act> {
    commands.iter().cloned().map(Act::Sh).collect()
}

async fn perform(ground: &mut Ground, acts: &[Act], drill: &Drill, it: &mut Rehearsed) {
    if acts.is_empty() {
        it.wrong
            .push("nothing to do: no command on the page, and none in drills.yaml".to_owned());
    }
    for act in acts {
        if let Err(error) = ground.perform(act, &drill.variables).await {
            it.wrong.push(format!("{error:#}"));
        }
    }
}

/// Prometheus is killed: the receiver misses the switch, and hears it again afterwards.
async fn switch(ground: &mut Ground, it: &mut Rehearsed) -> anyhow::Result<()> {
    let missed = ground.stack.without_prometheus(async |receiver| {
        let began = Instant::now();
        while !receiver.switch_is_missed() && began.elapsed() < SWITCH_WITHIN {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        receiver.switch_is_missed().then(|| began.elapsed())
    });
    it.detected_s = missed.await?.map(|it| it.as_secs_f64());
    if it.detected_s.is_none() {
        it.wrong.push(format!(
            "the switch was not missed within {SWITCH_WITHIN:?}"
        ));
    }
    let began = Instant::now();
    while ground.stack.receiver.switch_is_missed() && began.elapsed() < SWITCH_WITHIN {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if ground.stack.receiver.switch_is_missed() {
        it.wrong.push(format!(
            "the switch was not heard again within {SWITCH_WITHIN:?}"
        ));
    } else {
        it.cleared_s = Some(began.elapsed().as_secs_f64());
    }
    ground.wait_for_data().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(name: &str) -> Labels {
        [("alertname".to_owned(), name.to_owned())].into()
    }

    fn ended(fired: &[&str], left_out: f64) -> Rehearsed {
        let fired: Vec<_> = fired.iter().map(|it| alert(it)).collect();
        let it = Rehearsed::new("DeadLetters-silenced", "DeadLetters");
        it.end(fired.iter(), left_out, |it| {
            ["DeadLetters", "QueueBacklog"].contains(&named(it))
        })
    }

    #[test]
    fn what_had_to_stay_silent_fails_a_drill() {
        let it = ended(&["DeadLetters", "QueueBacklog"], 0.0);
        assert_eq!((it.outcome, it.unexpected.len()), (Outcome::Pass, 0));
        let it = ended(&["DeadLetters", "GatewayDown"], 0.0);
        assert_eq!(it.outcome, Outcome::Fail);
        assert!(it.line().contains("stay silent: GatewayDown"));
    }

    #[test]
    fn a_machine_that_is_too_busy_for_prometheus_makes_a_failure_invalid_and_nothing_else() {
        assert_eq!(ended(&["DeadLetters"], 3.0).outcome, Outcome::Pass);
        assert_eq!(ended(&["GatewayDown"], 3.0).outcome, Outcome::Invalid);
    }
}

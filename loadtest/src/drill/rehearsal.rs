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
    fn new(name: &str, alert: &str) -> Self {
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

    /// Takes over what fired, and judges.
    fn end(mut self, watch: &Watch, may_fire: impl Fn(&Labels) -> bool) -> Self {
        for labels in watch.fired() {
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
        }
        self
    }

    /// In a line, and what is wrong below it.
    pub(super) fn line(&self) -> String {
        let seconds =
            |it: Option<f64>| it.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} s"));
        let mut text = format!(
            "{:<6} {:32} told after {:>7}, clear after {:>7}, {} looks",
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
    let mut watch = Watch::begin();
    watch.pass(ground, lasts).await?;
    let mut it = Rehearsed::new("healthy", "");
    if ground.stack.receiver.switch_is_missed() {
        it.wrong.push("the dead man's switch is missed".to_owned());
    }
    Ok(it.end(&watch, |_| false))
}

/// The drill of one alert, from quiet to quiet.
pub(super) async fn rehearse(ground: &mut Ground, drill: &Drill) -> anyhow::Result<Rehearsed> {
    let mut it = Rehearsed::new(drill.name(), &drill.alert);
    let hurt = ground.hurt.clone();
    let after_effect = |labels: &Labels| labels.get("slo").is_some_and(|it| hurt.contains(it));
    let may_fire = |labels: &Labels| drill.may_fire(labels) || after_effect(labels);
    let surprise =
        |labels: &Labels| named(labels) != SWITCH && (drill.is_meant(labels) || !may_fire(labels));
    let mut watch = Watch::begin();
    let quiet = watch.until_silent(ground, QUIET_WITHIN, Duration::ZERO, surprise);
    if quiet.await?.is_none() {
        it.wrong.push("not quiet before the fault".to_owned());
        return Ok(it.end(&watch, |_| true));
    }
    let mut watch = Watch::begin();
    if drill.alert == SWITCH {
        switch(ground, &mut it).await?;
        watch.pass(ground, Duration::from_secs(1)).await?;
    } else {
        match Page::of(&drill.alert) {
            Ok(page) => follow(ground, drill, &page, &mut watch, &mut it).await?,
            Err(error) => it.wrong.push(format!("{error:#}")),
        }
    }
    let slos = watch.fired().filter_map(|it| it.get("slo"));
    ground.hurt.extend(slos.cloned());
    Ok(it.end(&watch, may_fire))
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
        let variables = ground.variables(&drill.variables);
        let wanted = |number: usize| drill.looks.as_ref().is_none_or(|it| it.contains(&number));
        let looks = (1..).zip(&page.diagnosis);
        let looks: Vec<_> = looks.filter(|(number, _)| wanted(*number)).collect();
        it.looks = looks.len();
        let wrong = diagnosis::follow(ground, &looks, &variables).await;
        it.wrong.extend(wrong);
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

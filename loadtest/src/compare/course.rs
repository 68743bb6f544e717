//! Loads two shops by turns, and reads off what each showed in each slice.

use std::{
    convert::Infallible,
    path::Path,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{
    machine::{Machine, NAMES, checks},
    slots::{GAP, Slots},
};
use crate::{
    engine::{
        Event,
        mix::NOMINAL,
        parent::{self, Load},
        plan::Plan,
    },
    experiment::SEEDED,
    interrupted::Interrupt,
    judge::{
        comparison::{Pair, Slice},
        validity,
    },
    progress::Progress,
    recording::Recording,
    side_by_side::Shop,
    statistics::to_f64,
    verdict::{Check, Group, Outcome},
};

/// The longest a client waits, in milliseconds.
const CLIENT_TIMEOUT_MS: u64 = 2000;
/// Goose users there are in any case, and for each arrival a second: a visit takes about half a second.
const MIN_USERS: f64 = 60.0;
const USERS_PER_RATE: f64 = 3.0;

/// What is needed to load them.
pub(super) struct Course<'a> {
    pub(super) slots: Slots,
    pub(super) seed: u64,
    pub(super) dir: &'a Path,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a Interrupt,
}

/// What came of it.
pub(super) struct Seen {
    pub(super) pairs: Vec<Pair>,
    /// Whether it can be trusted.
    pub(super) checks: Vec<Check>,
    /// Why latencies say nothing of the shops, if they do not.
    pub(super) delayed: Option<&'static str>,
}

/// What one side showed.
struct Side {
    load: Load,
    recording: Recording,
    /// Seconds of processor time in the slot of each pair.
    cpu: Vec<Option<f64>>,
}

impl Course<'_> {
    /// Loads `shops` by turns.
    pub(super) async fn run(&self, shops: &[Shop; 2]) -> anyhow::Result<Seen> {
        let machine = Machine::now();
        let (a, b) = tokio::try_join!(self.side(shops, 0), self.side(shops, 1))?;
        let stolen = machine.stolen();
        let sides = [a, b];
        let pairs = (0..self.slots.pairs).map(|pair| {
            let slice = |side: &Side| side.slice(self.slots, pair);
            [slice(&sides[0]), slice(&sides[1])]
        });
        let delayed = |it: &Side| validity::delayed(&it.recording, stolen);
        Ok(Seen {
            pairs: pairs.collect(),
            delayed: sides.iter().find_map(delayed),
            checks: [of_load(&sides), checks(shops, stolen)].concat(),
        })
    }

    /// Loads one of them whenever it is its turn.
    async fn side(&self, shops: &[Shop; 2], side: usize) -> anyhow::Result<Side> {
        let shop = &shops[side];
        let plan = self.plan(shop, side);
        if side == 0 {
            self.progress.load("A and B by turns", plan.length());
        }
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        let mut began = Instant::now();
        let follow = |event: &Event| match event {
            Event::Began => {
                began = Instant::now();
                if let Some(tell) = tell.take() {
                    // Whoever no longer waits does not want to know.
                    let _ = tell.send(began);
                }
            }
            Event::Progress(counts) | Event::Done(counts) if side == 0 => {
                self.progress.follow(began.elapsed(), counts);
            }
            Event::Progress(_) | Event::Done(_) => (),
        };
        let mut cpu = Vec::new();
        let read = async {
            if let Ok(began) = told.await {
                self.read_cpu(shop, side, began, &mut cpu).await;
            }
            std::future::pending::<Infallible>().await
        };
        let load = tokio::select! {
            load = parent::run(&plan, self.stop, follow) => load?,
            never = read => match never {},
        };
        Ok(Side {
            recording: Recording::of(&load.attempts),
            load,
            cpu,
        })
    }

    fn plan(&self, shop: &Shop, side: usize) -> Plan {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rates are limited by the command line"
        )]
        let users = (self.slots.rate * USERS_PER_RATE).max(MIN_USERS) as usize;
        Plan {
            name: NAMES[side].to_owned(),
            target: shop.gateway.clone(),
            seed: self.seed,
            users,
            products: SEEDED,
            timeout_ms: CLIENT_TIMEOUT_MS,
            deadline_ms: None,
            mix: NOMINAL,
            tokens: shop.tokens.clone(),
            admin: None,
            phases: self.slots.phases(side),
            output: self.dir.join(NAMES[side]).join("load"),
            starve_ms: 0,
        }
    }

    /// Reads the clocks of its processes when its turn begins and when it ends.
    async fn read_cpu(
        &self,
        shop: &Shop,
        side: usize,
        began: Instant,
        read: &mut Vec<Option<f64>>,
    ) {
        for pair in 0..self.slots.pairs {
            let [from, to] = self.slots.times(pair, side);
            sleep_until(began + from).await;
            let before = shop.cpu_seconds();
            sleep_until(began + to).await;
            let used = || Some(shop.cpu_seconds()? - before?);
            read.push(used());
        }
    }
}

impl Side {
    fn slice(&self, slots: Slots, pair: usize) -> Slice {
        let [lead_in, slice] = Slots::loaded(pair).map(|it| self.recording.by_route(it));
        let requests: u64 = [&lead_in, &slice]
            .into_iter()
            .flat_map(|it| it.values())
            .map(|it| it.latency.len())
            .sum();
        let cpu = self.cpu.get(pair).copied().flatten();
        Slice {
            routes: slice,
            seconds: slots.slice.as_secs_f64(),
            cpu_per_request: cpu.filter(|_| requests > 0).map(|it| it / to_f64(requests)),
        }
    }
}

/// Whether the generators can be trusted.
fn of_load(sides: &[Side; 2]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, side) in NAMES.into_iter().zip(sides) {
        let own = validity::generator(&side.load.counts, &side.recording);
        checks.extend(own.into_iter().map(|mut check| {
            check.name = format!("{name}: {}", check.name);
            check
        }));
    }
    checks.push(turns(sides.each_ref().map(|it| it.load.began)));
    checks
}

/// Whether both engines began so close to each other that arrivals at one shop have ended when those at the other begin; these are a
/// lead-in, in which the last visitors leave.
fn turns(began: [Option<SystemTime>; 2]) -> Check {
    let name = "the shops were loaded by turns";
    let [Some(a), Some(b)] = began else {
        return Check::new(Group::Validity, name, Outcome::Invalid).saw("not begun", "begun");
    };
    let apart = a.duration_since(b).unwrap_or_else(|it| it.duration());
    let outcome = if apart > GAP {
        Outcome::Invalid
    } else {
        Outcome::Pass
    };
    let millis = |it: Duration| format!("{} ms", it.as_millis());
    Check::new(Group::Validity, name, outcome).saw(
        format!("began {} apart", millis(apart)),
        format!("within {}", millis(GAP)),
    )
}

//! Hypothesis: any service may be killed at any moment, and still no order that a client was told is taken gets lost, and none
//! is taken twice.
//!
//! Clients do see errors meanwhile, and try to order again under the same key. That the audit can fail is shown by patches
//! that break what it guards, in `sabotage/`.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::validity;
use crate::{
    audit::judge::{self as audit, Promise},
    deployment::{Deployment, SERVICES, Service},
    engine::plan::{Arrivals, Phase},
    lab::{Lab, Measurement},
    report::{
        arm,
        document::{ArmReport, Kill},
    },
    statistics::to_f64,
    verdict::{Check, Expectation, Group, Outcome},
};

/// How often each service is killed.
const ROUNDS: usize = 2;
/// Between two kills; a service is back in much less.
const INTERVAL: Duration = Duration::from_secs(3);
/// Before the first kill.
const WARM_UP: Duration = Duration::from_secs(3);
/// With fewer orders, hardly any would be under way when a service is killed.
const MIN_ORDERS_A_MINUTE: f64 = 50.0;
/// A service that is not back by then stays away.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A service that was killed, and when it was back.
struct Killed {
    service: Service,
    at: Duration,
    back_after: Duration,
}

pub(super) async fn run(lab: &Lab<'_>) -> anyhow::Result<Vec<ArmReport>> {
    let victims = SERVICES.repeat(ROUNDS);
    let kills = u32::try_from(victims.len()).unwrap_or(u32::MAX);
    let length = WARM_UP + INTERVAL * kills + INTERVAL;
    let phase = Phase {
        name: "kills".to_owned(),
        seconds: length.as_secs_f64(),
        arrivals: Arrivals::Poisson {
            rate: lab.args.rate,
        },
    };
    let kill_all = async |began| kill_all(lab.deployment(), &victims, began).await;
    let (it, killed) = lab.measure_while("kills", vec![phase], kill_all).await?;
    let description = "Every service is killed with SIGKILL, one after the other, twice.";
    let promises = audit::promises(&it.load.attempts);
    let checks = checks(&it, &promises, &killed);
    let mut report = arm::report(&it, description, Expectation::Holds, 0, checks);
    report.kills = table(&killed, &it, &promises);
    Ok(vec![report])
}

async fn kill_all(
    deployment: &Deployment,
    victims: &[Service],
    began: Instant,
) -> anyhow::Result<Vec<Killed>> {
    let mut killed = Vec::new();
    let mut due = began + WARM_UP;
    for &service in victims {
        sleep_until(due).await;
        let victim = deployment.kill(service)?;
        let at = Instant::now();
        let back = || {
            let replicas = deployment.replicas();
            let again = |it: &crate::deployment::Replica| {
                it.service == service && (it.number, it.start) != (victim.number, victim.start)
            };
            replicas.iter().any(again)
        };
        while !back() {
            anyhow::ensure!(at.elapsed() < BACK_WITHIN, "{service} did not come back");
            sleep(ASK_EVERY).await;
        }
        killed.push(Killed {
            service,
            at: at - began,
            back_after: at.elapsed(),
        });
        due += INTERVAL;
    }
    sleep_until(due).await;
    Ok(killed)
}

/// How late requests were sent is not asked: what is promised here does not depend on time.
fn checks(it: &Measurement, promises: &[Promise], killed: &[Killed]) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(how) = &it.load.counts {
        checks.push(validity::ended_early(how));
    }
    let valid = |name: &str, holds: bool, observed: String, expected: &str| {
        let outcome = if holds {
            Outcome::Pass
        } else {
            Outcome::Invalid
        };
        Check::new(Group::Validity, name, outcome).saw(observed, expected)
    };
    let slowest = killed.iter().map(|it| it.back_after).max();
    let observed = format!(
        "{} kills, the slowest was back after {:.2} s",
        killed.len(),
        slowest.unwrap_or_default().as_secs_f64()
    );
    let name = "every service came back";
    checks.push(valid(name, slowest.is_some(), observed, "all of them"));
    let minutes = it.plan.length().as_secs_f64() / 60.0;
    let rate = to_f64(promises.len() as u64) / minutes;
    let observed = format!("{rate:.0} acknowledged a minute");
    let expected = format!("at least {MIN_ORDERS_A_MINUTE} a minute");
    let name = "orders kept coming";
    checks.push(valid(
        name,
        rate >= MIN_ORDERS_A_MINUTE,
        observed,
        &expected,
    ));
    checks.push(validity::rest(it));
    checks.extend(audit::checks(promises, &it.ledgers));
    checks
}

/// What became of the orders that were acknowledged between each kill and the next.
fn table(killed: &[Killed], it: &Measurement, promises: &[Promise]) -> Vec<Kill> {
    let lost = audit::lost(promises, &it.ledgers);
    let doubled = audit::doubled(&it.ledgers);
    let micros = |at: Duration| i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    let row = |index: usize| {
        let kill = &killed[index];
        let next = killed.get(index + 1).map_or(i64::MAX, |it| micros(it.at));
        let within = |it: &&Promise| (micros(kill.at)..next).contains(&it.acknowledged_us);
        let meanwhile: Vec<_> = promises.iter().filter(within).collect();
        let named = |wrong: &[String]| {
            let is_named = |it: &&&Promise| wrong.iter().any(|text| text.contains(&it.order_id));
            meanwhile.iter().filter(is_named).count()
        };
        let lost = named(&lost);
        Kill {
            service: kill.service.to_string(),
            at_s: kill.at.as_secs_f64(),
            ready_after_s: kill.back_after.as_secs_f64(),
            acknowledged: meanwhile.len(),
            ended: meanwhile.len() - lost,
            lost,
            doubled: named(&doubled),
        }
    };
    (0..killed.len()).map(row).collect()
}

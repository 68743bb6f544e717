//! Hypothesis: any service may be killed at any moment, and still no order that a client was told is taken gets lost, and none
//! is taken twice.
//!
//! Clients do see errors meanwhile, and try to order again under the same key. That the audit can fail is shown by patches
//! that break what it guards, in `sabotage/`.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    deployment::{Deployment, SERVICES, Service},
    judge::{
        audit,
        kills::{self, Killed},
    },
    lab::Lab,
    report::{arm, document::ArmReport},
    verdict::Expectation,
};

/// How often each service is killed.
const ROUNDS: usize = 2;
/// Between two kills; a service is back in much less.
const INTERVAL: Duration = Duration::from_secs(3);
/// Before the first kill.
const WARM_UP: Duration = Duration::from_secs(3);
/// A service that is not back by then stays away.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// How often it is asked whether it is back.
const ASK_EVERY: Duration = Duration::from_millis(10);

pub(super) async fn run(lab: &Lab<'_>) -> anyhow::Result<Vec<ArmReport>> {
    let victims = SERVICES.repeat(ROUNDS);
    let kills = u32::try_from(victims.len()).unwrap_or(u32::MAX);
    let length = WARM_UP + INTERVAL * kills + INTERVAL;
    let phase = lab.nominal("kills", length.as_secs_f64());
    let kill_all = async |began| kill_all(lab.deployment(), &victims, began).await;
    let (it, killed) = lab.measure_while("kills", vec![phase], kill_all).await?;
    let description = "Every service is killed with SIGKILL, one after the other, twice.";
    let promises = audit::promises(&it.load.attempts);
    let checks = kills::checks(&it, &promises, &killed);
    let mut report = arm::report(&it, description, Expectation::Holds, 0, checks);
    report.kills = kills::table(&killed, &it, &promises);
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
        while !back() && at.elapsed() < BACK_WITHIN {
            sleep(ASK_EVERY).await;
        }
        let came_back = back();
        killed.push(Killed {
            victim: service.to_string(),
            at: at - began,
            answered_after: None,
            ready_after: came_back.then(|| at.elapsed()),
            unready: Vec::new(),
        });
        if !came_back {
            break;
        }
        due += INTERVAL;
    }
    sleep_until(due).await;
    Ok(killed)
}

//! Decides one after the other on what is seen, and prints what is decided and why:
//!
//! ```text
//! cargo run -p hpa --example decide -- crates/hpa/examples/hpa.yaml crates/hpa/examples/seen.yaml
//! ```

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    env,
    error::Error,
    fs,
    time::{Duration, SystemTime},
};

use hpa::{Controller, HorizontalPodAutoscaler, Observation, Pod, Reading, Scale, State, Target};
use serde::Deserialize;

/// What is seen at one time. What is not given is as it was; replicas are those that were decided on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Step {
    /// Seconds after the step before.
    after: u64,
    /// How many replicas there are, where somebody else has changed them.
    replicas: Option<i32>,
    pods: Option<Vec<Pod>>,
    metrics: Vec<Reading>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(manifest), Some(steps)) = (arguments.next(), arguments.next()) else {
        return Err("usage: decide HPA.yaml SEEN.yaml".into());
    };
    let mut autoscaler = HorizontalPodAutoscaler::from_yaml(&fs::read_to_string(manifest)?)?;
    let steps: Vec<Step> = hpa::read(&fs::read_to_string(steps)?)?;
    let (mut state, mut replicas, mut pods) = (State::default(), 1, Vec::new());
    let (mut now, mut elapsed) = (SystemTime::UNIX_EPOCH + Duration::from_hours(500_000), 0);
    for step in steps {
        now += Duration::from_secs(step.after);
        elapsed += step.after;
        replicas = step.replicas.unwrap_or(replicas);
        pods = step.pods.unwrap_or(pods);
        let seen = Observation {
            target: Target::Scale(Scale {
                replicas,
                status_replicas: replicas,
                selector: "app=search".to_owned(),
            }),
            pods: pods.clone(),
            metrics: step.metrics,
            others: Vec::new(),
        };
        let outcome = Controller::default()
            .decide(&autoscaler, &mut state, &seen, now)
            .settle(&mut state, |_| Ok(()));
        println!("{elapsed:>5} s  {}", outcome.explanation);
        for event in &outcome.events {
            println!(
                "         {:?} {}: {}",
                event.r#type, event.reason, event.message
            );
        }
        replicas = outcome.status.desired_replicas;
        autoscaler.status = outcome.status;
    }
    println!("\n{}", autoscaler.to_yaml());
    Ok(())
}

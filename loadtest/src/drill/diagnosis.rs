//! Follows the diagnosis of a page while its fault is on, and checks what it says.

use std::time::Duration;

use slo::scale;
use tokio::time::{Instant, sleep};

use super::{
    act,
    ground::{CLOCK, Ground},
    page::{How, Look},
};
use crate::observe::Sample;

/// What a page says must be seen within this: rates follow with the next scrapes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What comes of a look.
enum Seen {
    Text(String),
    Series(Vec<Sample>),
}

/// What does not show what the page says; nothing, if all does. Looks are counted from 1.
pub(super) async fn follow(
    ground: &Ground,
    looks: &[(usize, &Look)],
    variables: &[(String, String)],
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, look) in looks {
        let deadline = Instant::now() + PATIENCE;
        let complaint = loop {
            let complaint = match see(ground, &look.how, variables).await {
                Ok(seen) => complaint(&seen, &look.shows),
                Err(error) => Some(format!("{error:#}")),
            };
            if complaint.is_none() || Instant::now() >= deadline {
                break complaint;
            }
            sleep(Duration::from_secs(1)).await;
        };
        if let Some(complaint) = complaint {
            wrong.push(format!("diagnosis, look {number}: {complaint}"));
        }
    }
    wrong
}

async fn see(ground: &Ground, how: &How, variables: &[(String, String)]) -> anyhow::Result<Seen> {
    match how {
        How::Sh(script) => Ok(Seen::Text(act::sh(script, variables).await?)),
        How::Query(query) => {
            // Its windows are those of the rules, which are shorter here.
            let query = scale::scaled(query, CLOCK);
            Ok(Seen::Series(ground.prometheus.query(query.trim()).await?))
        }
    }
}

fn complaint(seen: &Seen, shows: &[String]) -> Option<String> {
    let text = match seen {
        Seen::Text(text) => text.clone(),
        Seen::Series(series) => series.iter().map(in_words).collect(),
    };
    if shows.is_empty() && text.trim().is_empty() {
        return Some("no data".into());
    }
    let wrong = |claim: &&String| !holds(seen, &text, claim);
    let claim = shows.iter().find(wrong)?;
    let shown: String = text.chars().take(300).collect();
    Some(match shown.trim() {
        "" => format!("must show {claim:?}, and there is no data"),
        shown => format!("must show {claim:?}, and shows {shown:?}"),
    })
}

fn holds(seen: &Seen, text: &str, claim: &str) -> bool {
    if claim == "nothing" {
        return text.trim().is_empty();
    }
    let compared = match seen {
        Seen::Series(series) => Comparison::parse(claim).map(|it| (series, it)),
        Seen::Text(_) => None,
    };
    match compared {
        Some((series, it)) => {
            !series.is_empty() && series.iter().all(|sample| it.holds(sample.value))
        }
        None => text.contains(claim),
    }
}

/// `> 0.01` and the like.
struct Comparison<'a> {
    operator: &'a str,
    bound: f64,
}

impl<'a> Comparison<'a> {
    fn parse(claim: &'a str) -> Option<Self> {
        let (operator, bound) = claim.split_once(' ')?;
        let known = [">", ">=", "<", "<=", "==", "!="].contains(&operator);
        let bound = bound.trim().parse().ok()?;
        known.then_some(Self { operator, bound })
    }

    fn holds(&self, value: f64) -> bool {
        let equal = (value - self.bound).abs() < 1e-9;
        match self.operator {
            ">" => value > self.bound,
            ">=" => value > self.bound || equal,
            "<" => value < self.bound,
            "<=" => value < self.bound || equal,
            "==" => equal,
            _ => !equal,
        }
    }
}

fn in_words(sample: &Sample) -> String {
    let labels: Vec<_> = sample
        .labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    format!("{{{}}} {}\n", labels.join(", "), sample.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(value: f64) -> Seen {
        Seen::Series(vec![Sample {
            labels: [("service".to_owned(), "catalog".to_owned())].into(),
            value,
        }])
    }

    #[test]
    fn claims_are_held_against_what_is_seen() {
        let claims =
            |claims: &[&str]| -> Vec<String> { claims.iter().map(|it| (*it).to_owned()).collect() };
        let right = claims(&["> 0.5", "service=\"catalog\"", "== 0.75"]);
        assert_eq!(complaint(&series(0.75), &right), None);
        assert!(complaint(&series(0.75), &claims(&["> 0.75"])).is_some());
        assert!(complaint(&series(f64::NAN), &claims(&["> 0"])).is_some());
        let nothing = Seen::Series(Vec::new());
        assert!(complaint(&nothing, &[]).is_some(), "no data is a failure");
        assert!(complaint(&nothing, &claims(&["> 0"])).is_some());
        assert_eq!(complaint(&nothing, &claims(&["nothing"])), None);
        let text = Seen::Text("injected fault".into());
        assert_eq!(complaint(&text, &claims(&["injected"])), None);
    }
}

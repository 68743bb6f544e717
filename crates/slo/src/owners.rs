//! Who owns what: teams, their services, and the paths whose changes they look at.

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::rules::WRITTEN;

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Its name, the value of the label `team`.
    pub name: String,
    /// Whom the code host asks to review.
    pub owner: String,
    /// The services that are its own.
    pub services: Vec<String>,
    /// What else is its own, as CODEOWNERS writes it.
    pub paths: Vec<String>,
}

/// Every team, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teams {
    /// The teams.
    pub teams: Vec<Team>,
}

impl Teams {
    /// The team that owns a service.
    pub fn of(&self, service: &str) -> Option<&str> {
        let owns = |it: &&Team| it.services.iter().any(|it| it == service);
        self.teams.iter().find(owns).map(|it| it.name.as_str())
    }

    /// Every service with its team, by the name of the service.
    pub fn services(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<(&str, &str)> = self
            .teams
            .iter()
            .flat_map(|team| {
                let services = team.services.iter();
                services.map(move |it| (it.as_str(), team.name.as_str()))
            })
            .collect();
        all.sort_unstable();
        all
    }
}

/// Reads the table of owners.
///
/// # Errors
/// What is not of its form, and a service with two owners.
pub fn read(text: &str) -> anyhow::Result<Teams> {
    let teams: Teams = yaml_serde::from_str(text).context("read the teams")?;
    let services = teams.services();
    for pair in services.windows(2) {
        ensure!(pair[0].0 != pair[1].0, "{} has two owners", pair[0].0);
    }
    Ok(teams)
}

/// The file CODEOWNERS. What comes later wins, so paths of services come last.
pub fn codeowners(teams: &Teams) -> String {
    let mut text = format!("{WRITTEN}, from observability/owners.yaml\n");
    let mut put = |path: &str, owner: &str| {
        writeln!(text, "{path} {owner}").expect("a string takes everything");
    };
    for team in &teams.teams {
        for path in &team.paths {
            put(path, &team.owner);
        }
    }
    for team in &teams.teams {
        for service in &team.services {
            put(&format!("services/{service}/"), &team.owner);
        }
    }
    text
}

//! What is done in a drill: commands of a page, and what no command of a person does.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;
use tokio::{process::Command, time::timeout};

/// The longest that a command takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Act {
    /// A command for bash.
    Sh(String),
    /// Something that the deployment does.
    Deployment(Deployed),
}

/// What the deployment does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Deployed {
    /// So many replicas of services.
    Scale(BTreeMap<String, u32>),
    /// The place where spans go is there or not.
    Otlp(Presence),
    /// The cache that replicas share is there or not.
    Cache(Presence),
    /// Search is scaled, or not.
    Autoscale(Scaler),
    /// A version of search is tried, or not.
    Canary(Tried),
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tried {
    /// A version that answers four of ten searches with an error.
    Failing,
    /// Nothing: search is as it was.
    Away,
}

/// What scales search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scaler {
    /// An autoscaler as in a cluster. What a replica can do is modelled, so that few clients are load enough.
    Here,
    /// One whose metric nobody measures.
    Blind,
    /// None: one replica, without a limit.
    Away,
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Presence {
    Here,
    Away,
}

/// Runs `script` in bash and returns what it printed.
///
/// # Errors
/// It failed, with what it said, or took too long.
pub(super) async fn sh(script: &str, variables: &[(String, String)]) -> anyhow::Result<String> {
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let first = script.lines().next().unwrap_or_default();
    let output = timeout(PATIENCE, run).await;
    let output = output
        .with_context(|| format!("no end within {PATIENCE:?}: {first}"))?
        .context("run bash")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{first}: {}: {}{}",
        output.status,
        said.trim(),
        complaint.trim()
    );
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        let read = |text| yaml_serde::from_str::<Vec<Act>>(text).unwrap();
        assert_eq!(
            read("[echo, {scale: {catalog: 0}}, {otlp: away}]"),
            [
                Act::Sh("echo".into()),
                Act::Deployment(Deployed::Scale([("catalog".to_owned(), 0)].into())),
                Act::Deployment(Deployed::Otlp(Presence::Away)),
            ]
        );
        assert!(yaml_serde::from_str::<Act>("{scales: {}}").is_err());
    }

    #[tokio::test]
    async fn a_command_sees_variables_and_fails_loudly() {
        let variables = [("PROMETHEUS".to_owned(), "here".to_owned())];
        assert_eq!(sh("echo $PROMETHEUS", &variables).await.unwrap(), "here\n");
        let error = sh("echo why >&2; false", &variables).await.unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
        assert!(sh("echo $NOBODY_SET_THIS", &[]).await.is_err());
    }
}

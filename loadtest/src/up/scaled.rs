//! `up --autoscale`: a service whose replicas come and go with its load.

use std::{
    convert::Infallible,
    fs,
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;

use crate::{
    args::UpArgs,
    autoscaler::{self, Autoscaler, Decision, Journal, Settings},
    deployment::{Deployment, Service},
    experiments::CAPACITY,
    timeline,
};

/// What was asked for; nothing if it was not.
///
/// # Errors
/// A file that cannot be read, or that an API server would refuse.
pub(super) fn settings(args: &UpArgs) -> anyhow::Result<Option<Settings>> {
    let Some(file) = &args.autoscale else {
        return Ok(None);
    };
    let settings = match file {
        None => Settings::of_search(args.time_scale)?,
        Some(path) => {
            let read = || Settings::read(&fs::read_to_string(path)?, args.time_scale);
            read().with_context(|| format!("read {}", path.display()))?
        }
    };
    Ok(Some(settings))
}

/// A service that is scaled.
pub(super) struct Scaled {
    autoscaler: Autoscaler,
    journal: Journal,
}

impl Scaled {
    /// Gives its replicas a capacity that can be reached, and says how.
    pub(super) async fn begin(
        settings: Settings,
        deployment: &Deployment,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let journal = Journal::create(dir)?;
        deployment.introduce_scaler(Some(autoscaler::serve().await?))?;
        if settings.service == Service::Search {
            timeline::set_fault(deployment, Service::Search, &CAPACITY.into()).await?;
        }
        invite(&settings, deployment).context("write to standard output")?;
        Ok(Self {
            autoscaler: Autoscaler::new(settings),
            journal,
        })
    }

    /// Scales for as long as it is let, and says so.
    pub(super) async fn go_on(mut self, deployment: &Deployment) -> anyhow::Result<Infallible> {
        let hand_on = |decision: Decision| {
            if decision.changes() {
                // With standard error gone there is nobody left to tell.
                let _ = writeln!(io::stderr(), "{}", decision.sentence);
            }
            self.journal.write(&decision)
        };
        self.autoscaler.run(deployment, hand_on).await
    }
}

fn invite(settings: &Settings, deployment: &Deployment) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let service = settings.service;
    writeln!(
        out,
        "\nAutoscaling {service} between {} and {} replicas; a second is {} of the autoscaler's.",
        settings.min(),
        settings.max(),
        settings.time_scale
    )?;
    if service == Service::Search {
        writeln!(
            out,
            "Each replica serves {} searches at a time, {} ms each. For ten at a time, until Ctrl-C:\n",
            CAPACITY.workers, CAPACITY.latency_ms
        )?;
        writeln!(
            out,
            "  seq 10 | xargs -P 10 -I{{}} sh -c 'while :; do curl -s -o /dev/null -H \"x-forwarded-for: 192.0.2.{{}}\" \"http://{}/search?q=oak\"; done'",
            deployment.gateway()?
        )?;
    }
    Ok(out.flush()?)
}

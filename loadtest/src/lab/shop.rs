//! The shop of one arm, running, with shoppers who are logged in.

use std::path::Path;

use anyhow::Context as _;

use super::conditions::Conditions;
use crate::{
    accounts,
    deployment::{Backends, Deployment, Options, Service},
    evidence::otlp::Receiver,
    experiment::Arm,
    interrupted::Interrupted,
    timeline::{self, Step},
};

/// Shoppers who are logged in before the load begins; buyers take turns with their tokens, each far below its rate limit.
pub(super) const SHOPPERS: u32 = 20;

/// Tokens outlive the longest run: an hour to measure, at most three times.
const TOKEN_TTL: (&str, &str) = ("TOKEN_TTL", "6h");

/// A running shop.
pub(super) struct Shop {
    pub(super) deployment: Deployment,
    pub(super) receiver: Receiver,
    pub(super) backends: Backends,
    /// Where the load goes.
    pub(super) doors: String,
    /// Tokens of shoppers who are logged in.
    pub(super) tokens: Vec<String>,
    /// That of the admin, if somebody comes who needs it.
    pub(super) admin: Option<String>,
}

impl Shop {
    /// Starts it in `dir`. It begins with no data, whatever ran before it.
    pub(super) async fn open(lab: &Conditions<'_>, arm: &Arm, dir: &Path) -> anyhow::Result<Self> {
        lab.progress
            .step(format!("{}: starting the shop", arm.name));
        let receiver = Receiver::start().await?;
        let backends = arm.shop.backends(&lab.args.backends);
        let said = lab.progress.clone();
        let options = Options {
            program: lab.from.map(Path::to_owned),
            topology: arm.shop.topology,
            gateway_port: 0,
            otlp: Some(receiver.address),
            backends: backends.clone(),
            environment: [&[TOKEN_TTL], arm.shop.environment]
                .concat()
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            upstreams: arm.shop.upstreams,
            restart: true,
            tell: Box::new(move |text| said.say(text)),
        };
        let deployment = Deployment::start(dir, options, lab.stop).await?;
        let gateway = format!("http://{}", deployment.gateway()?);
        // Whoever knows one gateway's address would be told to go when that is replaced.
        let topology = arm.shop.topology;
        let replaced = |it: &Step| it.replaces_gateways(topology);
        let doors = if arm.timeline.iter().any(replaced) {
            deployment.discovery()
        } else {
            gateway.clone()
        };
        let prepared = tokio::select! {
            tokens = prepare(lab, arm, &deployment, &gateway, dir) => tokens,
            () = lab.stop.cancelled() => Err(Interrupted.into()),
        };
        let (deployment, (tokens, admin)) = deployment.or_stop(prepared).await?;
        Ok(Self {
            deployment,
            receiver,
            backends,
            doors,
            tokens,
            admin,
        })
    }
}

async fn prepare(
    lab: &Conditions<'_>,
    arm: &Arm,
    deployment: &Deployment,
    gateway: &str,
    dir: &Path,
) -> anyhow::Result<(Vec<String>, Option<String>)> {
    for &(service, replicas) in arm.shop.replicas {
        let started = deployment.scale(service, replicas).await;
        started.with_context(|| format!("start {replicas} replicas of {service}"))?;
    }
    // Hashing their passwords takes a while, and whoever does not buy needs no token.
    let count = if arm.shop.mix.shops() { SHOPPERS } else { 0 };
    lab.progress
        .step(format!("{}: logging shoppers in", arm.name));
    let tokens = accounts::shoppers(deployment.http(), gateway, accounts::SHOPPER, count).await?;
    let admin = match arm.shop.mix.editor {
        0 => None,
        _ => Some(accounts::admin(deployment.http(), gateway, dir).await?),
    };
    if let Some(signal) = lab.args.lose {
        let loss = chassis::Fault {
            telemetry_loss: Some(chassis::TelemetryLoss {
                signal,
                one_in: 1000,
            }),
            ..chassis::Fault::default()
        };
        timeline::set_fault(deployment, Service::Gateway, &loss).await?;
    }
    Ok((tokens, admin))
}

//! `up`: the shop, left running for a person.

mod scaled;

use std::{
    io::{self, Write},
    time::Instant,
};

use anyhow::Context as _;

use crate::{
    accounts,
    args::{RunsDir, UpArgs},
    autoscaler::Settings,
    deployment::{Deployment, Options, Topology},
    interrupted::{Interrupt, Interrupted},
    observe::{self, Stack},
    run_dir::RunDir,
};
use scaled::Scaled;

/// Starts the shop, says where everything is, and stops it when told to.
pub(crate) async fn up(args: &UpArgs, runs: &RunsDir, stop: Interrupt) -> anyhow::Result<()> {
    let run_dir = RunDir::create(&runs.path, "up")?;
    let settings = scaled::settings(args)?;
    let began = Instant::now();
    let options = Options {
        program: None,
        topology: Topology::Services,
        gateway_port: args.port,
        otlp: None,
        backends: args.backends.clone(),
        environment: Vec::new(),
        upstreams: "",
        restart: !args.no_restart,
        tell: Box::new(|text| {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{text}");
        }),
    };
    let deployment = Deployment::start(run_dir.path(), options, &stop).await?;
    let ready = began.elapsed().as_secs_f64();
    let gateway = format!("http://{}", deployment.gateway()?);
    let tokens = Tokens::of(&deployment, &gateway, &run_dir).await;
    let (deployment, tokens) = deployment.or_stop(tokens).await?;
    let stack = observe(args, &run_dir, &stop).await;
    let (deployment, stack) = deployment.or_stop(stack).await?;
    let told = introduce(&mut io::stdout().lock(), &deployment, &run_dir, ready)
        .and_then(|()| Ok(invite(&mut io::stdout().lock(), &gateway, &tokens)?))
        .and_then(|()| match &stack {
            Some(stack) => {
                let variables = stack.variables(&deployment, run_dir.path());
                Ok(guide(&mut io::stdout().lock(), stack, &variables)?)
            }
            None => Ok(()),
        })
        .context("write to standard output");
    let ended = match told {
        Ok(()) => go_on(settings, &deployment, &run_dir, &stop).await,
        Err(error) => Err(error),
    };
    // The terminal that this is for may be gone.
    let _ = writeln!(
        io::stderr(),
        "stopping; Ctrl-C again kills what does not end"
    );
    // It would only tell that the shop is gone.
    if let Some(stack) = stack {
        stack.stop(&stop).await;
    }
    deployment.stop().await;
    ended
}

/// Waits until it is told to stop, and scales a service meanwhile, if one is to be scaled.
async fn go_on(
    scaled: Option<Settings>,
    deployment: &Deployment,
    run_dir: &RunDir,
    stop: &Interrupt,
) -> anyhow::Result<()> {
    let Some(settings) = scaled else {
        stop.cancelled().await;
        return Ok(());
    };
    let scale = async {
        let scaled = Scaled::begin(settings, deployment, run_dir.path()).await?;
        scaled.go_on(deployment).await
    };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        never = scale => match never? {},
    }
}

/// Prometheus and Alertmanager, if they are wanted.
async fn observe(
    args: &UpArgs,
    run_dir: &RunDir,
    stop: &Interrupt,
) -> anyhow::Result<Option<Stack>> {
    if !args.observe {
        return Ok(None);
    }
    let options = observe::Options {
        dir: run_dir.path().join("observe"),
        discovery: vec![run_dir.path().join("services.json")],
        clock: 1.0,
        tell: Box::new(|text| {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{text}");
        }),
    };
    tokio::select! {
        stack = Stack::start(options) => stack.map(Some),
        () = stop.cancelled() => Err(Interrupted.into()),
    }
}

/// What somebody needs who follows a page of `runbooks/`.
fn guide(out: &mut impl Write, stack: &Stack, variables: &[(String, String)]) -> io::Result<()> {
    let (prometheus, alertmanager) = (stack.prometheus_url(), stack.alertmanager_url());
    writeln!(out, "\n  Prometheus      {prometheus}/")?;
    writeln!(out, "  Alertmanager    {alertmanager}/")?;
    writeln!(
        out,
        "  alerts          here on standard error, and {}/notifications.jsonl\n",
        stack.dir().display()
    )?;
    writeln!(out, "For the pages in runbooks/, pasted into the shell:\n")?;
    for (name, value) in variables {
        writeln!(out, "  {name}={value}")?;
    }
    out.flush()
}

fn introduce(
    out: &mut impl Write,
    deployment: &Deployment,
    run_dir: &RunDir,
    ready: f64,
) -> anyhow::Result<()> {
    let gateway = format!("http://{}", deployment.gateway()?);
    writeln!(out, "Ready in {ready:.2} s. Ctrl-C stops everything.\n")?;
    writeln!(out, "  shop            {gateway}/")?;
    writeln!(out, "  documentation   {gateway}/docs/\n")?;
    for it in deployment.replicas() {
        let name = format!("{}-{}", it.service, it.number);
        writeln!(
            out,
            "  {name:<15} admin http://{}  process {}",
            it.admin, it.pid
        )?;
    }
    writeln!(
        out,
        "\n  logs            {}/logs/",
        run_dir.path().display()
    )?;
    writeln!(
        out,
        "  discovery       {}/services.json (Prometheus file_sd)\n",
        run_dir.path().display()
    )?;
    Ok(out.flush()?)
}

/// Tokens for a person to play with.
struct Tokens {
    shopper: String,
    admin: String,
}

impl Tokens {
    async fn of(deployment: &Deployment, gateway: &str, run_dir: &RunDir) -> anyhow::Result<Self> {
        let http = deployment.http();
        let mut shoppers = accounts::shoppers(http, gateway, accounts::SHOPPER, 1).await?;
        Ok(Self {
            shopper: shoppers.remove(0),
            admin: accounts::admin(http, gateway, run_dir.path()).await?,
        })
    }
}

fn invite(out: &mut impl Write, gateway: &str, tokens: &Tokens) -> io::Result<()> {
    let Tokens { shopper, admin } = tokens;
    writeln!(
        out,
        "Tokens, valid for 15 minutes:\n\n  SHOPPER={shopper}\n\n  ADMIN={admin}\n"
    )?;
    writeln!(out, "Try, with both lines above pasted into the shell:\n")?;
    writeln!(out, "  curl '{gateway}/search?q=oak+bokshelf'")?;
    writeln!(
        out,
        "  curl -i {gateway}/orders -H \"authorization: Bearer $SHOPPER\" -H \"idempotency-key: $(date +%s%N)\" --json '{{\"items\": [{{\"product_id\": \"p-000001\", \"quantity\": 1}}], \"card_number\": \"{}\"}}'",
        api::GOOD_CARD
    )?;
    writeln!(
        out,
        "  curl -X PATCH {gateway}/products/p-000001 -H \"authorization: Bearer $ADMIN\" --json '{{\"price_cents\": 1299}}'"
    )?;
    out.flush()
}

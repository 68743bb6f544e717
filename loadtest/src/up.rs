//! `up`: the shop, left running for a person.

use std::{
    io::{self, Write},
    time::Instant,
};

use tokio_util::sync::CancellationToken;

use crate::{
    cli::{Interrupted, Place, UpArgs},
    deployment::{Deployment, Options},
    run_dir::RunDir,
};

/// Starts the shop, says where everything is, and stops it when told to.
pub(crate) async fn up(
    args: &UpArgs,
    place: &Place,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let run_dir = RunDir::create(&place.runs, "up")?;
    let began = Instant::now();
    let options = Options {
        gateway_port: args.port,
        otlp: None,
        restart: !args.no_restart,
        tell: Box::new(|text| {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{text}");
        }),
    };
    let deployment = tokio::select! {
        started = Deployment::start(&run_dir, options) => started?,
        () = stop.cancelled() => return Err(Interrupted.into()),
    };
    let ready = began.elapsed().as_secs_f64();
    introduce(&mut io::stdout().lock(), &deployment, &run_dir, ready)?;
    stop.cancelled().await;
    writeln!(io::stderr(), "stopping")?;
    deployment.stop().await;
    Ok(())
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
    writeln!(out, "Try:  curl -i {gateway}/products/p-000001")?;
    Ok(out.flush()?)
}

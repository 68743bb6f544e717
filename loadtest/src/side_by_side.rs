//! Two shops that run side by side, so that they can be loaded by turns: the machine's moods then hit both alike.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::{
    accounts,
    deployment::{Backends, Deployment, Options, Service, Topology},
    evidence::usage::Usage,
    interrupted::{Interrupt, Interrupted},
    progress::Progress,
    timeline,
};

/// Tokens outlive the longest comparison.
const TOKEN_TTL: (&str, &str) = ("TOKEN_TTL", "6h");

/// What one of two shops is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    /// Names its directory.
    pub(crate) name: &'static str,
    /// Whose services run, if not those of this program.
    pub(crate) program: Option<PathBuf>,
    pub(crate) backends: Backends,
    /// What every service finds in its environment beside the usual.
    pub(crate) environment: Vec<(String, String)>,
    /// What goes wrong from the start.
    pub(crate) faults: Vec<(Service, chassis::Fault)>,
    /// How many shoppers are logged in.
    pub(crate) shoppers: u32,
}

/// A running shop.
pub(crate) struct Shop {
    pub(crate) deployment: Deployment,
    /// Where the gateway takes requests.
    pub(crate) gateway: String,
    /// Tokens of shoppers who are logged in.
    pub(crate) tokens: Vec<String>,
}

impl Shop {
    /// Seconds of processor time of all its processes since they were started, where the kernel tells.
    pub(crate) fn cpu_seconds(&self) -> Option<f64> {
        let replicas = self.deployment.replicas();
        let used = replicas.iter().map(|it| Some(Usage::of(it.pid)?.cpu_s));
        used.sum()
    }

    async fn start(
        dir: &Path,
        side: Side,
        progress: &Progress,
        stop: &Interrupt,
    ) -> anyhow::Result<Self> {
        let Side { name, .. } = side;
        let said = progress.clone();
        let usual = (TOKEN_TTL.0.to_owned(), TOKEN_TTL.1.to_owned());
        let options = Options {
            program: side.program,
            topology: Topology::Services,
            gateway_port: 0,
            otlp: None,
            backends: side.backends,
            environment: [vec![usual], side.environment].concat(),
            upstreams: "",
            restart: false,
            tell: Box::new(move |text| said.say(&format!("{name}: {text}"))),
        };
        let deployment = Deployment::start(&dir.join(name), options, stop).await;
        let deployment = deployment.with_context(|| format!("start shop {name}"))?;
        let prepared = tokio::select! {
            prepared = prepare(&deployment, side.shoppers, &side.faults) => prepared,
            () = stop.cancelled() => Err(Interrupted.into()),
        };
        let (deployment, (gateway, tokens)) = deployment.or_stop(prepared).await?;
        Ok(Self {
            deployment,
            gateway,
            tokens,
        })
    }
}

async fn prepare(
    deployment: &Deployment,
    shoppers: u32,
    faults: &[(Service, chassis::Fault)],
) -> anyhow::Result<(String, Vec<String>)> {
    let gateway = format!("http://{}", deployment.gateway()?);
    let http = deployment.http();
    let tokens = accounts::shoppers(http, &gateway, accounts::SHOPPER, shoppers).await?;
    for (service, fault) in faults {
        timeline::set_fault(deployment, *service, fault).await?;
    }
    Ok((gateway, tokens))
}

/// Starts both in `dir`, lets `load` do with them what it has to, and stops them however that ends.
///
/// # Errors
/// [`Interrupted`], a shop that does not start, or what `load` failed with.
pub(crate) async fn with_both<T>(
    dir: &Path,
    [first, second]: [Side; 2],
    progress: &Progress,
    stop: &Interrupt,
    load: impl AsyncFnOnce(&[Shop; 2]) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    progress.step("starting both shops");
    let first = Shop::start(dir, first, progress, stop).await?;
    let second = match Shop::start(dir, second, progress, stop).await {
        Ok(second) => second,
        Err(error) => {
            first.deployment.stop().await;
            return Err(error);
        }
    };
    let shops = [first, second];
    let loaded = tokio::select! {
        loaded = load(&shops) => loaded,
        () = stop.cancelled() => Err(Interrupted.into()),
    };
    progress.step("stopping both shops");
    let [first, second] = shops;
    tokio::join!(first.deployment.stop(), second.deployment.stop());
    loaded
}

/// Which side is loaded first in a pair, and which then: by turns, so that neither gains by what changes steadily.
pub(crate) fn order(pair: usize) -> [usize; 2] {
    if pair.is_multiple_of(2) {
        [0, 1]
    } else {
        [1, 0]
    }
}

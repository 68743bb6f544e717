//! The engine's own process: it reads a plan from its parent, carries it out, and says how it goes.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use anyhow::Context as _;
use goose::{
    GooseAttack,
    config::GooseConfiguration,
    prelude::{GooseUser, Scenario, Transaction, TransactionResult},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::unix::OwnedWriteHalf,
    sync::Notify,
    time::{Duration, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    arrivals::schedule,
    attempt::Event,
    doors::Doors,
    mix::{PERSONAS, Persona},
    plan::Plan,
    recorder::Recorder,
    state::Engine,
    turnstile::Turnstile,
    visit::Visit,
};
use crate::http;

/// goose starts so many users a second; they only wait, so this is no load.
const USERS_PER_SECOND: usize = 1000;
/// How long a user rests when no arrival will come any more, so that it does not spin until goose stops it, and how long
/// the arrival process waits before it looks again whether all users are there.
const REST: Duration = Duration::from_millis(20);

impl Engine {
    /// The first transaction of every persona: waits for an arrival and leaves the visit for the next transaction.
    async fn arrive(self: Arc<Self>, persona: Persona, user: &mut GooseUser) -> TransactionResult {
        let turnstile = &self.turnstiles[persona.index()];
        if let Some((arrival, intended)) = turnstile.wait().await {
            user.set_session_data(Some(Visit::begin(self, arrival, intended)));
        } else {
            user.set_session_data(None::<Visit>);
            sleep(REST).await;
        }
        Ok(())
    }

    fn transaction<F>(self: &Arc<Self>, act: F) -> Transaction
    where
        F: for<'a> Fn(
                Arc<Self>,
                &'a mut GooseUser,
            )
                -> std::pin::Pin<Box<dyn Future<Output = TransactionResult> + Send + 'a>>
            + Send
            + Sync
            + 'static,
    {
        let engine = Arc::clone(self);
        Transaction::new(Arc::new(move |user| act(Arc::clone(&engine), user)))
    }

    /// The start of every user: all share one client, and so one pool of connections.
    pub(crate) fn on_start(self: &Arc<Self>) -> Transaction {
        self.transaction(|it, user| {
            user.client = it.client.clone();
            Box::pin(std::future::ready(Ok(())))
        })
        .set_on_start()
    }

    /// How many users wait for an arrival.
    fn idle(&self) -> usize {
        self.turnstiles.iter().map(Turnstile::idle).sum()
    }

    pub(crate) fn arrival(self: &Arc<Self>, persona: Persona) -> Transaction {
        self.transaction(move |it, user| Box::pin(it.arrive(persona, user)))
            .set_name("arrival")
    }
}

/// What a visitor of some kind does, as a goose scenario.
pub(crate) type Scenarios = fn(Persona, &Arc<Engine>) -> Scenario;

/// Reads a plan from standard input, which is a Unix socket, and carries it out. Ends the process when the socket closes.
pub(crate) async fn run(scenarios: Scenarios) -> anyhow::Result<()> {
    use std::os::fd::AsFd as _;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    let socket = std::os::unix::net::UnixStream::from(stdin);
    socket.set_nonblocking(true)?;
    let socket = tokio::net::UnixStream::from_std(socket)
        .context("the engine needs a Unix socket as standard input")?;
    let (read, write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    let plan = lines.next_line().await?.context("no plan received")?;
    let plan: Plan = serde_json::from_str(&plan).context("read the plan")?;
    tokio::spawn(async move {
        while let Ok(Some(_)) = lines.next_line().await {}
        // The parent has gone: nobody wants this load any more.
        std::process::exit(1);
    });
    // goose's futures are large.
    Box::pin(attack(plan, write, scenarios)).await
}

async fn attack(plan: Plan, write: OwnedWriteHalf, scenarios: Scenarios) -> anyhow::Result<()> {
    let (recorder, recording) = Recorder::start(&plan.output.join("attempts.jsonl"))?;
    let zeros = || plan.phases.iter().map(|_| AtomicU64::new(0)).collect();
    let engine = Arc::new(Engine {
        client: http::client(Duration::from_millis(plan.timeout_ms))?,
        turnstiles: PERSONAS.map(|_| Turnstile::new()),
        recorder,
        doors: Doors::of(&plan.target),
        origin: OnceLock::new(),
        began: Notify::new(),
        visiting: AtomicUsize::new(0),
        attempts: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        due: zeros(),
        dropped: zeros(),
        plan,
    });
    starve(engine.plan.starve_ms);
    let mut goose = GooseAttack::initialize_with_config(configuration(&engine.plan))?;
    for (persona, weight) in engine.plan.mix.weights() {
        let scenario = scenarios(persona, &engine).set_weight(weight)?;
        goose = goose.register_scenario(scenario);
    }
    let over = CancellationToken::new();
    let reporting = tokio::spawn(report(Arc::clone(&engine), write, over.clone()));
    tokio::spawn(release_all(Arc::clone(&engine)));
    Box::pin(goose.execute()).await.context("run goose")?;

    over.cancel();
    let mut write = reporting.await.context("report to the parent")?;
    let counts = engine.counts();
    engine.recorder.close();
    match recording.join() {
        Ok(written) => written.context("write the attempts")?,
        Err(_) => anyhow::bail!("the recorder's thread died"),
    }
    tell(&mut write, &Event::Done(counts)).await
}

fn configuration(plan: &Plan) -> GooseConfiguration {
    let mut it = GooseConfiguration::default();
    it.host = Some(Doors::host(&plan.target));
    it.users = Some(plan.users);
    it.increase_rate = Some(USERS_PER_SECOND.to_string());
    it.no_telnet = true;
    it.quiet = 2;
    it.no_print_metrics = true;
    it.no_reset_metrics = true;
    let report = |name| plan.output.join(name).display().to_string();
    it.report_file = vec![report("goose.json"), report("goose.md")];
    it
}

/// The arrival process.
async fn release_all(engine: Arc<Engine>) {
    while engine.idle() < engine.plan.users {
        sleep(REST).await;
    }
    let origin = *engine.origin.get_or_init(Instant::now);
    engine.began.notify_one();
    for arrival in schedule(&engine.plan.phases, engine.plan.seed) {
        let intended = origin + arrival.due;
        sleep_until(intended.into()).await;
        let phase = usize::from(arrival.phase);
        engine.due[phase].fetch_add(1, Relaxed);
        let persona = engine.plan.mix.persona(engine.plan.seed, arrival.number);
        if !engine.turnstiles[persona.index()].admit((arrival, intended)) {
            engine.dropped[phase].fetch_add(1, Relaxed);
        }
    }
    engine.turnstiles.iter().for_each(Turnstile::close);
    sleep_until((origin + engine.plan.length()).into()).await;
    while engine.visiting.load(Relaxed) > 0 {
        sleep(REST).await;
    }
    goose::trigger_killswitch("every visit is over");
}

/// Tells the parent when it begins, and once a second how it goes.
async fn report(
    engine: Arc<Engine>,
    mut write: OwnedWriteHalf,
    over: CancellationToken,
) -> OwnedWriteHalf {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let event = tokio::select! {
            () = engine.began.notified() => Event::Began,
            _ = ticks.tick() => Event::Progress(engine.counts()),
            () = over.cancelled() => return write,
        };
        if tell(&mut write, &event).await.is_err() {
            // The parent has gone, and so will this process.
            return write;
        }
    }
}

async fn tell(write: &mut OwnedWriteHalf, event: &Event) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    write.write_all(&line).await.context("report to the parent")
}

/// Takes the runtime's threads away for `millis` in every hundred milliseconds, as a machine that is too small would.
fn starve(millis: u64) {
    if millis == 0 {
        return;
    }
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    for _ in 0..threads {
        tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(100));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                let end = Instant::now() + Duration::from_millis(millis);
                while Instant::now() < end {
                    std::hint::spin_loop();
                }
            }
        });
    }
}

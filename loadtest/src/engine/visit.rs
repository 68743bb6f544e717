//! One visit to the shop: what a persona works with.

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use api::{Order, Product};
use goose::prelude::{GooseRequest, GooseUser, TransactionError};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use rand_distr::{Distribution as _, Zipf};
use serde::Deserialize;
use tokio::time::Duration;

use super::{
    arrivals::Arrival,
    attempt::{Attempt, OrderSeen, ProductSeen},
    request::Request,
    state::Engine,
};

/// The longest answer a persona reads, in bytes.
const MAX_BODY: usize = 1 << 20;

/// A shopper from arrival to departure. Everything random in it comes from the seed and the arrival's number.
#[derive(Clone)]
pub(crate) struct Visit {
    engine: Arc<Engine>,
    arrival: Arrival,
    random: SmallRng,
    address: Ipv4Addr,
    /// When the next request should be sent.
    intended: Instant,
    requests: u32,
    _presence: Arc<Presence>,
}

impl Visit {
    pub(super) fn begin(engine: Arc<Engine>, arrival: Arrival, intended: Instant) -> Self {
        let seed = engine.plan.seed ^ arrival.number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            random: SmallRng::seed_from_u64(seed),
            address: address(arrival.number),
            _presence: Presence::enter(&engine),
            engine,
            arrival,
            intended,
            requests: 0,
        }
    }

    /// Takes the visit that the arrival transaction left for this user, if there is one.
    pub(crate) fn of(user: &mut GooseUser) -> Option<Self> {
        user.get_session_data_mut::<Option<Self>>()?.take()
    }

    /// Sends `request`, reads the answer and lets `check` say what is wrong with it. Returns what `check` made of it, `None`
    /// if it was no success.
    ///
    /// # Errors
    /// Only when goose cannot go on; a failed request is not an error here.
    pub(crate) async fn send<T>(
        &mut self,
        user: &mut GooseUser,
        request: Request,
        check: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Option<T>, Box<TransactionError>> {
        self.exchange(user, request, check, |_| Seen::default())
            .await
    }

    /// The same where the answer is a product, of which is kept how old it was.
    pub(crate) async fn send_product(
        &mut self,
        user: &mut GooseUser,
        request: Request,
        check: impl FnOnce(&[u8]) -> Result<Product, String>,
    ) -> Result<Option<Product>, Box<TransactionError>> {
        let seen = |it: &Product| Seen {
            product: Some(ProductSeen {
                id: it.id.to_string(),
                version: it.version,
            }),
            ..Seen::default()
        };
        self.exchange(user, request, check, seen).await
    }

    /// The same where the answer is the order of this visit, which the audit will ask for. `fair` says that neither card nor
    /// stock stand against it.
    pub(crate) async fn send_order(
        &mut self,
        user: &mut GooseUser,
        request: Request,
        fair: bool,
    ) -> Result<Option<Order>, Box<TransactionError>> {
        let key = self.key();
        let seen = |order: &Order| OrderSeen {
            id: order.id.to_string(),
            key,
            status: order.status,
            fair,
        };
        let read = |body: &[u8]| parse::<Order>(body);
        let seen = |it: &Order| Seen {
            order: Some(seen(it)),
            ..Seen::default()
        };
        self.exchange(user, request, read, seen).await
    }

    async fn exchange<T>(
        &mut self,
        user: &mut GooseUser,
        request: Request,
        check: impl FnOnce(&[u8]) -> Result<T, String>,
        seen: impl FnOnce(&T) -> Seen,
    ) -> Result<Option<T>, Box<TransactionError>> {
        let id = self.next_id();
        let (route, name) = (request.name(), request.route());
        let deadline_ms = self.engine.plan.deadline_ms;
        let goose = GooseRequest::builder()
            .set_request_builder(request.build(
                user,
                &self.engine.doors,
                &id,
                self.address,
                deadline_ms,
            )?)
            .name(name)
            .build();
        let sent = Instant::now();
        let mut answer = user.request(goose).await?;
        // goose takes a head for an answer.
        let mut told_success = false;
        let (status, outcome) = match answer.response {
            Ok(response) => {
                let status = response.status();
                told_success = status.is_success();
                match read(response).await {
                    Ok(body) if told_success => (Some(status.as_u16()), check(&body)),
                    Ok(_) => {
                        let problem = format!("status {}", status.as_u16());
                        (Some(status.as_u16()), Err(problem))
                    }
                    // What breaks off is no answer, whatever its head said.
                    Err(problem) => (None, Err(problem)),
                }
            }
            Err(error) => (None, Err(reason(&error).to_owned())),
        };
        let done = Instant::now();
        if let (true, Err(problem)) = (told_success, &outcome) {
            let told = user.set_failure(problem, &mut answer.request, None, None);
            // goose answers `RequestFailed` when it has done as asked.
            if let Err(error) = told
                && !matches!(*error, TransactionError::RequestFailed { .. })
            {
                return Err(error);
            }
        }
        let Seen { order, product } = outcome.as_ref().map(seen).unwrap_or_default();
        self.engine.record(Attempt {
            id,
            phase: self.arrival.phase,
            route,
            intended_us: self.engine.micros(self.intended),
            sent_us: self.engine.micros(sent),
            done_us: self.engine.micros(done),
            status,
            error: outcome.as_ref().err().cloned(),
            order,
            product,
        });
        self.intended = done;
        Ok(outcome.ok())
    }

    fn next_id(&mut self) -> String {
        let id = format!(
            "{}-{}-{}",
            self.engine.plan.name, self.arrival.number, self.requests
        );
        self.requests += 1;
        id
    }

    /// Names something that this visit does once.
    pub(crate) fn key(&self) -> String {
        format!("{}-{}", self.engine.plan.name, self.arrival.number)
    }

    /// The token of the shopper who makes this visit.
    pub(crate) fn token(&self) -> Option<&str> {
        let tokens = &self.engine.plan.tokens;
        let shopper = self.arrival.number.checked_rem(tokens.len() as u64)?;
        tokens
            .get(usize::try_from(shopper).ok()?)
            .map(String::as_str)
    }

    /// The token of the shop's admin.
    pub(crate) fn admin(&self) -> Option<&str> {
        self.engine.plan.admin.as_deref()
    }

    /// Looks at the page for a while.
    pub(crate) async fn think(&mut self, millis: std::ops::Range<u64>) {
        self.intended += Duration::from_millis(self.random.random_range(millis));
        tokio::time::sleep_until(self.intended.into()).await;
    }

    /// A number from `range`.
    pub(crate) fn choose(&mut self, range: std::ops::Range<usize>) -> usize {
        self.random.random_range(range)
    }

    /// Whether something with this probability happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    /// The number of a product, from 1. Few are popular: the n-th is asked for 1/n as often as the first (Zipf).
    pub(crate) fn popular_product(&mut self) -> u32 {
        let count = self.engine.plan.products.max(1);
        let zipf = Zipf::new(f64::from(count), 1.0).expect("one or more, and an exponent of one");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "Zipf draws whole numbers from 1 to count"
        )]
        let number = zipf.sample(&mut self.random) as u32;
        number.clamp(1, count)
    }
}

/// What an answer was about.
#[derive(Default)]
struct Seen {
    order: Option<OrderSeen>,
    product: Option<ProductSeen>,
}

/// Counts a visit as under way until its last trace is gone.
struct Presence(Arc<Engine>);

impl Presence {
    fn enter(engine: &Arc<Engine>) -> Arc<Self> {
        engine.entered();
        Arc::new(Self(Arc::clone(engine)))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.left();
    }
}

/// Reads an answer.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("response malformed: {error}"))
}

/// Reads a body of at most [`MAX_BODY`] bytes.
async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_BODY => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err(format!("response longer than {MAX_BODY} bytes")),
            Ok(None) => return Ok(body),
            Err(error) => return Err(format!("response interrupted: {}", reason(&error))),
        }
    }
}

fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connection refused"
    } else {
        "connection lost"
    }
}

/// An address of its own for every arrival, from the range that is reserved for benchmarks (RFC 2544).
fn address(arrival: u64) -> Ipv4Addr {
    const FIRST: u32 = u32::from_be_bytes([198, 18, 0, 0]);
    const COUNT: u64 = 1 << 17;
    let offset = u32::try_from(arrival % COUNT).unwrap_or(0);
    Ipv4Addr::from(FIRST + offset)
}

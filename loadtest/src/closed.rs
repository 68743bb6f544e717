//! The hot paths of the shop in a closed loop: as many requests as it carries, from clients that each wait for their answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use api::{CardNumber, GOOD_CARD, NewItem, NewOrder, product_id};
use reqwest::{RequestBuilder, StatusCode};
use tokio::{task::JoinSet, time::Instant};

use crate::{side_by_side::Shop, statistics::to_f64};

/// Requests under way at once.
pub(crate) const CLIENTS: u32 = 16;
/// What a shop is told so that it is not the gateway's limits that are measured.
pub(crate) const UNLIMITED: [(&str, &str); 2] =
    [("RATE_LIMIT", "1000000"), ("RATE_BURST", "1000000")];
/// So few products that all of them are in the cache at once.
const POPULAR: u32 = 10;
/// Products that are ordered, and looked at where nothing is kept between two looks.
const PRODUCTS: u32 = 1000;
/// Each finds some dozens of products, one of them by a word that is misspelt.
const SEARCHES: [&str; 4] = ["oak", "blue mug", "bokshelf", "garden chair"];

/// A hot path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HotPath {
    PageHit,
    PageMiss,
    Search,
    Order,
}

impl HotPath {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PageHit => "product page, cached",
            Self::PageMiss => "product page, not cached",
            Self::Search => "search",
            Self::Order => "place order",
        }
    }

    fn request(self, target: &Target, number: u32) -> RequestBuilder {
        let Target {
            http,
            gateway,
            token,
            ..
        } = target;
        let page = |of: u32| {
            http.get(format!(
                "{gateway}/products/{}",
                product_id(1 + number % of)
            ))
        };
        match self {
            Self::PageHit => page(POPULAR),
            Self::PageMiss => page(PRODUCTS),
            Self::Search => {
                let q = SEARCHES[number as usize % SEARCHES.len()];
                http.get(format!("{gateway}/search")).query(&[("q", q)])
            }
            Self::Order => {
                let new = NewOrder {
                    items: vec![NewItem {
                        product_id: product_id(1 + number % PRODUCTS),
                        quantity: 1,
                    }],
                    card_number: CardNumber(GOOD_CARD.to_owned()),
                };
                http.post(format!("{gateway}/orders"))
                    .bearer_auth(token)
                    .header("idempotency-key", format!("bench-{number}"))
                    .json(&new)
            }
        }
    }

    fn expected(self) -> StatusCode {
        match self {
            Self::Order => StatusCode::ACCEPTED,
            _ => StatusCode::OK,
        }
    }
}

/// What is needed to load a shop.
pub(crate) struct Target {
    http: reqwest::Client,
    gateway: String,
    token: String,
    /// Counts requests.
    next: AtomicU32,
}

impl Target {
    pub(crate) fn of(shop: &Shop) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            http: shop.deployment.http().clone(),
            gateway: shop.gateway.clone(),
            token: shop.tokens.first().context("log in a shopper")?.clone(),
            next: AtomicU32::new(0),
        }))
    }

    /// Loads `path` for `length`.
    ///
    /// # Errors
    /// A request that gets no answer.
    pub(crate) async fn load(
        self: &Arc<Self>,
        path: HotPath,
        length: Duration,
    ) -> anyhow::Result<Carried> {
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let target = Arc::clone(self);
            clients.spawn(async move {
                let mut carried = Carried::default();
                while began.elapsed() < length {
                    let number = target.next.fetch_add(1, Ordering::Relaxed);
                    let answer = path.request(&target, number).send().await?;
                    let status = answer.status();
                    let text = answer.text().await?;
                    if status == path.expected() {
                        carried.answered += 1;
                    } else {
                        carried.failed += 1;
                        carried.failure = format!("{status}: {text}");
                    }
                }
                anyhow::Ok(carried)
            });
        }
        let mut all = Carried::default();
        while let Some(client) = clients.join_next().await {
            let carried = client??;
            all.answered += carried.answered;
            all.failed += carried.failed;
            if all.failure.is_empty() {
                all.failure = carried.failure;
            }
        }
        all.seconds = began.elapsed().as_secs_f64();
        Ok(all)
    }
}

/// What a path carried.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Carried {
    /// Requests that were answered as they should.
    pub(crate) answered: u64,
    /// Those that were answered otherwise.
    pub(crate) failed: u64,
    /// The first such answer; empty if there was none.
    pub(crate) failure: String,
    /// How long it took.
    pub(crate) seconds: f64,
}

impl Carried {
    /// Requests a second that were answered as they should.
    pub(crate) fn per_second(&self) -> f64 {
        to_f64(self.answered) / self.seconds.max(f64::MIN_POSITIVE)
    }
}

//! Hypothesis: a cache spares what theory says it does, an expiry costs its origin one load however many ask, what is changed is seen
//! at once, and a cache that is lost hurts nobody while it fills again.
//!
//! The arm that must fail has the same hot product, without coalescing and without invalidation: each expiry is a stampede, readers
//! wait, and old prices stay. Values live for seconds here, so that many expire while one looks.

use std::time::Duration;

use crate::{
    deployment::{
        Server::{self, Memcached, Redis},
        Service::Catalog,
    },
    engine::mix::{Mix, NOBODY},
    experiment::{ARM, Arm, Experiment, Needs, SHOP, Shop, during_rounds, nominal, quiet, warm_up},
    judge::{
        caching::{self, Settings},
        kills, reconcile, validity, values,
    },
    timeline::{Do, FAULT, Fault, Rounds, Step, at_start},
    verdict::Claim,
};

pub(super) const CACHING: Experiment = Experiment {
    name: "caching",
    question: "Does the cache spare what theory says, does an expiry cost one load however many ask, are changes seen at once, and does a lost cache hurt nobody?",
    can_fail: "an arm without coalescing and invalidation: stampedes, readers who wait, and old prices",
    needs: Needs::Nothing,
    by_default: true,
    arms: &[
        Arm {
            name: "ratio",
            description: "Readers of 200 products, by popularity, at one replica of the catalogue: look-ups against theory.",
            shop: SHOP
                .env(&[("CACHE_TTL", "2s"), ("CACHE_STALE", "1s")])
                .mix(READERS)
                .products(RATIO.products),
            load: &[warm_up(3).at(200.0), nominal("steady", 15).at(200.0)],
            checks: &[
                validity::checks,
                |it| caching::as_in_theory(it, RATIO, "steady"),
                |it| caching::each_is_one_load(it, RATIO),
                validity::rest,
                reconcile::all,
                values::all,
            ],
            ..ARM
        },
        Arm {
            name: "hot",
            description: "Everybody reads one product, which the database takes 100 ms to find, at two replicas.",
            shop: HOT_SHOP
                .env(&[("CACHE_TTL", "1s"), ("CACHE_STALE", "1s")])
                .mix(READERS),
            ..HOT_ARM
        },
        Arm {
            name: "naive",
            description: "The same, and its price changes, without coalescing and without invalidation.",
            claim: Claim::MustFail(&[
                "one load for each expiry",
                "readers do not wait for the origin",
                "changes are seen at once",
            ]),
            // Readers wait for loads here, all at once after an expiry, and are busy for longer.
            users_per_rate: 10.0,
            shop: HOT_SHOP
                .env(&[
                    ("CACHE_TTL", "1s"),
                    ("CACHE_STALE", "1s"),
                    ("CACHE_COALESCING", "off"),
                    ("CACHE_INVALIDATION", "off"),
                ])
                .mix(SELDOM_CHANGING),
            checks: &[
                validity::checks,
                |it| caching::each_is_a_stampede(it, HOT, "expiries"),
                |it| caching::nobody_waits(it, HOT, "expiries"),
                caching::soon_seen,
                |it| caching::within_its_life(it, HOT),
                validity::rest,
                reconcile::all,
                values::all,
            ],
            ..HOT_ARM
        },
        Arm {
            name: "lost",
            description: "Readers of 100 products whose prices change; one of two replicas is killed, and with servers the shared cache is away for 2 s.",
            shop: SHOP
                .env(&[("CACHE_TTL", "2s"), ("CACHE_STALE", "1s")])
                .mix(CHANGING)
                .products(LOST.products)
                .replicas(&[(Catalog, LOST.replicas)]),
            load: &[
                warm_up(3).at(200.0),
                nominal("before", 4).at(200.0),
                during_rounds("lost").at(200.0),
            ],
            timeline: &[Step::Rounds(LOSSES)],
            checks: &[
                validity::checks,
                kills::recovery,
                |it| caching::pages_stayed_good(it, "lost"),
                |it| caching::came_back(it, LOST, "before", "lost"),
                |it| caching::each_is_one_load(it, LOST),
                caching::soon_seen,
                |it| caching::within_its_life(it, LOST),
                validity::rest,
            ],
            tables: &[|it| caching::table(it, LOST, "before", "lost")],
            ..ARM
        },
    ],
    across: &[],
    compared: &[],
};

const READERS: Mix = Mix {
    reader: 1,
    ..NOBODY
};

/// One in forty-one changes a price.
const CHANGING: Mix = Mix {
    reader: 40,
    editor: 1,
    ..NOBODY
};

/// One in sixty-one: a change takes a slow database some time, and others wait for it.
const SELDOM_CHANGING: Mix = Mix {
    reader: 60,
    editor: 1,
    ..NOBODY
};

const RATIO: Settings = Settings {
    ttl: Duration::from_secs(2),
    stale: Duration::from_secs(1),
    origin: Duration::ZERO,
    replicas: 1,
    products: 200,
};

const HOT: Settings = Settings {
    ttl: Duration::from_secs(1),
    stale: Duration::from_secs(1),
    origin: Duration::from_millis(SLOW.latency_ms),
    replicas: 2,
    products: 1,
};

const LOST: Settings = Settings {
    replicas: 2,
    products: 100,
    ..RATIO
};

const HOT_SHOP: Shop = SHOP
    .products(HOT.products)
    .replicas(&[(Catalog, HOT.replicas)]);

const HOT_ARM: Arm = Arm {
    // The first readers find an empty cache before a slow origin.
    load: &[quiet("fault", 1), nominal("expiries", 8).at(200.0)],
    timeline: &[at_start("fault", Do::Fault(Catalog, SLOW))],
    checks: &[
        validity::checks,
        |it| caching::each_is_one_load(it, HOT),
        |it| caching::nobody_waits(it, HOT, "expiries"),
        validity::rest,
        reconcile::all,
        values::all,
    ],
    ..ARM
};

/// Whatever the catalogue asks its database for.
const SLOW: Fault = Fault {
    route: chassis::DATABASE,
    latency_ms: 100,
    ..FAULT
};

/// Hits have a TTL to come back in, and some seconds to show that they have.
const LOSSES: Rounds = Rounds {
    phase: "lost",
    first: Duration::ZERO,
    every: Duration::from_secs(7),
    rest: Duration::from_secs(5),
    rounds: &[
        &[(Duration::ZERO, Do::Kill(Catalog))],
        &away(Redis),
        &away(Memcached),
    ],
};

const fn away(server: Server) -> [(Duration, Do); 2] {
    [
        (Duration::ZERO, Do::StopServer(server)),
        (Duration::from_secs(2), Do::StartServer(server)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the checks reckon with is what the shop is started with.
    #[test]
    fn caches_are_set_as_the_checks_take_them_to_be() {
        for (arm, settings) in CACHING.arms.iter().zip([RATIO, HOT, HOT, LOST]) {
            let set = |name: &str| {
                let mut environment = arm.shop.environment.iter();
                environment.find(|it| it.0 == name).map(|it| it.1)
            };
            let seconds = |it: Duration| format!("{}s", it.as_secs_f64());
            let (ttl, stale) = (seconds(settings.ttl), seconds(settings.stale));
            assert_eq!(set("CACHE_TTL"), Some(ttl.as_str()), "{}", arm.name);
            assert_eq!(set("CACHE_STALE"), Some(stale.as_str()), "{}", arm.name);
            let replicas = arm.shop.replicas.iter().find(|it| it.0 == Catalog);
            assert_eq!(replicas.map_or(1, |it| it.1), settings.replicas);
            assert_eq!(arm.shop.products, settings.products, "{}", arm.name);
        }
    }
}

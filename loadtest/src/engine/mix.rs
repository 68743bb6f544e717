//! Who visits the shop, and how often each comes.

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use serde::{Deserialize, Serialize};

/// A kind of visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persona {
    /// Looks around.
    Browser,
    /// Looks for something.
    Searcher,
    /// Buys something.
    Buyer,
    /// Looks for something, and leaves with the list.
    Seeker,
    /// Looks at one product, and at nothing else.
    Reader,
    /// Changes the price of one product, as the shop's admin.
    Editor,
    /// Orders something, and does not wait for what becomes of it.
    Orderer,
}

/// Every persona, in the order of [`Persona::index`].
pub(crate) const PERSONAS: [Persona; 7] = [
    Persona::Browser,
    Persona::Searcher,
    Persona::Buyer,
    Persona::Seeker,
    Persona::Reader,
    Persona::Editor,
    Persona::Orderer,
];

impl Persona {
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// How long a visit takes against one of a browser's, which decides how many goose users wait for arrivals of this kind.
    fn length(self) -> usize {
        match self {
            Self::Browser
            | Self::Searcher
            | Self::Seeker
            | Self::Reader
            | Self::Editor
            | Self::Orderer => 1,
            // It polls its order to the end, which a shop in trouble takes some time over.
            Self::Buyer => 6,
        }
    }
}

/// How many of a hundred arrivals are of which kind, more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// Parts that look around.
    pub browser: u32,
    /// Parts that search.
    pub searcher: u32,
    /// Parts that buy.
    pub buyer: u32,
    /// Parts that send a search and nothing else.
    pub seeker: u32,
    /// Parts that look at one product.
    pub reader: u32,
    /// Parts that change a price.
    pub editor: u32,
    /// Parts that order and go.
    pub orderer: u32,
}

/// Nobody at all: `Mix { reader: 1, ..NOBODY }`.
pub const NOBODY: Mix = Mix {
    browser: 0,
    searcher: 0,
    buyer: 0,
    seeker: 0,
    reader: 0,
    editor: 0,
    orderer: 0,
};

/// The nominal mix.
pub const NOMINAL: Mix = Mix {
    browser: 70,
    searcher: 20,
    buyer: 10,
    ..NOBODY
};

/// Searches alone: no other service has anything to do with them but the gateway.
pub(crate) const SEARCHES: Mix = Mix {
    seeker: 1,
    ..NOBODY
};

impl Mix {
    fn parts(self) -> [u32; PERSONAS.len()] {
        [
            self.browser,
            self.searcher,
            self.buyer,
            self.seeker,
            self.reader,
            self.editor,
            self.orderer,
        ]
    }

    /// Whether some of them need an account.
    pub(crate) fn shops(self) -> bool {
        self.buyer > 0 || self.orderer > 0
    }

    /// The persona of one arrival: always the same for a seed and a number.
    pub(crate) fn persona(self, seed: u64, arrival: u64) -> Persona {
        let parts = self.parts();
        let all: u32 = parts.iter().sum();
        let mut random = SmallRng::seed_from_u64(seed.rotate_left(17) ^ arrival);
        let mut drawn = random.random_range(0..all.max(1));
        for (persona, part) in PERSONAS.into_iter().zip(parts) {
            if drawn < part {
                return persona;
            }
            drawn -= part;
        }
        Persona::Browser
    }

    /// The personas that come at all, each with its weight among goose users.
    pub(crate) fn weights(self) -> impl Iterator<Item = (Persona, usize)> {
        let parts = PERSONAS.into_iter().zip(self.parts());
        parts
            .filter(|it| it.1 > 0)
            .map(|(persona, part)| (persona, part as usize * persona.length()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personas_come_as_often_as_the_mix_says() {
        let mut counts = [0_u32; PERSONAS.len()];
        for arrival in 0..10_000 {
            counts[NOMINAL.persona(7, arrival).index()] += 1;
        }
        // Five standard deviations of a binomial with n = 10,000.
        for (count, (share, tolerance)) in
            counts
                .into_iter()
                .zip([(7000, 230), (2000, 200), (1000, 150), (0, 0), (0, 0)])
        {
            assert!(count.abs_diff(share) <= tolerance, "{counts:?}");
        }
        let only = Mix { buyer: 3, ..NOBODY };
        assert!((0..100).all(|it| only.persona(7, it) == Persona::Buyer));
        assert_eq!(only.weights().count(), 1);
    }
}

//! The products every fresh deployment starts with: the same for all, derived from their number alone.

mod languages;

use crate::{Cents, Product, ProductId};

/// A category with its things and what is said of them.
struct Shelf {
    category: &'static str,
    things: [&'static str; 10],
    /// Ends "… for".
    uses: [&'static str; 4],
}

/// Every category of the seed, in the order of [`seed`].
pub const CATEGORIES: [&str; 10] = [
    "audio",
    "books",
    "furniture",
    "garden",
    "kitchen",
    "lighting",
    "office",
    "outdoor",
    "sport",
    "toys",
];

const SHELVES: [Shelf; 10] = [
    Shelf {
        category: CATEGORIES[0],
        things: [
            "headphones",
            "speaker",
            "turntable",
            "microphone",
            "amplifier",
            "earbuds",
            "soundbar",
            "radio",
            "subwoofer",
            "mixer",
        ],
        uses: [
            "late evenings with a good record",
            "a podcast from the kitchen table",
            "small rooms and patient neighbours",
            "bands that rehearse at home",
        ],
    },
    Shelf {
        category: CATEGORIES[1],
        things: [
            "cookbook",
            "atlas",
            "notebook",
            "novel",
            "dictionary",
            "biography",
            "field guide",
            "sketchbook",
            "travel guide",
            "anthology",
        ],
        uses: [
            "long train journeys",
            "a rainy weekend",
            "the bedside table",
            "readers who write in the margins",
        ],
    },
    Shelf {
        category: CATEGORIES[2],
        things: [
            "bookshelf",
            "armchair",
            "desk",
            "stool",
            "sideboard",
            "coffee table",
            "bed frame",
            "wardrobe",
            "bench",
            "dining table",
        ],
        uses: [
            "narrow hallways",
            "flats without a lift",
            "families that keep growing",
            "the corner that never found a use",
        ],
    },
    Shelf {
        category: CATEGORIES[3],
        things: [
            "watering can",
            "pruning shears",
            "planter",
            "wheelbarrow",
            "hammock",
            "bird feeder",
            "trowel",
            "rake",
            "greenhouse",
            "compost bin",
        ],
        uses: [
            "balconies that face south",
            "tomatoes, herbs and patience",
            "lawns of any size",
            "the first warm day of March",
        ],
    },
    Shelf {
        category: CATEGORIES[4],
        things: [
            "frying pan",
            "kettle",
            "chef's knife",
            "cutting board",
            "teapot",
            "coffee grinder",
            "mixing bowl",
            "casserole",
            "whisk",
            "mug",
        ],
        uses: [
            "bread on Sunday morning",
            "cooks who clean as they go",
            "gas, induction and open fire",
            "breakfast for one or for ten",
        ],
    },
    Shelf {
        category: CATEGORIES[5],
        things: [
            "desk lamp",
            "floor lamp",
            "pendant light",
            "lantern",
            "night light",
            "spotlight",
            "string lights",
            "wall light",
            "reading light",
            "candle holder",
        ],
        uses: [
            "reading without waking anyone",
            "dark stairs and deep cupboards",
            "dinners that last",
            "a warm glow at any hour",
        ],
    },
    Shelf {
        category: CATEGORIES[6],
        things: [
            "fountain pen",
            "stapler",
            "monitor stand",
            "office chair",
            "paper tray",
            "whiteboard",
            "desk organizer",
            "keyboard",
            "document bag",
            "calendar",
        ],
        uses: [
            "people who think on paper",
            "meetings that end on time",
            "a desk you can find again",
            "working from a very small room",
        ],
    },
    Shelf {
        category: CATEGORIES[7],
        things: [
            "tent",
            "sleeping bag",
            "backpack",
            "camping stove",
            "water bottle",
            "rain jacket",
            "hiking boots",
            "compass",
            "head torch",
            "cool box",
        ],
        uses: [
            "three nights above the tree line",
            "festivals and other storms",
            "the bag that is always packed",
            "long days without a signal",
        ],
    },
    Shelf {
        category: CATEGORIES[8],
        things: [
            "yoga mat",
            "dumbbell",
            "running shoes",
            "bicycle helmet",
            "jump rope",
            "football",
            "tennis racket",
            "swim goggles",
            "kettlebell",
            "climbing chalk bag",
        ],
        uses: [
            "the first kilometre and the last",
            "training before breakfast",
            "halls, parks and car parks",
            "beginners and their coaches",
        ],
    },
    Shelf {
        category: CATEGORIES[9],
        things: [
            "building blocks",
            "puzzle",
            "kite",
            "board game",
            "train set",
            "doll's house",
            "spinning top",
            "marble run",
            "rocking horse",
            "yo-yo",
        ],
        uses: [
            "children from three to ninety",
            "an afternoon without a screen",
            "birthdays that come as a surprise",
            "patient hands and loud laughter",
        ],
    },
];

const QUALITIES: [(&str, &str); 10] = [
    (
        "Compact",
        "It stows away in seconds and asks for next to no space.",
    ),
    (
        "Foldable",
        "It folds flat with one hand and opens just as fast.",
    ),
    (
        "Sturdy",
        "It is built to be dropped, leaned on and lent out.",
    ),
    (
        "Lightweight",
        "You will hardly notice that you are carrying it.",
    ),
    (
        "Classic",
        "The shape has not changed in fifty years, for good reason.",
    ),
    (
        "Handmade",
        "Every piece is finished by hand and no two are the same.",
    ),
    (
        "Portable",
        "It comes with a cover and goes wherever you go.",
    ),
    (
        "Modern",
        "Clean lines, no visible screws, and a manual of one page.",
    ),
    ("Vintage", "It looks as if it had always been there."),
    ("Quiet", "It does its work without a sound."),
];

const MATERIALS: [(&str, &str); 10] = [
    ("oak", "Solid oak, oiled, ages well."),
    ("bamboo", "Fast-growing bamboo, light and hard."),
    ("steel", "Brushed stainless steel that does not rust."),
    ("ceramic", "Glazed ceramic, fired twice."),
    ("copper", "Copper that turns darker with the years."),
    ("linen", "Washed linen, soft from the first day."),
    ("leather", "Vegetable-tanned leather, stitched twice."),
    ("glass", "Thick recycled glass with a green edge."),
    ("cork", "Cork from the bark, warm to the touch."),
    ("recycled", "Made from what others threw away."),
];

const COLOURS: [&str; 10] = [
    "black", "white", "red", "blue", "green", "yellow", "grey", "orange", "purple", "natural",
];

/// The id of the seeded product with this number, counted from 1.
pub fn product_id(number: u32) -> ProductId {
    format!("p-{number:06}")
        .try_into()
        .expect("`p-` and six to ten digits are a product id")
}

/// The first `count` products. Names are unique up to 100,000.
pub fn seed(count: u32) -> impl Iterator<Item = Product> {
    (1..=count).map(product)
}

/// How many of the seeded product with this number are in stock at the start: none of every fiftieth, three of number 13,
/// plenty of the others.
pub fn stock(number: u32) -> i64 {
    match number {
        13 => 3,
        n if n % 50 == 0 => 0,
        n => 100_000 + i64::from(n % 97),
    }
}

/// The seeded product with this number, counted from 1. A few of the first thousand are called something in other languages.
pub fn product(number: u32) -> Product {
    let index = number as usize - 1;
    let shelf = &SHELVES[index % 10];
    let thing = shelf.things[index / 10 % 10];
    let (quality, praise) = QUALITIES[index / 100 % 10];
    // Offsets by a hash of the lower digits vary the material and still keep every combination distinct.
    let (material, about) = MATERIALS[(index / 1_000 + scatter(index % 1_000)) % 10];
    let colour = COLOURS[(index / 10_000 + scatter(index % 10_000 + 7)) % 10];
    let usage = shelf.uses[scatter(index + 3) % shelf.uses.len()];
    let euros = 2 + scatter(index) % 300;
    let english = || {
        (
            format!("{quality} {material} {thing}, {colour}"),
            format!("{praise} {about} A {thing} for {usage}."),
        )
    };
    let wording = languages::WORDINGS.iter().find(|it| it.number == number);
    let (name, description) = wording.map_or_else(english, |it| {
        (it.name.to_owned(), it.description.to_owned())
    });
    Product {
        id: product_id(number),
        version: 1,
        name,
        description,
        category: shelf.category.to_owned(),
        price_cents: Cents(i64::try_from(euros * 100 + 99).expect("at most 30,199")),
    }
}

/// Spreads neighbours apart: the finalizer of `MurmurHash3`.
fn scatter(index: usize) -> usize {
    let mut hash = u32::try_from(index).expect("an index below the u32 it came from");
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_seed_is_the_same_every_time_and_names_no_product_twice() {
        let products: Vec<_> = seed(100_000).collect();
        assert_eq!(products[..1_000], seed(1_000).collect::<Vec<_>>());
        let names: HashSet<_> = products.iter().map(|it| &it.name).collect();
        assert_eq!(names.len(), products.len());
        assert!(products.iter().is_sorted_by_key(|it| &it.id));
    }

    #[test]
    fn every_wording_of_another_language_is_a_product_of_its_own() {
        let numbers: HashSet<_> = languages::WORDINGS.iter().map(|it| it.number).collect();
        assert_eq!(numbers.len(), languages::WORDINGS.len());
        for wording in languages::WORDINGS {
            assert_eq!(product(wording.number).name, wording.name);
        }
    }

    #[test]
    fn every_category_is_stocked_evenly() {
        for category in CATEGORIES {
            let count = seed(1_000).filter(|it| it.category == category).count();
            assert_eq!(count, 100, "{category}");
        }
    }
}

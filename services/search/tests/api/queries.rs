//! What people type.

/// Plain words, phrases, plurals, other forms, typing errors, beginnings, and words that no product has all of.
pub(crate) const QUERIES: [&str; 20] = [
    "bookshelf",
    "bookshelves",
    "oak desk",
    "desk lamp",
    "red tent",
    "coffe grinder",
    "headphons",
    "running",
    "camp stove",
    "light",
    "reading light",
    "children",
    "blue mug",
    "sturdy backpack for hiking",
    "vintge turntabel",
    "kni",
    "chef's knife",
    "outdoor",
    "quiet keybord",
    "green glass",
];

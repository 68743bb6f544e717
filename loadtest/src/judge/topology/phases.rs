//! What is done to search, and by what it is found again.

/// The phases, by which steps go and figures are found.
pub(crate) const STEADY: &str = "steady";
pub(crate) const CALM: &str = "calm";
pub(crate) const KILLED: &str = "search is killed";
pub(crate) const LEAKS: &str = "search leaks";
pub(crate) const BURNS: &str = "search burns CPU";
pub(crate) const REPLACED: &str = "search is replaced";
pub(crate) const SCALED: &str = "search is scaled";

/// The version that replaces what runs.
pub(crate) const NEXT: &str = "next";

/// The route that search serves.
pub(super) const OWN: &str = "GET /search";

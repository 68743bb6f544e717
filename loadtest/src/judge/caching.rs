//! What a cache promises: as many hits as theory says, one load for each expiry, nothing older than it may be, and that all of that
//! comes back when a cache is lost.
//!
//! Loads are the catalogue's operations on its database below requests for a product, by their spans: what the cache counts itself is
//! compared with them elsewhere ([`values`](super::values)).

mod expiries;
mod loads;
mod loss;
mod phase;
mod ratio;
mod settings;
mod staleness;
mod theory;

pub(crate) use self::{
    expiries::{each_is_a_stampede, each_is_one_load, nobody_waits},
    loss::{came_back, pages_stayed_good, table},
    ratio::as_in_theory,
    settings::Settings,
    staleness::{soon_seen, within_its_life},
};

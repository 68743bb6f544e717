//! Properties that hold in any schedule, and simulations of what the parts are for.

mod model;
mod properties;
mod split;

//! The crate against what is known of Kubernetes: the facts of the controller's own tests (`cases/`), the examples of its
//! documentation, what its API server refuses; and properties that hold for any input.

mod calculator;
mod conditions;
mod controller;
mod documentation;
mod failures;
mod manifest;
mod properties;
mod quantities;
mod rates;
mod setting;

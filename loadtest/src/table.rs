//! Figures in rows and columns, as data.

use serde::Serialize;

/// A table of an arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// What it is about.
    pub title: &'static str,
    /// What each cell of a row is.
    pub columns: &'static [&'static str],
    /// As many cells in each as there are columns.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// So many.
    Count(usize),
    /// A time in seconds; not there if it did not come to that.
    Seconds(Option<f64>),
    /// Anything else.
    Text(String),
}

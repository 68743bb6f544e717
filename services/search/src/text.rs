//! What is typed and what it means, whichever engine looks it up. No I/O here.
//!
//! [`folding`] makes what is the same one, [`words`] says what a word is, [`spelling`] which word was meant, [`reading`] puts these together, [`query`] is what is asked
//! for, and [`cursor`] where a page ended.

pub(crate) mod cursor;
mod folding;
pub(crate) mod query;
pub(crate) mod reading;
pub(crate) mod spelling;
pub(crate) mod words;

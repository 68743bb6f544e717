//! The contract between versions: what is committed of it, and what readers make of what other versions write.

mod before;
mod document;
mod readers;

//! Every error that countersign or its sandbox answers with, one row each: status, code, how it is logged, and what
//! to do about it.
//!
//! The rows are the only place where an error is classified. The proxy and the sandbox map each of their errors to a
//! row with an exhaustive `match`, and a test writes `docs/reference/errors.md` from the rows.

mod class;
pub mod client;
pub mod codes;
pub mod egress;
pub mod endpoint;
pub mod form;
pub mod head;
pub mod sandbox;
pub mod service;
#[cfg(test)]
mod tests;

pub use class::{AuditReason, Fate, FaultClass, LogReason, Severity};

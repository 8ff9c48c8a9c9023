//! Verifies signatures as endpoints do. Used by the sandbox, `countersign verify` and `countersign explain`.
//!
//! A [`Verifier`] reads a request as the servers of one dialect read it and says what they would have signed. It shares
//! nothing with the signer but hashes, MACs and base64, so that a mistake of the signer is not made twice;
//! `tests/house.rs` holds this. There is a file for each family of dialects. [`claim`] is older and does share: it has
//! what diagnosis needs of Signature Version 2.

mod alibaba;
pub mod claim;
mod cloudstack;
mod encoding;
mod family;
mod in_head;
pub mod problem;
mod qingcloud;
mod reading;
mod received;
mod tencent;
mod v2;
mod verifying_key;

pub use claim::{CLOCK_WINDOW, SignatureClaim, VerifyError};
pub use family::Verifier;
pub use problem::Problem;
pub use reading::{Once, Reading};
pub use received::Received;
pub use verifying_key::VerifyingKey;

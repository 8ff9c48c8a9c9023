//! An AWS Import/Export endpoint to develop and test against: it verifies Signature Version 2 and keeps its jobs in memory.
//!
//! Life of a request: [`server`] accepts it, [`exchange`] reads the form and has [`keyring`] verify its signature,
//! [`operations`] carries it out on the caller's [`jobs`], [`answer`] writes the XML, and [`pacing`] sends it. What the
//! endpoint received is told to an observer.
//!
//! Modelled on the AWS Import/Export API reference (API version 2010-06-03), its developer guide for manifests, and the
//! 2010-06-01 model that SDKs carry. Only `server` and `exchange` know the time, the network and chance; everything below
//! them is told.

pub mod address;
pub mod answer;
pub mod call;
pub mod certificate;
pub mod exchange;
pub mod jobs;
pub mod keyring;
pub mod manifest;
pub mod manifest_text;
pub mod observation;
pub mod operations;
pub mod pacing;
pub mod refusal;
pub mod server;
pub mod signature_file;

pub use certificate::{Authority, Identity};
pub use observation::{Observation, Observer, Verification};
pub use refusal::Refusal;
pub use server::{Configuration, Running, StartError, Transport, start};

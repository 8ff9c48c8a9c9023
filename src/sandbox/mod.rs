//! An endpoint to develop and test against: it verifies Signature Version 2, and plays AWS Import/Export, with jobs in
//! memory, or echoes the parameters of any Action.
//!
//! The life of a request: `server` accepts it, `exchange` reads the form and has `keyring` verify its signature,
//! `operations` carries it out on the caller's `jobs` or `echo` repeats it, `xml` writes the document, and `pacing`
//! sends it. An observer is told what the endpoint received.
//!
//! Modelled on the AWS Import/Export API reference (API version 2010-06-03), its developer guide for manifests, and the
//! 2010-06-01 model in the SDKs. Only `server` and `exchange` use the clock, the network and random numbers; the rest
//! gets them as arguments.

pub mod address;
mod behaviour;
mod call;
mod certificate;
mod echo;
mod exchange;
mod job_type;
pub mod jobs;
mod keyring;
mod limits;
pub mod manifest;
pub mod manifest_text;
mod observation;
mod operation;
mod operations;
mod pacing;
mod refusal;
mod server;
mod signature_file;
mod xml;

pub use behaviour::Behaviour;
pub use certificate::{Authority, Identity};
pub use observation::{Observation, Observer, Verification};
pub use refusal::Refusal;
pub use server::{Configuration, Running, StartError, Transport, start};

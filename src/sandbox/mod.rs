//! An endpoint to develop and test against. It plays AWS Import/Export, with jobs in memory; or it verifies the forms
//! of any dialect, refuses them in the words of that cloud, and echoes the parameters of any operation.
//!
//! The life of a request to Import/Export: `server` accepts it, `exchange` reads the form and has `keyring` verify its
//! signature, `operations` carries it out on the caller's `jobs`, `xml` writes the document, and `pacing` sends it. An
//! observer is told what the endpoint received. Any other operation: `server`, then `any_action`, with the verifiers of
//! [`crate::signing::verify`].
//!
//! Modelled on the AWS Import/Export API reference (API version 2010-06-03), its developer guide for manifests, and the
//! 2010-06-01 model in the SDKs. Only `server`, `exchange` and `any_action` use the clock, the network and random
//! numbers; the rest gets them as arguments.

pub mod address;
mod any_action;
mod call;
mod certificate;
mod exchange;
mod job_type;
pub mod jobs;
mod keyring;
pub mod manifest;
pub mod manifest_text;
mod observation;
mod operation;
mod operations;
mod pacing;
mod reception;
mod refusal;
mod server;
mod signature_file;
mod xml;

pub use any_action::{Cloud, Shape, Sighted, Sighting};
pub use certificate::{Authority, Identity};
pub use observation::{Observation, Observer, Verification};
pub use refusal::Refusal;
pub use server::{Configuration, Running, StartError, Transport, start, start_any_action};

//! Signatures, pure: from an authorized form to a signed request, with one type for each stage.
//!
//! `Authorized -> Unsealed -> SignedRequest`: [`prepare()`] writes the canonical query string and the string to sign,
//! the owner of the key computes the MAC, and [`Unsealed::seal`] adds it. Time is an argument.
//!
//! Two folders verify, on purpose: [`client_signature`] judges what clients sign with issued keys, and is strict;
//! [`verify`] does what the servers of clouds do, for the sandbox and for diagnosis, and shares nothing with the
//! signer.

pub mod authority;
pub mod client_signature;
mod clock_source;
pub mod diagnose;
mod dialect;
mod in_form;
mod in_head;
mod prepare;
mod profile;
pub mod skew;
mod spelling;
mod stamp;
mod target;
mod timestamp;
mod unsealed;
pub mod url;
pub mod verify;

pub use crate::credentials::SignatureMethod;
pub use clock_source::ClockSource;
pub use dialect::{Complaint, Dialect};
pub use prepare::prepare;
pub use profile::{Profile, ProfileError};
pub use stamp::Stamp;
pub use target::SigningTarget;
pub use timestamp::RequestTimestamp;
pub use unsealed::{SignedHead, SignedRequest, Unsealed};
pub use url::{EndpointUrl, Scheme};

//! Signatures, pure: from an authorized form to a signed request, with one type for each stage.
//!
//! `Authorized -> Unsealed -> SignedRequest`: [`prepare`] writes the canonical query string and the string to sign, the
//! owner of the key computes the MAC, and [`Unsealed::seal`] adds it. Time is an argument.

pub mod authority;
mod clock_source;
pub mod diagnose;
mod profile;
pub mod skew;
mod target;
mod timestamp;
pub mod url;
mod v2;
pub mod verify;

pub use crate::credentials::SignatureMethod;
pub use clock_source::ClockSource;
pub use profile::Profile;
pub use target::SigningTarget;
pub use timestamp::RequestTimestamp;
pub use url::{EndpointUrl, Scheme};
pub use v2::{SignedRequest, Unsealed, prepare};

//! What can be read of a certificate without trusting it. Nothing here verifies: that is rustls's part, and webpki's.

pub(crate) mod der;
mod parts;
mod validity;

pub(crate) use parts::Parts;
pub(crate) use validity::{Standing, Validity};

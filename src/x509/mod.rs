//! What can be read of a certificate without trusting it. Nothing here verifies: that is rustls's part, and webpki's.

pub(crate) mod der;
mod parts;

pub(crate) use parts::Parts;

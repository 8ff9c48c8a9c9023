//! HTTP requests that the process needs beside its exchanges: the public keys of a token issuer, keys from AWS's
//! services.
//!
//! They have connections of their own: those of `upstream` carry signed requests and nothing else.

pub mod client;
mod document;

pub use document::{FetchError, Location, MAX_DOCUMENT, Source};

//! HTTP requests that the process needs beside its exchanges: the public keys of a token issuer, keys from AWS's
//! services; and for what is sent to a collector of traces.
//!
//! They have connections of their own: those of `upstream` carry signed requests and nothing else.

pub mod client;
mod document;
mod server;
mod upload;

pub use document::{FetchError, Location, MAX_DOCUMENT, Source};
pub use server::{ServerError, ServerLocation};
pub use upload::{Upload, UploadError};

//! What is known of the other end of a connection before its first request: what the kernel says, certificates, tokens.

pub mod certificate;
pub mod evidence;
mod jwks;
pub mod loopback;
pub mod pem;
pub mod service_account;
pub mod tls;

pub use jwks::{JwksError, TokenAlgorithm};

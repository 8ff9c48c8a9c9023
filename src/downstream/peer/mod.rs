//! What is known of the other end of a connection before its first request: what the kernel says, certificates, tokens.

pub mod certificate;
pub mod dates;
mod described;
pub mod evidence;
mod handshake_fault;
mod jwks;
pub mod loopback;
pub mod pem;
pub(in crate::downstream) mod presented;
pub mod service_account;
pub mod tls;
pub mod tls_files;
mod trust_domains;

pub use described::DescribedCertificate;
pub use handshake_fault::{HandshakeFault, TurnedAway};
pub use jwks::{JwksError, TokenAlgorithm};

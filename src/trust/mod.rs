//! TLS towards other servers: 1.2 and 1.3, certificates verified against the platform's roots or a given file, no
//! exceptions.
//!
//! `anchors` holds what is trusted, `verifier` decides with it about the certificate of a server, and `unfit` says what
//! is wrong with a certificate whoever signed it, and how to make a better one.

pub mod anchors;
mod refusal;
mod unfit;
mod verifier;

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;

pub use anchors::{Anchors, Roots, RootsError, load, platform_certificates};
pub use refusal::told;

/// The cryptography used everywhere in the process.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A client configuration that trusts `anchors`. Sessions are resumed, HTTP/1.1 is the only protocol offered.
///
/// # Errors
/// [`RootsError::Versions`].
pub fn client_config(anchors: Arc<Anchors>) -> Result<Arc<ClientConfig>, RootsError> {
    let provider = provider();
    let verifier = verifier::Verifier::new(anchors, &provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(RootsError::Versions)?
        // how rustls calls every verifier that is not made by itself; ours only adds to what webpki says
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The name that a server's certificate must be for. `host` is a DNS name, of which a trailing dot is left out, or an
/// address, IPv6 without brackets; `None` is neither.
#[must_use]
pub fn server_name(host: &str) -> Option<ServerName<'static>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned()).ok(),
    }
}

#[cfg(test)]
mod tests;

//! TLS towards other servers: 1.2 and 1.3, certificates verified against the platform's roots or a given file, no
//! exceptions.
//!
//! `anchors` holds what is trusted, `verifier` decides with it about the certificate of a server, and `unfit` says what
//! is wrong with a certificate whoever signed it, and how to make a better one. `client_tls` has what a route asks
//! beyond a certificate that is trusted, and what it shows of itself.

pub mod anchors;
mod client_tls;
mod identity;
mod pinned_key;
mod refusal;
mod unfit;
mod verifier;

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;

pub use anchors::{Anchors, Roots, RootsError, load, platform_certificates};
pub use client_tls::{ClientTls, ClientTlsSettings, MinimumTls};
pub use identity::{Identity, IdentityError, IdentityFiles};
pub use pinned_key::PinnedKey;
pub use refusal::told;

/// The cryptography used everywhere in the process.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Makes the cryptography library seed itself; otherwise its first use does. If it was built to gather the processor's
/// timing jitter (decision 032), this takes tens of milliseconds, and handshakes that begin meanwhile wait for it.
pub fn seed() {
    // if this fails, the first handshake fails too, and reports it
    let _seeded = provider().secure_random.fill(&mut [0]);
}

/// A client configuration that trusts `anchors`, with what `tls` asks beside. Sessions are resumed, HTTP/1.1 is the
/// only protocol offered.
///
/// # Errors
/// [`RootsError::Versions`].
pub fn client_config(anchors: Arc<Anchors>, tls: &ClientTls) -> Result<Arc<ClientConfig>, RootsError> {
    let provider = provider();
    let ClientTls { minimum, pinned_keys, identity } = tls;
    let verifier = verifier::Verifier::new(anchors, pinned_keys.clone(), &provider);
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&minimum.versions())
        .map_err(RootsError::Versions)?
        // how rustls calls every verifier that is not made by itself; ours only adds to what webpki says
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(identity) => config.with_client_cert_resolver(identity.resolver()),
        None => config.with_no_client_auth(),
    };
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

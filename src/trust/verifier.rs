//! Whether a server's certificate is trusted: webpki's verdict, and one case more.
//!
//! webpki knows authorities and what they sign. A certificate that stands in `ca_file` and is the server's own need not
//! be signed by an authority, or is one itself, and webpki refuses both. It is trusted when it is the same byte for
//! byte, and webpki has no other objection.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::anchors::Anchors;
use super::pinned_key::PinnedKey;
use super::refusal::{advised, not_pinned};
use crate::x509::Parts;

/// 1.3.6.1.5.5.7.3.1, id-kp-serverAuth.
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// Verifies servers against anchors.
#[derive(Debug)]
pub(super) struct Verifier {
    anchors: Arc<Anchors>,
    /// If there are any, the server's key must be one of them.
    pinned_keys: Vec<PinnedKey>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(anchors: Arc<Anchors>, pinned_keys: Vec<PinnedKey>, provider: &CryptoProvider) -> Self {
        Self { anchors, pinned_keys, algorithms: provider.signature_verification_algorithms }
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let (authorities, algorithms) = (self.anchors.authorities(), self.algorithms.all);
        let signed =
            verify_server_cert_signed_by_trust_anchor(&certificate, authorities, intermediates, now, algorithms);
        match signed {
            Err(_) if self.anchors.has_itself(end_entity) => self.verify_itself(end_entity, &certificate, now)?,
            verdict => verdict?,
        }
        verify_server_name(&certificate, server_name)?;
        self.verify_key(end_entity)
    }

    /// A key that is pinned replaces no other check.
    fn verify_key(&self, end_entity: &CertificateDer<'_>) -> Result<(), Error> {
        let key = PinnedKey::of(end_entity).ok_or(CertificateError::BadEncoding)?;
        if self.pinned_keys.is_empty() || self.pinned_keys.contains(&key) { Ok(()) } else { Err(not_pinned(key)) }
    }

    /// Has webpki verify a certificate that is trusted for itself. Asked about it alone, without any authority, webpki
    /// cannot accept it; but it looks at the dates first, then for what the certificate is, and at the issuer last.
    /// What it objects to says that it had nothing to object to before.
    fn verify_itself(
        &self,
        end_entity: &CertificateDer<'_>,
        certificate: &ParsedCertificate<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let nobody = RootCertStore::empty();
        let alone = verify_server_cert_signed_by_trust_anchor(certificate, &nobody, &[], now, self.algorithms.all);
        match alone {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Ok(()),
            // the dates are good; the purposes come after this
            Err(error) if is_authority_as_server(&error) => purposes(end_entity),
            verdict => verdict,
        }
    }

    fn advised(&self, error: Error, certificate: &CertificateDer<'_>) -> Error {
        advised(error, certificate, &self.anchors)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, server_name, now)
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| self.advised(error, end_entity))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
            .map_err(|error| self.advised(error, certificate))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
            .map_err(|error| self.advised(error, certificate))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether webpki's objection is that the certificate of a server is that of an authority.
fn is_authority_as_server(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error else { return false };
    inner.downcast_ref::<webpki::Error>() == Some(&webpki::Error::CaUsedAsEndEntity)
}

fn purposes(certificate: &CertificateDer<'_>) -> Result<(), Error> {
    let is_for_servers = Parts::of(certificate).is_some_and(|parts| parts.is_for(SERVER_AUTHENTICATION));
    if is_for_servers { Ok(()) } else { Err(CertificateError::InvalidPurpose.into()) }
}

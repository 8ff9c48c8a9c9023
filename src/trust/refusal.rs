//! A refused certificate, with what an operator can do about it.

use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error, OtherError};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::anchors::Anchors;
use super::pinned_key::PinnedKey;
use super::unfit::Unfit;
use crate::x509::Parts;

/// Why the certificate of a server was refused: what webpki says, and what is behind it.
#[derive(Debug, Error)]
#[error("{verdict}; {advice}")]
struct Refusal {
    verdict: Error,
    advice: String,
}

/// `verdict` on the certificate of a server, with advice where there is any.
pub(super) fn advised(verdict: Error, certificate: &CertificateDer<'_>, anchors: &Anchors) -> Error {
    match advice(&verdict, certificate, anchors) {
        Some(advice) => {
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refusal { verdict, advice }))))
        }
        None => verdict,
    }
}

/// The verdict on a certificate that is trusted, for a key that is not among those that the server may have.
pub(super) fn not_pinned(key: PinnedKey) -> Error {
    let verdict = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
    let advice = format!("its public key is {key}, which is not among `pinned_public_keys`");
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refusal { verdict, advice }))))
}

/// The error of a handshake, as the log is to show it: rustls would show advice in the notation of the program's text.
#[must_use]
pub fn told(error: io::Error) -> io::Error {
    let refusal = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))) => {
            inner.downcast_ref::<Refusal>().map(ToString::to_string)
        }
        Some(_) | None => None,
    };
    refusal.map_or(error, |refusal| io::Error::new(io::ErrorKind::InvalidData, refusal))
}

fn advice(verdict: &Error, certificate: &CertificateDer<'_>, anchors: &Anchors) -> Option<String> {
    let Error::InvalidCertificate(verdict) = verdict else { return None };
    let parts = Parts::of(certificate)?;
    let unfit = Unfit::all(&parts);
    if !unfit.is_empty() && !is_about_time(verdict) {
        let all: Vec<String> = unfit.iter().map(ToString::to_string).collect();
        return Some(format!("the certificate {}", all.join("; it ")));
    }
    let signer_is_no_authority = is_about_signer(verdict);
    if !signer_is_no_authority && !matches!(verdict, CertificateError::UnknownIssuer) {
        return None;
    }
    if parts.is_self_issued() {
        let fingerprint = fingerprint(certificate);
        return Some(format!(
            "it is signed by itself: if it is the endpoint's own (SHA-256 fingerprint {fingerprint}), put it into \
             `ca_file`"
        ));
    }
    if anchors.has_but_as_no_authority(parts.issuer) {
        let advice = "it is signed by a certificate that is trusted, but only for itself, since it is no authority \
                      (basicConstraints CA:TRUE)";
        return Some(advice.to_owned());
    }
    signer_is_no_authority
        .then(|| "a certificate that comes with it has signed another, and is no authority".to_owned())
}

/// Whether webpki's objection is that one of the certificates has signed another and does not say that it is an
/// authority: the server has sent that one too.
fn is_about_signer(verdict: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(inner)) = verdict else { return false };
    inner.downcast_ref::<webpki::Error>() == Some(&webpki::Error::EndEntityUsedAsCa)
}

/// Whether the certificate would have been refused for its time alone.
fn is_about_time(verdict: &CertificateError) -> bool {
    matches!(
        verdict,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

/// As `openssl x509 -fingerprint -sha256` shows it.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let bytes: Vec<String> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

//! Why a client was turned away before its first request, in the words of metrics, log and audit.

use std::io::{self, ErrorKind};

use rustls::{CertificateError, Error as TlsError};

use super::certificate;
use super::described::DescribedCertificate;
use super::evidence::PeerEvidence;
use crate::downstream::relay::header::HeaderFault;

/// Why a handshake failed, or identified no configured client. A closed set: each is the value of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeFault {
    /// The listener asks for a certificate, and the client has none.
    NoCertificate,
    /// No authority of the listener has issued the certificate.
    UnknownAuthority,
    /// The certificate or the proof of its key is not signed as it says: another authority or client of the same name.
    BadSignature,
    /// The certificate has expired.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// Its authority has revoked the certificate.
    Revoked,
    /// No valid list says whether the certificate is revoked.
    RevocationUnknown,
    /// The certificate cannot be used for another reason, such as its purpose.
    BadCertificate,
    /// The certificate is valid, but its names are not to be trusted: two SPIFFE IDs, or a malformed one.
    UnusableNames,
    /// The certificate is valid, and belongs to no client, or to none with all of its names.
    UnknownClient,
    /// The user at the other end of a Unix socket belongs to no client.
    UnknownUid,
    /// A load balancer that has to send a header of the PROXY protocol sent something else, or version 1.
    NoProxyHeader,
    /// A load balancer sent a header of the PROXY protocol that cannot be used.
    BadProxyHeader,
    /// The client ended the handshake with an alert: it does not trust the listener's certificate, for instance.
    Alert,
    /// The client does not speak TLS, or has no version and cipher in common with the listener.
    Protocol,
    /// The handshake did not end in time.
    Timeout,
    /// The client closed the connection before the handshake was complete, as a check of the port does.
    Closed,
}

impl HandshakeFault {
    /// Every fault, in the order of declaration.
    pub const ALL: [Self; 17] = [
        Self::NoCertificate,
        Self::UnknownAuthority,
        Self::BadSignature,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::RevocationUnknown,
        Self::BadCertificate,
        Self::UnusableNames,
        Self::UnknownClient,
        Self::UnknownUid,
        Self::NoProxyHeader,
        Self::BadProxyHeader,
        Self::Alert,
        Self::Protocol,
        Self::Timeout,
        Self::Closed,
    ];

    /// The word in metrics, log and audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::UnknownAuthority => "unknown_authority",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::BadCertificate => "bad_certificate",
            Self::UnusableNames => "unusable_names",
            Self::UnknownClient => "unknown_client",
            Self::UnknownUid => "unknown_uid",
            Self::NoProxyHeader => "no_proxy_header",
            Self::BadProxyHeader => "bad_proxy_header",
            Self::Alert => "alert",
            Self::Protocol => "protocol",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
        }
    }

    /// Whether the client was turned away for who it is, which the audit records, and not for how it speaks.
    #[must_use]
    pub const fn is_about_who(self) -> bool {
        match self {
            Self::NoCertificate
            | Self::UnknownAuthority
            | Self::BadSignature
            | Self::Expired
            | Self::NotYetValid
            | Self::Revoked
            | Self::RevocationUnknown
            | Self::BadCertificate
            | Self::UnusableNames
            | Self::UnknownClient
            | Self::UnknownUid => true,
            Self::NoProxyHeader
            | Self::BadProxyHeader
            | Self::Alert
            | Self::Protocol
            | Self::Timeout
            | Self::Closed => false,
        }
    }

    /// The fault behind an error of a TLS handshake.
    #[must_use]
    pub(in crate::downstream) fn of(error: &io::Error) -> Self {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            Some(TlsError::InvalidCertificate(error)) => Self::of_certificate(error),
            Some(TlsError::NoCertificatesPresented) => Self::NoCertificate,
            Some(TlsError::AlertReceived(_)) => Self::Alert,
            None if [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof]
                .contains(&error.kind()) =>
            {
                Self::Closed
            }
            Some(_) | None => Self::Protocol,
        }
    }

    /// rustls may add more errors: none of them lets a client in.
    fn of_certificate(error: &CertificateError) -> Self {
        use CertificateError as Error;
        if matches!(error, Error::UnknownIssuer) {
            Self::UnknownAuthority
        } else if matches!(error, Error::BadSignature) {
            Self::BadSignature
        } else if matches!(error, Error::Expired | Error::ExpiredContext { .. }) {
            Self::Expired
        } else if matches!(error, Error::NotValidYet | Error::NotValidYetContext { .. }) {
            Self::NotYetValid
        } else if matches!(error, Error::Revoked) {
            Self::Revoked
        } else if matches!(
            error,
            Error::UnknownRevocationStatus | Error::ExpiredRevocationList | Error::ExpiredRevocationListContext { .. }
        ) {
            Self::RevocationUnknown
        } else {
            Self::BadCertificate
        }
    }
}

impl From<HeaderFault> for HandshakeFault {
    fn from(fault: HeaderFault) -> Self {
        match fault {
            HeaderFault::Missing | HeaderFault::Version1 => Self::NoProxyHeader,
            HeaderFault::Version(_)
            | HeaderFault::Command(_)
            | HeaderFault::Family(_)
            | HeaderFault::Short { .. }
            | HeaderFault::Long(_) => Self::BadProxyHeader,
        }
    }
}

impl From<&certificate::CertificateError> for HandshakeFault {
    fn from(error: &certificate::CertificateError) -> Self {
        match error {
            certificate::CertificateError::Unreadable => Self::BadCertificate,
            certificate::CertificateError::SeveralUris(_) | certificate::CertificateError::Malformed => {
                Self::UnusableNames
            }
        }
    }
}

/// A client that was turned away before its first request.
pub struct TurnedAway<'a> {
    /// What its connection says of it.
    pub peer: &'a PeerEvidence,
    /// Why it was turned away.
    pub fault: HandshakeFault,
    /// The error in words, for the log.
    pub error: String,
    /// The certificate that it presented; one that was not verified may be anybody's.
    pub certificate: Option<&'a DescribedCertificate>,
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, InvalidMessage};

    use super::*;

    #[test]
    fn what_went_wrong_has_its_word() {
        let invalid = |error| HandshakeFault::of(&io::Error::other(TlsError::InvalidCertificate(error)));
        assert_eq!(invalid(CertificateError::UnknownIssuer), HandshakeFault::UnknownAuthority);
        assert_eq!(invalid(CertificateError::Revoked), HandshakeFault::Revoked);
        assert_eq!(invalid(CertificateError::ExpiredRevocationList), HandshakeFault::RevocationUnknown);
        assert_eq!(invalid(CertificateError::BadEncoding), HandshakeFault::BadCertificate);
        let of = |error: TlsError| HandshakeFault::of(&io::Error::new(ErrorKind::InvalidData, error));
        assert_eq!(of(TlsError::NoCertificatesPresented), HandshakeFault::NoCertificate);
        assert_eq!(of(TlsError::AlertReceived(AlertDescription::UnknownCA)), HandshakeFault::Alert);
        assert_eq!(of(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)), HandshakeFault::Protocol);
        assert_eq!(HandshakeFault::of(&ErrorKind::UnexpectedEof.into()), HandshakeFault::Closed);
    }

    #[test]
    fn every_word_is_used_once() {
        let words: std::collections::BTreeSet<&str> = HandshakeFault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(words.len(), HandshakeFault::ALL.len());
    }
}

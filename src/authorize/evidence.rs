//! What is known about the sender of a request, and the methods by which a listener evaluates it.

use std::fmt;

/// What is known about the sender of one request. The empty value proves nothing, which is why this type may have a
/// default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The user id of a Unix socket's peer.
    pub uid: Option<u32>,
    /// The group id of a Unix socket's peer.
    pub gid: Option<u32>,
    /// The id of the user who owns the other end of a loopback TCP connection.
    pub owner_uid: Option<u32>,
    /// The SPIFFE id in a verified client certificate.
    pub spiffe_id: Option<&'a str>,
    /// The DNS names in a verified client certificate.
    pub dns_names: &'a [String],
    /// The other names in it, by which no client can be configured: wildcards, and URIs that are not SPIFFE ids.
    pub other_names: &'a [String],
    /// The token of the only `Authorization: Bearer` field. It is a secret: it is hashed and compared, and used for
    /// nothing else.
    pub bearer_token: Option<&'a [u8]>,
    /// The service account of a verified token, as `namespace/name`.
    pub service_account: Option<&'a str>,
    /// The name of the issued key that the request is signed with.
    pub issued_key: Option<&'a str>,
}

/// A name in a verified client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CertificateName<'a> {
    Spiffe(&'a str),
    Dns(&'a str),
    Other(&'a str),
}

impl<'a> Evidence<'a> {
    /// All names in the certificate.
    pub(super) fn certificate_names(&self) -> impl Iterator<Item = CertificateName<'a>> + use<'a> {
        let dns_names = self.dns_names.iter().map(|name| CertificateName::Dns(name));
        let other_names = self.other_names.iter().map(|name| CertificateName::Other(name));
        self.spiffe_id.map(CertificateName::Spiffe).into_iter().chain(dns_names).chain(other_names)
    }
}

impl<'a> CertificateName<'a> {
    pub(super) const fn as_str(self) -> &'a str {
        match self {
            Self::Spiffe(name) | Self::Dns(name) | Self::Other(name) => name,
        }
    }
}

/// A method of authentication. Each listener lists the methods it accepts, and ignores evidence for any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By the user or group of a Unix peer.
    UnixPeer,
    /// By the user who owns the other end of a loopback TCP connection.
    LoopbackOwner,
    /// By a client certificate.
    Mtls,
    /// By a bearer token.
    BearerToken,
    /// By a Kubernetes service-account token.
    ServiceAccount,
    /// By the signature of an access key that countersign issued.
    IssuedKey,
}

impl Method {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 6] = [
        (Self::UnixPeer.as_str(), Self::UnixPeer),
        (Self::LoopbackOwner.as_str(), Self::LoopbackOwner),
        (Self::Mtls.as_str(), Self::Mtls),
        (Self::BearerToken.as_str(), Self::BearerToken),
        (Self::ServiceAccount.as_str(), Self::ServiceAccount),
        (Self::IssuedKey.as_str(), Self::IssuedKey),
    ];

    /// The name in the configuration, in logs and in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnixPeer => "unix-peer",
            Self::LoopbackOwner => "loopback-owner",
            Self::Mtls => "mtls",
            Self::BearerToken => "token",
            Self::ServiceAccount => "service-account",
            Self::IssuedKey => "issued-key",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

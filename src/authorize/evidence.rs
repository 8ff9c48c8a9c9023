//! What is known about whoever sent a request, as plain facts, and the methods by which a listener lets them count.

use std::fmt;

/// The facts of one request. The empty value proves nothing, which is why this type may have a default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// The user at the other end of a Unix socket.
    pub uid: Option<u32>,
    /// The group at the other end of a Unix socket.
    pub gid: Option<u32>,
    /// The user that owns the other end of a loopback TCP connection.
    pub owner_uid: Option<u32>,
    /// The SPIFFE id in a verified client certificate.
    pub spiffe_id: Option<&'a str>,
    /// The DNS names in a verified client certificate.
    pub dns_names: &'a [String],
    /// What the one `Authorization: Bearer` field holds. A secret: it is digested and compared, and goes nowhere else.
    pub bearer_token: Option<&'a [u8]>,
    /// The service account of a verified token, as `namespace/name`.
    pub service_account: Option<&'a str>,
}

/// A way to tell who is calling. A listener lists those that count; evidence of any other is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// User or group of a Unix peer.
    UnixPeer,
    /// User that owns the other end of a loopback TCP connection.
    LoopbackOwner,
    /// A client certificate.
    Mtls,
    /// A bearer token.
    BearerToken,
    /// A Kubernetes service-account token.
    ServiceAccount,
}

impl Method {
    /// What the configuration calls them.
    pub const WORDS: [(&'static str, Self); 5] = [
        (Self::UnixPeer.as_str(), Self::UnixPeer),
        (Self::LoopbackOwner.as_str(), Self::LoopbackOwner),
        (Self::Mtls.as_str(), Self::Mtls),
        (Self::BearerToken.as_str(), Self::BearerToken),
        (Self::ServiceAccount.as_str(), Self::ServiceAccount),
    ];

    /// The word in the configuration, in logs and in the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnixPeer => "unix-peer",
            Self::LoopbackOwner => "loopback-owner",
            Self::Mtls => "mtls",
            Self::BearerToken => "token",
            Self::ServiceAccount => "service-account",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

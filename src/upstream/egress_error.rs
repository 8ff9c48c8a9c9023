//! Why there is no tunnel through an egress proxy. Nothing of a request was written then.

use std::fmt;
use std::io;
use std::sync::Arc;

use http::StatusCode;
use thiserror::Error;

use super::breaker::Outage;
use crate::http1::tunnel::BadConnectResponse;

/// Why there is no tunnel through an egress proxy to the endpoint. Nothing was sent to the endpoint.
#[derive(Debug, Error)]
pub enum EgressError {
    /// The proxy's name has no address.
    #[error("the egress proxy's name could not be resolved")]
    Resolve(#[source] Arc<io::Error>),
    /// No address of the proxy accepted a connection.
    #[error("the egress proxy does not accept connections")]
    Connect(#[source] io::Error),
    /// Name lookup, TCP, TLS with the proxy, and its response to CONNECT together took too long.
    #[error("the egress proxy took too long to open a tunnel to the endpoint")]
    Timeout,
    /// The certificate of an `https://` proxy does not lead to a trusted root, is not for its name, or not valid now.
    #[error("the egress proxy's certificate is not trusted")]
    Certificate(#[source] io::Error),
    /// An `https://` proxy does not speak TLS, or no version or cipher that we support.
    #[error("the egress proxy's TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The connection to the proxy ended before it had responded to CONNECT.
    #[error("the egress proxy broke off before it opened a tunnel")]
    Cut(#[source] io::Error),
    /// 407, or 401: the proxy wants credentials, and the route has none.
    #[error("the egress proxy wants a user name and a password")]
    CredentialsMissing(#[source] Asked),
    /// 407, or 401: the proxy does not take the route's credentials.
    #[error("the egress proxy does not accept the user name and password of the route")]
    CredentialsRefused(#[source] Asked),
    /// A status other than 2xx, 401, 407 and 5xx: the proxy does not let this client, or anybody, go to the endpoint.
    #[error("the egress proxy does not allow a tunnel to the endpoint: it answered {0}")]
    Denied(StatusCode),
    /// 5xx: the proxy could not reach the endpoint, or has failed itself.
    #[error("the egress proxy could not open a tunnel to the endpoint: it answered {0}")]
    Failed(StatusCode),
    /// The response to CONNECT is not one.
    #[error("the egress proxy's response to CONNECT is not usable")]
    BadResponse(#[source] BadConnectResponse),
}

/// How a proxy asks for credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub(in crate::upstream) status: StatusCode,
    /// The schemes it names, of those that are told apart.
    pub(in crate::upstream) schemes: Vec<&'static str>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, schemes } = self;
        match schemes.as_slice() {
            [] => write!(f, "it answered {status} and names no scheme that is known here"),
            all if all.contains(&"Basic") => write!(f, "it answered {status} and asks for {}", all.join(", ")),
            all => write!(f, "it answered {status} and asks for {}: countersign has Basic only", all.join(", ")),
        }
    }
}

impl std::error::Error for Asked {}

impl EgressError {
    /// Whether another attempt may succeed.
    #[must_use]
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Resolve(_) | Self::Connect(_) | Self::Cut(_) | Self::Failed(_) => true,
            Self::Timeout
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::CredentialsMissing(_)
            | Self::CredentialsRefused(_)
            | Self::Denied(_)
            | Self::BadResponse(_) => false,
        }
    }

    /// How the endpoint as a whole is down by this failure, since there is no other way to it. `None` if the proxy
    /// reacted in a way that an operator has to change: the first call after that change is to succeed.
    #[must_use]
    pub(super) const fn outage(&self) -> Option<Outage> {
        match self {
            Self::Resolve(_) | Self::Connect(_) | Self::Timeout | Self::Cut(_) | Self::Failed(_) => {
                Some(Outage::Unreachable)
            }
            Self::Certificate(_)
            | Self::Tls(_)
            | Self::CredentialsMissing(_)
            | Self::CredentialsRefused(_)
            | Self::Denied(_)
            | Self::BadResponse(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_asks_for_is_told_and_whether_it_can_be_had() {
        for (schemes, told) in [
            (vec!["Basic"], "asks for Basic"),
            (vec!["NTLM", "Negotiate"], "asks for NTLM, Negotiate: countersign has Basic only"),
            (vec![], "names no scheme that is known here"),
        ] {
            let asked = Asked { status: StatusCode::PROXY_AUTHENTICATION_REQUIRED, schemes };
            assert_eq!(asked.to_string(), format!("it answered 407 Proxy Authentication Required and {told}"));
        }
    }
}

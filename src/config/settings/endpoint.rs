//! An endpoint as the program uses it: of a route, of a token issuer, or of a collector of spans.

use crate::signing::Scheme;
use crate::trust::{ClientTlsSettings, Roots};
use crate::upstream::NextHop;

/// Where signed requests go: parsed from `endpoint`, an absolute URL without user info, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `https`, or `http` where allowed.
    pub transport: Transport,
    /// Host name (lower case, without a trailing dot) or IP address (IPv6 in brackets): what is signed, sent as Host,
    /// and looked for in the certificate.
    pub host: String,
    /// The port, the scheme's default when the URL has none.
    pub port: u16,
    /// The path as written; `/` when empty.
    pub path: String,
    /// `connect`, or the proxy of `egress`: where connections are made to. By default the URL's host and port, with the
    /// name's trailing dot.
    pub next_hop: NextHop,
}

impl Endpoint {
    /// The host as a certificate knows it: the brackets around an IPv6 address belong to the URL.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether its responses are known to come from it: TLS is verified, or nothing leaves this machine.
    #[must_use]
    pub fn is_authentic(&self) -> bool {
        match self.transport {
            Transport::Tls { .. } => true,
            Transport::Plaintext => self.next_hop.is_on_this_machine(),
        }
    }

    /// The key that says where connections are made to.
    #[must_use]
    pub fn next_hop_key(&self) -> &'static str {
        match &self.next_hop {
            NextHop::Tcp { host, port } if host.trim_end_matches('.') == self.bare_host() && *port == self.port => {
                "endpoint"
            }
            NextHop::Tcp { .. } | NextHop::Unix(_) => "connect",
        }
    }

    /// The URL that it was read from, normalized.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme().as_str(), self.authority(), self.path)
    }

    /// The value of the `Host` header: the port is left out when it is the scheme's default.
    #[must_use]
    pub fn authority(&self) -> String {
        self.scheme().authority(&self.host, self.port)
    }

    const fn scheme(&self) -> Scheme {
        match self.transport {
            Transport::Tls { .. } => Scheme::Https,
            Transport::Plaintext => Scheme::Http,
        }
    }
}

/// How the connection to an endpoint is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// `https`: TLS 1.2 or 1.3, the certificate verified against `trust` and the endpoint's host name.
    Tls {
        /// `ca_file`.
        trust: Roots,
        /// `client_certificate`, `client_key`, `pinned_public_keys` and `minimum_tls`.
        client: ClientTlsSettings,
    },
    /// `http`: by a loopback address or a Unix socket, or anywhere with `danger_plaintext = true`.
    Plaintext,
}

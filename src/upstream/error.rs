//! Why no response came from the endpoint, and whether the endpoint may have received the request.

use std::io;
use std::sync::Arc;

use thiserror::Error;

use super::breaker::Outage;
use super::egress_error::EgressError;
use crate::http1::BadResponse;
use crate::http1::response_head::NotHttp;

/// Whether the endpoint may have received a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Not a byte of it was written: repeating it is safe.
    NotSent,
    /// Part of it may have been written: the Action may have been carried out.
    MaybeSent,
}

/// Why there is no usable response.
#[derive(Debug, Error)]
pub enum SendError {
    /// The call was not tried: the breaker is open.
    #[error("the endpoint is down: {0}")]
    Down(Outage),
    /// The egress proxy opened no tunnel to the endpoint.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The endpoint's name has no address.
    #[error("the endpoint's name could not be resolved")]
    Resolve(#[source] Arc<io::Error>),
    /// No address accepted a connection.
    #[error("the endpoint does not accept connections")]
    Connect(#[source] io::Error),
    /// Name lookup, TCP and TLS together took too long.
    #[error("connecting to the endpoint took too long")]
    ConnectTimeout,
    /// The certificate does not lead to a trusted root, is not for this name, or not valid now.
    #[error("the endpoint's certificate is not trusted")]
    Certificate(#[source] io::Error),
    /// The endpoint does not speak TLS, or no version or cipher that we support.
    #[error("the endpoint's TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The endpoint does not take us for a client: it wants a certificate, or another one.
    #[error("the endpoint does not accept the client certificate of the route, or wants one")]
    ClientRefused(#[source] io::Error),
    /// The connection ended before TLS was established.
    #[error("the endpoint broke off the TLS handshake")]
    HandshakeCut(#[source] io::Error),
    /// The connection was gone before anything was written on it.
    #[error("the connection to the endpoint ended before anything was written on it")]
    NeverSent(#[source] io::Error),
    /// The request was sent, and the head of the response did not come in time.
    #[error("the endpoint did not answer in time")]
    AnswerTimeout,
    /// The request was sent, and the connection ended before the head of the response was complete.
    #[error("the endpoint broke off before it answered")]
    BrokenOff(#[source] io::Error),
    /// The request was sent, and the response is not HTTP, or its head is too large.
    #[error("the endpoint's answer is not HTTP")]
    Garbled(#[source] NotHttp),
    /// The response cannot be passed on, since it is ambiguous where it ends.
    #[error("the endpoint's answer is not usable HTTP: {0}")]
    BadAnswer(&'static str),
    /// The response, which is not a success, may repeat the session token, and cannot be searched for it.
    #[error("the endpoint's response, with status {status}, may repeat the session token, and {why}")]
    Withheld {
        /// The response's status.
        status: u16,
        /// Why it cannot be searched.
        why: &'static str,
    },
}

impl From<BadResponse> for SendError {
    fn from(bad: BadResponse) -> Self {
        match bad {
            BadResponse::NotHttp(source) => Self::Garbled(source),
            BadResponse::Ambiguous(why) => Self::BadAnswer(why),
        }
    }
}

impl SendError {
    /// Whether the endpoint may have received the request.
    #[must_use]
    pub const fn delivery(&self) -> Delivery {
        match self {
            Self::Down(_)
            | Self::Egress(_)
            | Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::ClientRefused(_)
            | Self::HandshakeCut(_)
            | Self::NeverSent(_) => Delivery::NotSent,
            Self::AnswerTimeout
            | Self::BrokenOff(_)
            | Self::Garbled(_)
            | Self::BadAnswer(_)
            | Self::Withheld { .. } => Delivery::MaybeSent,
        }
    }

    /// The same error for a request of which no byte was written.
    #[must_use]
    pub(super) fn before_sending(self) -> Self {
        match self {
            Self::BrokenOff(source) => Self::NeverSent(source),
            Self::Garbled(source) => Self::NeverSent(io::Error::new(io::ErrorKind::InvalidData, source)),
            Self::Down(_)
            | Self::Egress(_)
            | Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::ClientRefused(_)
            | Self::HandshakeCut(_)
            | Self::NeverSent(_)
            | Self::AnswerTimeout
            | Self::BadAnswer(_)
            | Self::Withheld { .. } => self,
        }
    }

    /// Whether another attempt may succeed. It will not after an endpoint's own response or an untrusted certificate,
    /// nor when the time is up.
    #[must_use]
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Resolve(_) | Self::Connect(_) | Self::HandshakeCut(_) | Self::NeverSent(_) | Self::BrokenOff(_) => {
                true
            }
            Self::Egress(error) => error.may_pass(),
            Self::Down(_)
            | Self::ConnectTimeout
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::ClientRefused(_)
            | Self::AnswerTimeout
            | Self::Garbled(_)
            | Self::BadAnswer(_)
            | Self::Withheld { .. } => false,
        }
    }

    /// Whether another endpoint of the route may get the call: nothing of it was sent, for certain, and the endpoint as
    /// a whole is down. An error of [`Attempts`](super::Attempts) speaks of all attempts of the call. An endpoint that
    /// reacts, even by a certificate that is not trusted, keeps the call: this may be an attack, or a mistake that the
    /// next endpoint would hide.
    #[must_use]
    pub fn leaves_call_to_others(&self) -> bool {
        let is_down = match self {
            Self::Down(_) => true,
            Self::Egress(_)
            | Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::ClientRefused(_)
            | Self::HandshakeCut(_)
            | Self::NeverSent(_)
            | Self::AnswerTimeout
            | Self::BrokenOff(_)
            | Self::Garbled(_)
            | Self::BadAnswer(_)
            | Self::Withheld { .. } => self.outage().is_some(),
        };
        is_down && self.delivery() == Delivery::NotSent
    }

    /// How the endpoint as a whole is down, by this failure; `None` if it reacted.
    #[must_use]
    pub(super) const fn outage(&self) -> Option<Outage> {
        match self {
            Self::Resolve(_) | Self::Connect(_) | Self::ConnectTimeout | Self::HandshakeCut(_) => {
                Some(Outage::Unreachable)
            }
            Self::Egress(error) => error.outage(),
            Self::AnswerTimeout => Some(Outage::Silent),
            Self::Down(_)
            | Self::Certificate(_)
            | Self::Tls(_)
            | Self::ClientRefused(_)
            | Self::NeverSent(_)
            | Self::BrokenOff(_)
            | Self::Garbled(_)
            | Self::BadAnswer(_)
            | Self::Withheld { .. } => None,
        }
    }
}

/// Whether TLS ended with the word that our certificate is missing or not accepted.
///
/// With TLS 1.3 the word comes after we count the connection as established, and may have written a request. As long as
/// nothing else has come on the connection, the endpoint has not finished the handshake either, so it has not read a
/// byte of that request: RFC 8446 section 4.4.2.4.
pub(super) fn is_about_our_certificate(error: &io::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let alert = match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => alert,
        Some(_) | None => return false,
    };
    [
        Alert::CertificateRequired,
        Alert::BadCertificate,
        Alert::UnsupportedCertificate,
        Alert::CertificateRevoked,
        Alert::CertificateExpired,
        Alert::CertificateUnknown,
        Alert::UnknownCA,
        Alert::AccessDenied,
        // the proof that we have its key does not fit
        Alert::DecryptError,
    ]
    .contains(alert)
}

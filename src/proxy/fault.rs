//! What may go wrong in an exchange, and the one table that turns it into an answer.

use http::StatusCode;
use thiserror::Error;

use super::head::HeadError;
use crate::authorize::{AuthenticationError, Denied, Throttled};
use crate::credentials::{KeyUnavailable, SigningError};
use crate::downstream::{BodyError, HeadFault};
use crate::http1::Persistence;
use crate::query::{ErrorType, FormError};
use crate::telemetry::Outcome;
use crate::telemetry::audit::AuditUnavailable;
use crate::upstream::{Delivery, Repetition, SendError};

/// Why an exchange has no answer from the endpoint.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// What came is not read as a request.
    #[error(transparent)]
    Malformed(#[from] HeadFault),
    /// The head is refused.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Nobody we know is calling.
    #[error(transparent)]
    Unauthenticated(#[from] AuthenticationError),
    /// The client calls more often than it may.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The form is refused.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The policy says no.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// There is one, and it did not sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// What cannot be audited is not done.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
    /// Too many exchanges under way.
    #[error("too many requests are under way on this route")]
    Overloaded,
    /// No answer came from the endpoint.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// A bug: an exchange panicked.
    #[error("countersign failed")]
    Panicked,
}

/// No answer came, to an Action that may or may not be repeated.
#[derive(Debug, Error)]
#[error("{source}")]
pub struct UpstreamError {
    /// What happened.
    pub source: SendError,
    /// Whether the route lists the Action as safe to repeat.
    pub repetition: Repetition,
}

/// An answer of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status.
    pub status: StatusCode,
    /// AWS's error code, or one that begins with `Proxy`.
    pub code: &'static str,
    /// Whose fault it is.
    pub blame: ErrorType,
    /// For the person who reads it.
    pub message: String,
    /// Keep or close the connection.
    pub persistence: Persistence,
    /// Whether the endpoint may have received the request.
    pub delivery: Delivery,
    /// The error type of RFC 9209 section 2.3.
    pub proxy_status: &'static str,
    /// How it is counted.
    pub outcome: Outcome,
    /// Whether and when the client is invited to try again.
    pub retry: Retry,
}

/// What `Retry-After` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing.
    Unmentioned,
    /// In a few seconds, spread so that not all come back at once.
    Soon,
    /// Not before this many seconds.
    After(u64),
}

impl ExchangeError {
    /// The answer to this error.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Malformed(fault) => malformed(*fault, self.to_string()),
            Self::Head(error) => head(*error, self.to_string()),
            Self::Unauthenticated(error) => unauthenticated(*error, self.to_string()),
            Self::Throttled(throttled) => throttling(*throttled, self.to_string()),
            Self::Body(error) => body(error, self.to_string()),
            Self::Form(error) => form(error, self.to_string()),
            Self::Denied(Denied::ByRule(_) | Denied::NoRule | Denied::WrongPolicy) => {
                refused(StatusCode::FORBIDDEN, "AccessDenied", Persistence::KeepAlive, self.to_string())
            }
            Self::Key(KeyUnavailable::NotLoaded | KeyUnavailable::Expired) => {
                unavailable(Persistence::KeepAlive, format!("{self}; the request was not sent"))
            }
            Self::Signing(error) => signing(*error, self.to_string()),
            Self::Audit(AuditUnavailable) => {
                let message = format!("{self}; the request was not sent");
                Fault { proxy_status: "proxy_internal_error", ..unavailable(Persistence::Close, message) }
            }
            Self::Overloaded => unavailable(Persistence::Close, format!("{self}; the request was not sent")),
            Self::Upstream(error) => upstream(error, self.to_string()),
            Self::Panicked => Fault {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                code: "InternalFailure",
                blame: ErrorType::Receiver,
                message: "countersign failed; its log says more under this request id".to_owned(),
                persistence: Persistence::Close,
                delivery: Delivery::MaybeSent,
                proxy_status: "proxy_internal_error",
                outcome: Outcome::Unknown,
                retry: Retry::Unmentioned,
            },
        }
    }
}

/// The caller's fault, found before anything was sent.
fn refused(status: StatusCode, code: &'static str, persistence: Persistence, message: String) -> Fault {
    let proxy_status = if status == StatusCode::FORBIDDEN { "http_request_denied" } else { "http_request_error" };
    let (blame, delivery) = (ErrorType::Sender, Delivery::NotSent);
    let (outcome, retry) = (Outcome::Refused, Retry::Unmentioned);
    Fault { status, code, blame, message, persistence, delivery, proxy_status, outcome, retry }
}

fn unauthenticated(error: AuthenticationError, message: String) -> Fault {
    let code = match error {
        AuthenticationError::MissingCredential => "MissingAuthenticationToken",
        AuthenticationError::UnknownCredential => "InvalidClientTokenId",
        // ours to mend: on a 403 an SDK would give up
        AuthenticationError::KeysMissing => {
            return Fault { proxy_status: "proxy_internal_error", ..unavailable(Persistence::Close, message) };
        }
    };
    refused(StatusCode::FORBIDDEN, code, Persistence::Close, message)
}

/// AWS's Query services say `Throttling` with status 400, and SDKs look for that pair: botocore's `_retry.json` names both,
/// older ones know no 429, and on a 503 some would count the endpoint as down.
fn throttling(throttled: Throttled, message: String) -> Fault {
    let seconds = throttled.retry_after.as_secs().saturating_add(1);
    let fault = refused(StatusCode::BAD_REQUEST, "Throttling", Persistence::Close, message);
    Fault { proxy_status: "http_request_denied", retry: Retry::After(seconds), ..fault }
}

fn unavailable(persistence: Persistence, message: String) -> Fault {
    Fault {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "ServiceUnavailable",
        blame: ErrorType::Receiver,
        message,
        persistence,
        delivery: Delivery::NotSent,
        proxy_status: "connection_limit_reached",
        outcome: Outcome::Unavailable,
        retry: Retry::Soon,
    }
}

fn signing(error: SigningError, message: String) -> Fault {
    match error {
        SigningError::Busy | SigningError::Late(_) | SigningError::Away => {
            let message = format!("{message}; the request was not sent");
            Fault { proxy_status: "proxy_internal_error", ..unavailable(Persistence::KeepAlive, message) }
        }
        SigningError::TooLong { .. } => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            refused(status, "ProxyRequestTooLarge", Persistence::KeepAlive, message)
        }
        SigningError::Unsupported(_) | SigningError::Failed => Fault {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "InternalFailure",
            proxy_status: "proxy_internal_error",
            retry: Retry::Unmentioned,
            ..unavailable(Persistence::KeepAlive, format!("{message}; the request was not sent"))
        },
    }
}

/// No route is known yet, so these are in the dialect of most.
fn malformed(fault: HeadFault, message: String) -> Fault {
    let (status, code) = match fault {
        HeadFault::Connect => (StatusCode::METHOD_NOT_ALLOWED, "ProxyMethodNotAllowed"),
        HeadFault::Version => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "ProxyMalformedRequest"),
        HeadFault::TransferCoding => (StatusCode::NOT_IMPLEMENTED, "ProxyMalformedRequest"),
        HeadFault::TooLarge | HeadFault::TooManyFields => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "ProxyRequestTooLarge")
        }
        HeadFault::TooSlow => (StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
        HeadFault::RequestLine
        | HeadFault::Target
        | HeadFault::Path
        | HeadFault::LineEnd
        | HeadFault::Folded
        | HeadFault::FieldName
        | HeadFault::FieldValue
        | HeadFault::TwoFramings
        | HeadFault::Length
        | HeadFault::DuplicateLength
        | HeadFault::CodingInHttp10
        | HeadFault::DisguisedFraming => (StatusCode::BAD_REQUEST, "ProxyMalformedRequest"),
    };
    refused(status, code, Persistence::Close, message)
}

fn head(error: HeadError, message: String) -> Fault {
    let (status, code) = match error {
        HeadError::RouteNotFound => (StatusCode::NOT_FOUND, "ProxyRouteNotFound"),
        HeadError::Method => (StatusCode::METHOD_NOT_ALLOWED, "ProxyMethodNotAllowed"),
        HeadError::MediaType | HeadError::ContentEncoding => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "ProxyUnsupportedMediaType")
        }
        HeadError::WebPage | HeadError::ForeignHost | HeadError::RequiredHeader => {
            (StatusCode::FORBIDDEN, "AccessDenied")
        }
        HeadError::QueryString => (StatusCode::BAD_REQUEST, "InvalidQueryParameter"),
        HeadError::Host => (StatusCode::BAD_REQUEST, "ProxyMalformedRequest"),
        HeadError::LengthRequired => (StatusCode::LENGTH_REQUIRED, "ProxyMalformedRequest"),
        HeadError::Expectation => (StatusCode::EXPECTATION_FAILED, "ProxyExpectationFailed"),
        HeadError::Loop => (StatusCode::LOOP_DETECTED, "ProxyLoopDetected"),
    };
    refused(status, code, Persistence::Close, message)
}

fn body(error: &BodyError, message: String) -> Fault {
    let (status, code) = match error {
        BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "ProxyRequestTooLarge"),
        BodyError::NoMemory(_) => {
            return unavailable(Persistence::Close, format!("{message}; the request was not sent"));
        }
        BodyError::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
        BodyError::Cut(_) | BodyError::Broken(_) => (StatusCode::BAD_REQUEST, "ProxyMalformedRequest"),
    };
    refused(status, code, Persistence::Close, message)
}

fn form(error: &FormError, message: String) -> Fault {
    let code = match error {
        FormError::BadEscape { .. } | FormError::NotUtf8 => "MalformedQueryString",
        FormError::TooMany { .. } | FormError::Duplicate(_) | FormError::ControlInName(_) | FormError::Disguised(_) => {
            "InvalidQueryParameter"
        }
        FormError::MissingAction => "MissingAction",
        FormError::InvalidAction => "InvalidAction",
    };
    refused(StatusCode::BAD_REQUEST, code, Persistence::KeepAlive, message)
}

fn upstream(error: &UpstreamError, message: String) -> Fault {
    let timed_out = |late: bool| if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
    let unreachable = "ProxyUpstreamUnreachable";
    let (status, code, proxy_status) = match &error.source {
        SendError::Down(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "destination_unavailable"),
        SendError::Resolve(_) => (StatusCode::BAD_GATEWAY, unreachable, "dns_error"),
        SendError::Connect(_) => (StatusCode::BAD_GATEWAY, unreachable, "connection_refused"),
        SendError::ConnectTimeout => (StatusCode::GATEWAY_TIMEOUT, unreachable, "connection_timeout"),
        SendError::HandshakeCut(_) | SendError::NeverSent(_) => {
            (StatusCode::BAD_GATEWAY, unreachable, "connection_terminated")
        }
        SendError::Certificate(_) => (StatusCode::BAD_GATEWAY, "ProxyUpstreamUntrusted", "tls_certificate_error"),
        SendError::Tls(_) => (StatusCode::BAD_GATEWAY, "ProxyUpstreamUntrusted", "tls_protocol_error"),
        SendError::AnswerTimeout => (timed_out(true), "ProxyOutcomeUnknown", "http_response_timeout"),
        SendError::BrokenOff(_) => (timed_out(false), "ProxyOutcomeUnknown", "http_response_incomplete"),
        SendError::Garbled(_) | SendError::BadAnswer(_) => {
            (timed_out(false), "ProxyOutcomeUnknown", "http_protocol_error")
        }
    };
    let delivery = error.source.delivery();
    let (status, message, outcome) = match (delivery, error.repetition) {
        (Delivery::NotSent, _) => (status, format!("{message}; the request was not sent"), Outcome::Unavailable),
        (Delivery::MaybeSent, Repetition::Safe) => (status, message, Outcome::Unknown),
        // AWS SDKs repeat every 500, 502, 503 and 504, CreateJob included: this status they do not
        (Delivery::MaybeSent, Repetition::Unsafe) => (
            StatusCode::CONFLICT,
            format!("{message}; the Action may have been carried out: find out before you repeat it"),
            Outcome::Unknown,
        ),
    };
    let (blame, persistence) = (ErrorType::Receiver, Persistence::KeepAlive);
    let retry = if status == StatusCode::SERVICE_UNAVAILABLE { Retry::Soon } else { Retry::Unmentioned };
    Fault { status, code, blame, message, persistence, delivery, proxy_status, outcome, retry }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::SignatureMethod;
    use std::io;

    fn answer(source: SendError, repetition: Repetition) -> (u16, &'static str, Delivery) {
        let fault = ExchangeError::Upstream(UpstreamError { source, repetition }).fault();
        (fault.status.as_u16(), fault.code, fault.delivery)
    }

    #[test]
    fn an_unknown_outcome_gets_a_status_that_no_sdk_repeats_unless_the_action_is_safe() {
        use Delivery::MaybeSent;
        for (repetition, status) in [(Repetition::Safe, 504), (Repetition::Unsafe, 409)] {
            assert_eq!(answer(SendError::AnswerTimeout, repetition), (status, "ProxyOutcomeUnknown", MaybeSent));
        }
        for (repetition, status) in [(Repetition::Safe, 502), (Repetition::Unsafe, 409)] {
            assert_eq!(answer(SendError::BadAnswer("x"), repetition), (status, "ProxyOutcomeUnknown", MaybeSent));
        }
    }

    #[test]
    fn what_was_not_sent_says_so_whatever_the_action() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for repetition in [Repetition::Safe, Repetition::Unsafe] {
            let unreachable = "ProxyUpstreamUnreachable";
            assert_eq!(answer(SendError::Connect(refused()), repetition), (502, unreachable, Delivery::NotSent));
            assert_eq!(answer(SendError::ConnectTimeout, repetition), (504, unreachable, Delivery::NotSent));
            assert_eq!(
                answer(SendError::Tls(refused()), repetition),
                (502, "ProxyUpstreamUntrusted", Delivery::NotSent)
            );
        }
    }

    #[test]
    fn an_endpoint_that_is_down_is_not_called_and_the_client_invited_to_come_back() {
        for repetition in [Repetition::Safe, Repetition::Unsafe] {
            let source = SendError::Down(crate::upstream::Outage::Unreachable);
            let fault = ExchangeError::Upstream(UpstreamError { source, repetition }).fault();
            assert_eq!((fault.status.as_u16(), fault.code), (503, "ServiceUnavailable"));
            assert_eq!((fault.delivery, fault.retry), (Delivery::NotSent, Retry::Soon));
            assert_eq!(fault.proxy_status, "destination_unavailable");
        }
    }

    #[test]
    fn a_throttled_client_is_told_so_in_the_words_that_sdks_back_off_on() {
        let fault = ExchangeError::Throttled(Throttled { retry_after: std::time::Duration::from_millis(2500) }).fault();
        assert_eq!((fault.status.as_u16(), fault.code, fault.message.as_str()), (400, "Throttling", "Rate exceeded"));
        assert_eq!((fault.retry, fault.delivery), (Retry::After(3), Delivery::NotSent));
    }

    #[test]
    fn a_signer_that_may_come_back_is_unavailable_and_one_that_failed_is_a_failure() {
        let answer = |error: SigningError| {
            let fault = ExchangeError::Signing(error).fault();
            assert_eq!(fault.delivery, Delivery::NotSent);
            (fault.status.as_u16(), fault.code, fault.retry)
        };
        let late = SigningError::Late(std::time::Duration::from_millis(500));
        for error in [SigningError::Busy, late, SigningError::Away] {
            assert_eq!(answer(error), (503, "ServiceUnavailable", Retry::Soon));
        }
        for error in [SigningError::Failed, SigningError::Unsupported(SignatureMethod::HmacSha1)] {
            assert_eq!(answer(error), (500, "InternalFailure", Retry::Unmentioned));
        }
        let too_long = SigningError::TooLong { limit: 1024 };
        assert_eq!(answer(too_long), (413, "ProxyRequestTooLarge", Retry::Unmentioned));
    }

    #[test]
    fn whatever_is_refused_before_the_body_was_read_closes_the_connection() {
        for error in [
            AuthenticationError::MissingCredential,
            AuthenticationError::UnknownCredential,
            AuthenticationError::KeysMissing,
        ] {
            assert_eq!(ExchangeError::Unauthenticated(error).fault().persistence, Persistence::Close);
        }
        for error in [HeadError::WebPage, HeadError::Method, HeadError::RouteNotFound, HeadError::MediaType] {
            assert_eq!(ExchangeError::Head(error).fault().persistence, Persistence::Close);
        }
        assert_eq!(ExchangeError::Overloaded.fault().persistence, Persistence::Close);
        assert_eq!(ExchangeError::Form(FormError::MissingAction).fault().persistence, Persistence::KeepAlive);
    }
}

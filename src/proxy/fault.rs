//! What may go wrong in an exchange: each error has its row in [`crate::faults`], which turns it into a response and
//! a log line.

use http::StatusCode;
use thiserror::Error;

use super::head::HeadError;
use super::over_share::OverShare;
use super::refused_client::{NotIdentified, Refused, RefusedSignature, Unidentified};
use crate::authorize::{AuthenticationError, Denied, OverQuota, Throttled};
use crate::credentials::{KeyUnavailable, SigningError};
use crate::downstream::{BodyError, HeadFault, NoMemory};
use crate::faults::{self, AuditReason, Fate, FaultClass, LogReason};
use crate::http1::Persistence;
use crate::query::{ErrorType, FormError};
use crate::signing::client_signature::ClientSignatureError;
use crate::telemetry::Outcome;
use crate::telemetry::audit::AuditUnavailable;
use crate::upstream::{Delivery, EgressError, Repetition, SendError};

/// Why the client gets no response from the endpoint.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    /// The bytes from the client are not a well-formed head.
    #[error(transparent)]
    Malformed(#[from] HeadFault),
    /// The head is well-formed, but this listener does not serve such a request.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The client is not identified.
    #[error(transparent)]
    Unauthenticated(#[from] Unidentified),
    /// The client's own signature is refused.
    #[error(transparent)]
    Signature(#[from] RefusedSignature),
    /// The client calls more often than it may.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The client has used its quota.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// The store of rates is away, and calls are refused meanwhile.
    #[error("the client's rate cannot be checked at the moment")]
    RateUnknown,
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The form is refused.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The policy does not allow the call.
    #[error(transparent)]
    Denied(#[from] Refused),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The key did not sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The audit has no space for the line, and the exchange must not go on without it.
    #[error(transparent)]
    Audit(#[from] AuditUnavailable),
    /// The route has as many exchanges in progress as it may.
    #[error("too many requests are in progress on this route")]
    Overloaded,
    /// The client has its share of a limit.
    #[error(transparent)]
    OverShare(#[from] OverShare),
    /// The endpoint did not respond.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// A bug: an exchange panicked.
    #[error("countersign failed")]
    Panicked,
}

/// The endpoint did not respond to an Action that may or may not be repeated.
#[derive(Debug, Error)]
#[error("{source}")]
pub(crate) struct UpstreamError {
    pub(crate) source: SendError,
    /// Whether the route lists the Action as safe to repeat.
    pub(crate) repetition: Repetition,
}

/// A response of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    /// AWS's error code, or one that begins with `Proxy`.
    pub(crate) code: &'static str,
    pub(crate) blame: ErrorType,
    /// What the client may know, for a person to read.
    pub(crate) message: String,
    pub(crate) persistence: Persistence,
    /// Whether the endpoint may have received the request.
    pub(crate) delivery: Delivery,
    /// The error type of RFC 9209 section 2.3.
    pub(crate) proxy_status: &'static str,
    /// How the audit calls it.
    pub(crate) audit: AuditReason,
    /// What happened, as the row of the error says it.
    pub(crate) cause: &'static str,
    /// What to do about it, likewise.
    pub(crate) remedy: &'static str,
    /// How the exchange is counted.
    pub(crate) outcome: Outcome,
    /// Whether and when the client is invited to try again.
    pub(crate) retry: Retry,
}

/// What `Retry-After` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing.
    Unmentioned,
    /// In a few seconds, spread so that not all come back at once.
    Soon,
    /// Not before this many seconds.
    After(u64),
}

impl From<NotIdentified> for ExchangeError {
    fn from(error: NotIdentified) -> Self {
        match error {
            NotIdentified::Unidentified(error) => error.into(),
            NotIdentified::Signature(error) => error.into(),
            NotIdentified::Form(error) => error.into(),
        }
    }
}

impl ExchangeError {
    /// The response to this error.
    #[must_use]
    pub(crate) fn fault(&self) -> Fault {
        let class = self.class();
        let is_unrepeatable = match self {
            Self::Upstream(error) => error.repetition == Repetition::Unsafe,
            Self::Malformed(_)
            | Self::Head(_)
            | Self::Unauthenticated(_)
            | Self::Signature(_)
            | Self::Throttled(_)
            | Self::OverQuota(_)
            | Self::RateUnknown
            | Self::Body(_)
            | Self::Form(_)
            | Self::Denied(_)
            | Self::Key(_)
            | Self::Signing(_)
            | Self::Audit(_)
            | Self::Overloaded
            | Self::OverShare(_)
            | Self::Panicked => false,
        };
        let status = class.unrepeatable_status.filter(|_| is_unrepeatable).unwrap_or(class.status);
        let (blame, delivery, outcome) = match class.fate {
            Fate::Refused => (ErrorType::Sender, Delivery::NotSent, Outcome::Refused),
            Fate::Unavailable => (ErrorType::Receiver, Delivery::NotSent, Outcome::Unavailable),
            Fate::Unknown => (ErrorType::Receiver, Delivery::MaybeSent, Outcome::Unknown),
        };
        Fault {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: class.code,
            blame,
            message: self.message(class.fate, is_unrepeatable),
            persistence: class.persistence,
            delivery,
            proxy_status: class.proxy_status,
            audit: class.audit,
            cause: class.cause,
            remedy: class.remedy,
            outcome,
            retry: self.retry(status),
        }
    }

    /// What the log calls this, and at which level.
    #[must_use]
    pub(crate) fn log_reason(&self) -> LogReason {
        self.class().log
    }

    /// The row of this error.
    fn class(&self) -> FaultClass {
        use faults::service;
        match self {
            Self::Malformed(fault) => malformed(*fault),
            Self::Head(error) => head(error),
            Self::Unauthenticated(error) => unauthenticated(&error.error),
            Self::Signature(refused) => client_signature(&refused.error),
            Self::Throttled(_) => faults::client::THROTTLED,
            Self::OverQuota(_) => faults::client::OVER_QUOTA,
            Self::RateUnknown => service::RATE_UNKNOWN,
            Self::Body(error) => body(error),
            Self::Form(error) => faults::form::class_of(error),
            Self::Denied(refused) => denied(&refused.denied),
            Self::Key(KeyUnavailable::NotLoaded) => service::KEY_NOT_LOADED,
            Self::Key(KeyUnavailable::Expired) => service::KEY_EXPIRED,
            Self::Signing(error) => signing(*error),
            Self::Audit(AuditUnavailable) => service::AUDIT_UNAVAILABLE,
            Self::Overloaded => service::OVERLOADED,
            Self::OverShare(over) => over.class(),
            Self::Upstream(error) => upstream(&error.source),
            Self::Panicked => service::PANIC,
        }
    }

    fn message(&self, fate: Fate, is_unrepeatable: bool) -> String {
        if matches!(self, Self::Panicked) {
            return "countersign failed; its log says more under this request id".to_owned();
        }
        match fate {
            Fate::Refused => self.to_string(),
            Fate::Unavailable => format!("{self}; the request was not sent"),
            Fate::Unknown if is_unrepeatable => {
                format!("{self}; the Action may have been carried out: find out before you repeat it")
            }
            Fate::Unknown => self.to_string(),
        }
    }

    fn retry(&self, status: u16) -> Retry {
        match self {
            Self::Throttled(Throttled { retry_after }) | Self::OverQuota(OverQuota { retry_after, quota: _ }) => {
                Retry::After(retry_after.as_secs().saturating_add(1))
            }
            Self::Malformed(_)
            | Self::Head(_)
            | Self::Unauthenticated(_)
            | Self::Signature(_)
            | Self::RateUnknown
            | Self::Body(_)
            | Self::Form(_)
            | Self::Denied(_)
            | Self::Key(_)
            | Self::Signing(_)
            | Self::Audit(_)
            | Self::Overloaded
            | Self::OverShare(_)
            | Self::Upstream(_)
            | Self::Panicked => {
                if status == 503 {
                    Retry::Soon
                } else {
                    Retry::Unmentioned
                }
            }
        }
    }
}

const fn malformed(fault: HeadFault) -> FaultClass {
    use faults::head;
    match fault {
        HeadFault::RequestLine => head::REQUEST_LINE,
        HeadFault::Version => head::VERSION,
        HeadFault::Target => head::TARGET,
        HeadFault::Connect => head::CONNECT,
        HeadFault::Path => head::PATH,
        HeadFault::LineEnd => head::LINE_END,
        HeadFault::Folded => head::FOLDED,
        HeadFault::FieldName => head::FIELD_NAME,
        HeadFault::FieldValue => head::FIELD_VALUE,
        HeadFault::TooLarge => head::TOO_LARGE,
        HeadFault::TargetTooLong => head::TARGET_TOO_LONG,
        HeadFault::TooManyFields => head::TOO_MANY_FIELDS,
        HeadFault::TooSlow => head::TOO_SLOW,
        HeadFault::TwoFramings => head::TWO_FRAMINGS,
        HeadFault::Length => head::LENGTH,
        HeadFault::DuplicateLength => head::DUPLICATE_LENGTH,
        HeadFault::TransferCoding => head::TRANSFER_CODING,
        HeadFault::CodingInHttp10 => head::CODING_IN_HTTP_1_0,
        HeadFault::DisguisedFraming => head::DISGUISED_FRAMING,
    }
}

const fn head(error: &HeadError) -> FaultClass {
    use faults::head;
    match error {
        HeadError::RouteNotFound { .. } => head::ROUTE_NOT_FOUND,
        HeadError::RouteHidden { .. } => head::ROUTE_HIDDEN,
        HeadError::Method(_) => head::METHOD,
        HeadError::MediaType(_) => head::MEDIA_TYPE,
        HeadError::ContentEncoding(_) => head::CONTENT_ENCODING,
        HeadError::WebPage => head::WEB_PAGE,
        HeadError::ForeignHost(_) | HeadError::ForwardProxy(_) => head::FOREIGN_HOST,
        HeadError::Host => head::HOST,
        HeadError::QueryString => head::QUERY_STRING,
        HeadError::BodyBesideQuery => head::BODY_BESIDE_QUERY,
        HeadError::QueryTooLong { .. } => head::QUERY_TOO_LONG,
        HeadError::LengthRequired => head::LENGTH_REQUIRED,
        HeadError::Expectation => head::EXPECTATION,
        HeadError::RequiredHeader => head::REQUIRED_HEADER,
        HeadError::Loop => head::LOOP,
    }
}

const fn unauthenticated(error: &AuthenticationError) -> FaultClass {
    match error {
        AuthenticationError::MissingCredential => faults::client::MISSING_CREDENTIAL,
        AuthenticationError::UnknownCredential | AuthenticationError::NamesDisagree(_) => {
            faults::client::UNKNOWN_CREDENTIAL
        }
        AuthenticationError::KeysMissing => faults::client::KEYS_MISSING,
    }
}

const fn client_signature(error: &ClientSignatureError) -> FaultClass {
    use faults::client;
    match error {
        ClientSignatureError::Incomplete(_)
        | ClientSignatureError::FieldNotSigned(_)
        | ClientSignatureError::FieldMissing(_)
        | ClientSignatureError::ScopeDate => client::SIGNATURE_INCOMPLETE,
        ClientSignatureError::SessionToken => client::SIGNATURE_WITH_TOKEN,
        ClientSignatureError::HeadTime(_) => client::SIGNATURE_TIME,
        ClientSignatureError::FormTime(_) => client::SIGNATURE_EXPIRED,
        ClientSignatureError::BodyHash | ClientSignatureError::Mismatch => client::SIGNATURE_MISMATCH,
    }
}

const fn denied(denied: &Denied) -> FaultClass {
    match denied {
        Denied::ByRule(_) | Denied::NoRule | Denied::WrongPolicy => faults::client::DENIED,
        Denied::OtherSpelling(_) => faults::client::DENIED_SPELLING,
        Denied::Misspelled(_) => faults::form::SPELLING_OF_A_CONDITION,
    }
}

const fn body(error: &BodyError) -> FaultClass {
    match error {
        BodyError::TooLarge { .. } => faults::form::BODY_TOO_LARGE,
        BodyError::TooSlow { .. } | BodyError::BelowMinimum(_) => faults::form::BODY_TOO_SLOW,
        BodyError::NoMemory(NoMemory::Full) => faults::form::NO_MEMORY,
        BodyError::NoMemory(NoMemory::OverShare) => faults::client::SHARE_OF_BODIES,
        BodyError::Cut(_) => faults::form::BODY_CUT,
        BodyError::Broken(_) => faults::form::BODY_MISFRAMED,
    }
}

const fn signing(error: SigningError) -> FaultClass {
    use faults::service;
    match error {
        SigningError::Busy => service::SIGNER_BUSY,
        SigningError::Late(_) => service::SIGNER_LATE,
        SigningError::Away => service::SIGNER_AWAY,
        SigningError::TooLong { .. } => service::STRING_TO_SIGN_TOO_LONG,
        SigningError::Unsupported(_) | SigningError::OtherDialect(_) => service::SIGNATURE_METHOD,
        SigningError::Failed => service::SIGNER_FAILED,
    }
}

const fn egress(error: &EgressError) -> FaultClass {
    use faults::egress;
    match error {
        EgressError::Resolve(_) => egress::RESOLVE,
        EgressError::Connect(_) => egress::CONNECT,
        EgressError::Timeout => egress::TIMEOUT,
        EgressError::Cut(_) => egress::CUT,
        EgressError::Certificate(_) => egress::CERTIFICATE,
        EgressError::Tls(_) => egress::TLS,
        EgressError::BadResponse(_) => egress::BAD_RESPONSE,
        EgressError::CredentialsMissing(_) => egress::CREDENTIALS_MISSING,
        EgressError::CredentialsRefused(_) => egress::CREDENTIALS_REFUSED,
        EgressError::Denied(_) => egress::DENIED,
        EgressError::Failed(_) => egress::TUNNEL_FAILED,
    }
}

/// The type of RFC 9209 of an endpoint's failure, which spans have as `error.type`.
pub(super) const fn error_type(error: &SendError) -> &'static str {
    upstream(error).proxy_status
}

const fn upstream(error: &SendError) -> FaultClass {
    use faults::endpoint;
    match error {
        SendError::Down(_) => endpoint::DOWN,
        SendError::Egress(error) => egress(error),
        SendError::Resolve(_) => endpoint::RESOLVE,
        SendError::Connect(_) => endpoint::CONNECT,
        SendError::ConnectTimeout => endpoint::CONNECT_TIMEOUT,
        SendError::HandshakeCut(_) => endpoint::HANDSHAKE_CUT,
        SendError::NeverSent(_) => endpoint::NEVER_SENT,
        SendError::Certificate(_) => endpoint::CERTIFICATE,
        SendError::Tls(_) => endpoint::TLS,
        SendError::ClientRefused(_) => endpoint::CLIENT_CERTIFICATE,
        SendError::AnswerTimeout => endpoint::RESPONSE_TIMEOUT,
        SendError::BrokenOff(_) => endpoint::BROKEN_OFF,
        SendError::Garbled(_) => endpoint::NOT_HTTP,
        SendError::BadAnswer(_) => endpoint::UNUSABLE_RESPONSE,
        SendError::Withheld { .. } => endpoint::WITHHELD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{Admission, Callers, ClientIdentity, Clients};
    use crate::credentials::SignatureMethod;
    use crate::faults::Severity;
    use crate::proxy::head::Came;
    use crate::proxy::unrouted::{Asked, Served};
    use crate::query::ShownName;
    use std::io;

    fn callers() -> Callers {
        Callers::new(Admission::AnyLocal, std::sync::Arc::new(Clients::new(Vec::new())))
    }

    fn not_found() -> HeadError {
        let [host, path] = ["a", "/"].map(ShownName::of);
        HeadError::RouteNotFound { asked: Asked { host, path, scope: None }, served: Served(String::new()) }
    }

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
    fn the_row_of_an_endpoints_failure_says_of_delivery_what_the_failure_says() {
        let io = || io::Error::from(io::ErrorKind::ConnectionReset);
        for source in [
            SendError::Down(crate::upstream::Outage::Unreachable),
            EgressError::Timeout.into(),
            EgressError::Connect(io()).into(),
            EgressError::Denied(StatusCode::FORBIDDEN).into(),
            EgressError::Failed(StatusCode::BAD_GATEWAY).into(),
            SendError::Resolve(std::sync::Arc::new(io())),
            SendError::Connect(io()),
            SendError::ConnectTimeout,
            SendError::Certificate(io()),
            SendError::Tls(io()),
            SendError::ClientRefused(io()),
            SendError::HandshakeCut(io()),
            SendError::NeverSent(io()),
            SendError::AnswerTimeout,
            SendError::BrokenOff(io()),
            SendError::Garbled(crate::http1::response_head::NotHttp::TooLarge),
            SendError::BadAnswer("x"),
            SendError::Withheld { status: 403, why: "x" },
        ] {
            let delivery = source.delivery();
            let fault = ExchangeError::Upstream(UpstreamError { source, repetition: Repetition::Unsafe }).fault();
            assert_eq!(fault.delivery, delivery, "{}", fault.message);
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
    fn a_client_over_its_quota_is_told_to_come_back_at_midnight_and_no_sdk_tries_before() {
        let over = OverQuota { quota: 5, retry_after: std::time::Duration::from_secs(3600) };
        let fault = ExchangeError::OverQuota(over).fault();
        assert_eq!((fault.status.as_u16(), fault.code, fault.retry), (400, "ProxyQuotaExceeded", Retry::After(3601)));
        assert_eq!(fault.message, "the quota of 5 calls a day is used");
        let unknown = ExchangeError::from(crate::rates::NotNow::StoreAway).fault();
        assert_eq!((unknown.status.as_u16(), unknown.retry), (503, Retry::Soon));
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
            let error = Unidentified::new(error, &callers());
            assert_eq!(ExchangeError::Unauthenticated(error).fault().persistence, Persistence::Close);
        }
        for error in [HeadError::WebPage, HeadError::Method("POST"), not_found(), HeadError::MediaType(Came::Nothing)] {
            assert_eq!(ExchangeError::Head(error).fault().persistence, Persistence::Close);
        }
        assert_eq!(ExchangeError::Overloaded.fault().persistence, Persistence::Close);
        assert_eq!(ExchangeError::Form(FormError::MissingAction("Action")).fault().persistence, Persistence::KeepAlive);
    }

    #[test]
    fn what_only_an_attack_or_a_misconfiguration_does_is_a_warning_and_a_mistake_is_not() {
        let severity = |error: ExchangeError| error.log_reason().severity;
        for error in [
            ExchangeError::Malformed(HeadFault::TwoFramings),
            ExchangeError::Head(HeadError::WebPage),
            ExchangeError::Head(HeadError::ForeignHost(ShownName::of("a"))),
            ExchangeError::Unauthenticated(Unidentified::new(AuthenticationError::UnknownCredential, &callers())),
            ExchangeError::Denied(Refused::new(Denied::NoRule, &ClientIdentity::AnyLocal, "r", "A")),
        ] {
            assert_eq!(severity(error), Severity::Warn);
        }
        for error in [
            ExchangeError::Malformed(HeadFault::TooSlow),
            ExchangeError::Head(HeadError::Method("POST")),
            ExchangeError::Form(FormError::MissingAction("Action")),
            ExchangeError::Overloaded,
        ] {
            assert_eq!(severity(error), Severity::Info);
        }
        assert_eq!(severity(ExchangeError::Panicked), Severity::Error);
    }
}

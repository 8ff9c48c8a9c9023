//! How loudly the log tells of what went wrong in an exchange, and under which name: the one table of it.
//!
//! A warning is what a client or endpoint that means well does not do, and what somebody should look into: a call that is not
//! allowed, a request that two parsers could read differently, an endpoint that breaks off. Mistakes and limits are `info`.
//! Every one of these lines was asked for by a request, so a flood of refusals is a flood of lines: it can neither hold up
//! exchanges nor fill memory, since the log's queue is bounded and what has no place in it is counted (`telemetry::logging`).
//! How much disk lines may take is for whoever reads them.

use super::fault::{ExchangeError, UpstreamError};
use super::head::HeadError;
use crate::downstream::{BodyError, HeadFault};
use crate::query::FormError;
use crate::telemetry::{Notice, Severity};
use crate::upstream::SendError;

impl ExchangeError {
    /// What the log calls this, and at which level.
    #[must_use]
    pub const fn notice(&self) -> Notice {
        match self {
            Self::Malformed(fault) => malformed(*fault),
            Self::Head(error) => head(*error),
            Self::Unauthenticated(_) => warn("client.denied"),
            Self::Throttled(_) => info("client.throttled"),
            Self::Body(error) => body(error),
            Self::Form(error) => form(error),
            Self::Denied(_) => warn("policy"),
            Self::Key(_) | Self::Signing(_) => warn("key"),
            Self::Audit(_) => warn("audit"),
            Self::Overloaded => info("overload"),
            Self::Upstream(UpstreamError { source, repetition: _ }) => upstream(source),
            Self::Panicked => Notice { severity: Severity::Error, reason: "panic" },
        }
    }
}

/// The endpoint's answer broke off midway.
pub(super) const CUT: Notice = warn("upstream.cut");

const fn warn(reason: &'static str) -> Notice {
    Notice { severity: Severity::Warn, reason }
}

const fn info(reason: &'static str) -> Notice {
    Notice { severity: Severity::Info, reason }
}

const fn malformed(fault: HeadFault) -> Notice {
    match fault {
        HeadFault::TwoFramings
        | HeadFault::DuplicateLength
        | HeadFault::TransferCoding
        | HeadFault::CodingInHttp10
        | HeadFault::DisguisedFraming
        | HeadFault::LineEnd
        | HeadFault::Folded
        | HeadFault::FieldName
        | HeadFault::FieldValue => warn("framing"),
        HeadFault::Target | HeadFault::Connect => warn("target"),
        // most often another protocol on our port: not an attack, and worth a line that is seen
        HeadFault::RequestLine | HeadFault::Version | HeadFault::Path => info("request_line"),
        HeadFault::Length => info("length"),
        HeadFault::TooLarge | HeadFault::TooManyFields => info("head.size"),
        HeadFault::TooSlow => info("head.slow"),
    }
}

const fn head(error: HeadError) -> Notice {
    match error {
        HeadError::WebPage => warn("browser"),
        HeadError::ForeignHost => warn("host"),
        HeadError::RequiredHeader => warn("client.denied"),
        HeadError::QueryString => warn("query"),
        HeadError::Loop => warn("loop"),
        HeadError::RouteNotFound => info("route"),
        HeadError::Method => info("method"),
        HeadError::MediaType | HeadError::ContentEncoding => info("media_type"),
        HeadError::Host => info("host"),
        HeadError::LengthRequired => info("length"),
        HeadError::Expectation => info("expectation"),
    }
}

const fn body(error: &BodyError) -> Notice {
    match error {
        BodyError::TooLarge { .. } => info("body.size"),
        BodyError::TooSlow { .. } => info("body.slow"),
        BodyError::NoMemory(_) => info("overload"),
        BodyError::Cut(_) => info("client_abort"),
        BodyError::Broken(_) => warn("framing"),
    }
}

const fn form(error: &FormError) -> Notice {
    match error {
        FormError::Duplicate(_) => warn("form.dup"),
        FormError::Disguised(_) => warn("form.reserved"),
        FormError::ControlInName(_) => warn("form.name"),
        FormError::BadEscape { .. } | FormError::NotUtf8 => info("form.encoding"),
        FormError::TooMany { .. } => info("form.size"),
        FormError::MissingAction | FormError::InvalidAction => info("form.action"),
    }
}

const fn upstream(error: &SendError) -> Notice {
    match error {
        SendError::Certificate(_) | SendError::Tls(_) => Notice { severity: Severity::Error, reason: "upstream.tls" },
        // the outage that opened the circuit has been warned of, call by call
        SendError::Down(_) => info("upstream.down"),
        SendError::Resolve(_) | SendError::Connect(_) | SendError::ConnectTimeout | SendError::HandshakeCut(_) => {
            warn("upstream.connect")
        }
        SendError::NeverSent(_) => warn("upstream.stale"),
        SendError::AnswerTimeout => warn("upstream.silent"),
        SendError::BrokenOff(_) => warn("upstream.cut"),
        SendError::Garbled(_) | SendError::BadAnswer(_) => warn("upstream.answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{AuthenticationError, Denied};

    #[test]
    fn what_only_an_attack_or_a_misconfiguration_does_is_a_warning_and_a_mistake_is_not() {
        let severity = |error: ExchangeError| error.notice().severity;
        for error in [
            ExchangeError::Malformed(HeadFault::TwoFramings),
            ExchangeError::Head(HeadError::WebPage),
            ExchangeError::Head(HeadError::ForeignHost),
            ExchangeError::Unauthenticated(AuthenticationError::UnknownCredential),
            ExchangeError::Denied(Denied::NoRule),
        ] {
            assert_eq!(severity(error), Severity::Warn);
        }
        for error in [
            ExchangeError::Malformed(HeadFault::TooSlow),
            ExchangeError::Head(HeadError::Method),
            ExchangeError::Form(FormError::MissingAction),
            ExchangeError::Overloaded,
        ] {
            assert_eq!(severity(error), Severity::Info);
        }
        assert_eq!(severity(ExchangeError::Panicked), Severity::Error);
    }
}

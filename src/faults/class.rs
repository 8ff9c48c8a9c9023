//! What a row says of an error, and how a row is written.

use crate::http1::Persistence;

/// How much attention a log line deserves: the level it is logged at.
///
/// A warning is for what a client or endpoint that works as intended does not cause, and an operator should look into:
/// a call that is not allowed, a request that two parsers could read differently, an endpoint that breaks off. Mistakes
/// and limits are `Info`. Every such line was caused by a request. Of a flood of refusals of strangers only the first
/// have lines (`telemetry::refusals`); each refusal of a client that is known has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// An operator has to act: the endpoint is not trusted, or there is a bug.
    Error,
    /// An operator should look into it: an attack, a misconfiguration, a failing endpoint.
    Warn,
    /// Normal operation, refusals of honest mistakes included.
    Info,
}

/// What the log says of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogReason {
    /// The level of the line.
    pub severity: Severity,
    /// The field `reason`, one of a fixed set: `browser`, `form.dup`.
    pub reason: &'static str,
}

/// Why countersign responded in the endpoint's place, in one word of the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditReason {
    /// The client is not identified.
    Unauthenticated,
    /// The client's rules, or those of the listener for everybody, forbid the request.
    Denied,
    /// The client calls more often than it may.
    Throttled,
    /// The client uses its whole share.
    Share,
    /// The request cannot be read in one way, or is not one that countersign signs.
    Malformed,
    /// The request is larger than it may be.
    TooLarge,
    /// The request did not arrive in time.
    Slow,
    /// The client left before its request was complete.
    Abandoned,
    /// All clients together use the whole limit.
    Overloaded,
    /// countersign lacks what it needs: a key, the audit, an endpoint that counts as up.
    Unavailable,
    /// The endpoint cannot be reached, or is not trusted; nothing was sent.
    Unreachable,
    /// The request was sent, and no usable response came.
    Unanswered,
    /// A bug, or a signing device that failed.
    Failed,
}

impl AuditReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 13] = [
        Self::Unauthenticated,
        Self::Denied,
        Self::Throttled,
        Self::Share,
        Self::Malformed,
        Self::TooLarge,
        Self::Slow,
        Self::Abandoned,
        Self::Overloaded,
        Self::Unavailable,
        Self::Unreachable,
        Self::Unanswered,
        Self::Failed,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Denied => "denied",
            Self::Throttled => "throttled",
            Self::Share => "share",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
            Self::Abandoned => "abandoned",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Unreachable => "unreachable",
            Self::Unanswered => "unanswered",
            Self::Failed => "failed",
        }
    }

    /// What it means, a sentence for the reference.
    #[cfg(test)]
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Unauthenticated => "The client is not identified.",
            Self::Denied => "The client's rules forbid the request, or what the listener asks of everybody.",
            Self::Throttled => "The client calls more often than its `rate` or its `quota` allows.",
            Self::Share => "The client uses its whole `share` of a limit.",
            Self::Malformed => "The request can be read in more than one way, or is not one that countersign signs.",
            Self::TooLarge => "The request is larger than it may be.",
            Self::Slow => "The request did not arrive in time.",
            Self::Abandoned => "The client left before its request was complete.",
            Self::Overloaded => "All clients together use the whole of a limit.",
            Self::Unavailable => "countersign lacks what it needs: a key, the audit, or an endpoint that is up.",
            Self::Unreachable => "The endpoint cannot be reached, or is not trusted. Nothing was sent.",
            Self::Unanswered => "The request was sent, and no usable response came.",
            Self::Failed => "A bug, or a signing device that failed.",
        }
    }

    /// The reason of most refusals with this status; a row may say otherwise.
    const fn of_refusal(status: u16) -> Self {
        match status {
            403 => Self::Denied,
            408 => Self::Slow,
            413 | 414 | 431 => Self::TooLarge,
            _ => Self::Malformed,
        }
    }

    /// The reason for which most requests with this status were not sent.
    const fn of_unavailability(status: u16) -> Self {
        match status {
            500 => Self::Failed,
            502 | 504 => Self::Unreachable,
            _ => Self::Unavailable,
        }
    }
}

/// What became of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Refused for what the client sent or is; the endpoint never saw it.
    Refused,
    /// Not sent, and not for anything the client did.
    Unavailable,
    /// The endpoint may have received it.
    Unknown,
}

/// One row: everything about an error that does not depend on the single request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultClass {
    /// HTTP status.
    pub status: u16,
    /// The status instead, when the request may have been carried out and its Action must not be repeated unasked.
    pub unrepeatable_status: Option<u16>,
    /// AWS's error code, or one that begins with `Proxy`.
    pub code: &'static str,
    /// How it is logged.
    pub log: LogReason,
    /// The reason in the audit.
    pub audit: AuditReason,
    /// What became of the request.
    pub fate: Fate,
    /// What becomes of the client's connection. It is closed where the body was not read: what follows the head is
    /// then not a request.
    pub persistence: Persistence,
    /// The error type of RFC 9209 section 2.3.
    pub proxy_status: &'static str,
    /// What happened, a sentence for the reference.
    pub cause: &'static str,
    /// What to do about it, a sentence for the reference.
    pub remedy: &'static str,
}

impl FaultClass {
    /// Refused for what the client sent or is. The connection is closed.
    pub(super) const fn refused(
        status: u16,
        code: &'static str,
        log: LogReason,
        cause: &'static str,
        remedy: &'static str,
    ) -> Self {
        let proxy_status = if status == 403 { "http_request_denied" } else { "http_request_error" };
        let (fate, persistence) = (Fate::Refused, Persistence::Close);
        let (audit, unrepeatable_status) = (AuditReason::of_refusal(status), None);
        Self { status, unrepeatable_status, code, log, audit, fate, persistence, proxy_status, cause, remedy }
    }

    /// Not sent, and not for anything the client did. The connection is kept.
    pub(super) const fn unavailable(
        status: u16,
        code: &'static str,
        log: LogReason,
        cause: &'static str,
        remedy: &'static str,
    ) -> Self {
        let (fate, audit) = (Fate::Unavailable, AuditReason::of_unavailability(status));
        Self { fate, audit, proxy_status: "proxy_internal_error", ..Self::refused(status, code, log, cause, remedy) }
            .keeping_the_connection()
    }

    /// Perhaps sent, without a usable response. The connection is kept.
    ///
    /// AWS SDKs repeat every 500, 502, 503 and 504, CreateJob included. They do not repeat 409, which is what the
    /// client gets unless the route lists the Action as safe to repeat.
    pub(super) const fn unknown(status: u16, log: LogReason, cause: &'static str, remedy: &'static str) -> Self {
        let class = Self::refused(status, "ProxyOutcomeUnknown", log, cause, remedy).keeping_the_connection();
        Self { fate: Fate::Unknown, audit: AuditReason::Unanswered, unrepeatable_status: Some(409), ..class }
    }

    pub(super) const fn keeping_the_connection(self) -> Self {
        Self { persistence: Persistence::KeepAlive, ..self }
    }

    pub(super) const fn closing_the_connection(self) -> Self {
        Self { persistence: Persistence::Close, ..self }
    }

    /// With another reason in the audit than the status suggests.
    pub(super) const fn because(self, audit: AuditReason) -> Self {
        Self { audit, ..self }
    }

    pub(super) const fn proxy_status(self, proxy_status: &'static str) -> Self {
        Self { proxy_status, ..self }
    }
}

pub(super) const fn error(reason: &'static str) -> LogReason {
    LogReason { severity: Severity::Error, reason }
}

pub(super) const fn warn(reason: &'static str) -> LogReason {
    LogReason { severity: Severity::Warn, reason }
}

pub(super) const fn info(reason: &'static str) -> LogReason {
    LogReason { severity: Severity::Info, reason }
}

/// Defines the rows of one group, and the list of all of them.
macro_rules! rows {
    ($(
        $name:ident = $kind:ident($($value:expr),+; $cause:literal; $remedy:literal)$(.$change:ident($($by:expr)?))*;
    )*) => {
        $(
            #[doc = $cause]
            pub const $name: FaultClass = FaultClass::$kind($($value),+, $cause, $remedy)$(.$change($($by)?))*;
        )*
        /// Every row of this group.
        pub const ALL: &[FaultClass] = &[$($name),*];
    };
}
pub(super) use rows;

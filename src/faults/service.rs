//! Requests that countersign itself cannot serve: no key, no audit, no capacity, or a bug.

use super::class::{AuditReason, FaultClass, error, info, rows, warn};

const UNAVAILABLE: &str = "ServiceUnavailable";
const FAILURE: &str = "InternalFailure";

rows! {
    KEY_NOT_LOADED = unavailable(503, UNAVAILABLE, warn("key");
        "The route's key is not loaded.";
        "`/readyz` and the log say why its store does not give it.")
        .proxy_status("connection_limit_reached");
    KEY_EXPIRED = unavailable(503, UNAVAILABLE, warn("key");
        "The route's key has expired, and its store gave no newer one.";
        "Renew the key in its store. An expired key is never used.")
        .proxy_status("connection_limit_reached");
    SIGNER_BUSY = unavailable(503, UNAVAILABLE, warn("key");
        "The signing device has more requests than it may queue.";
        "Try again as `Retry-After` says. If it happens often, use a faster device or send fewer calls.");
    SIGNER_LATE = unavailable(503, UNAVAILABLE, warn("key");
        "The signing device did not answer within the key's `deadline`.";
        "Look at the device, or raise the key's `deadline`.");
    SIGNER_AWAY = unavailable(503, UNAVAILABLE, warn("key");
        "The signing process or device is gone.";
        "Start the process, or put the token back. countersign goes on by itself.");
    STRING_TO_SIGN_TOO_LONG = refused(413, "ProxyRequestTooLarge", warn("key");
        "The string to sign is longer than the signing device takes.";
        "Send a shorter form, or keep the key in a store without this limit.")
        .keeping_the_connection();
    SIGNATURE_METHOD = unavailable(500, FAILURE, warn("key");
        "The key does not compute the route's `signature_method`.";
        "Choose a method that the key computes.");
    SIGNER_FAILED = unavailable(500, FAILURE, warn("key");
        "The signing device failed.";
        "The log has the device's own error.");
    AUDIT_UNAVAILABLE = unavailable(503, UNAVAILABLE, warn("audit");
        "The audit cannot be written, and `when_full` is `refuse`.";
        "Free the disk, or start the daemon that takes the lines.")
        .closing_the_connection();
    RATE_UNKNOWN = unavailable(503, UNAVAILABLE, info("rates");
        "The store of rates is away, and `rates.when_unavailable` is `refuse`.";
        "Try again as `Retry-After` says. The log says why the store cannot be used.")
        .closing_the_connection();
    OVERLOADED = unavailable(503, UNAVAILABLE, info("overload");
        "The route has as many requests in progress as it may.";
        "Try again as `Retry-After` says. If it happens often, raise the route's `in_flight` limit.")
        .closing_the_connection().proxy_status("connection_limit_reached").because(AuditReason::Overloaded);
    PANIC = panicked(error("panic");
        "A bug in countersign ended the exchange.";
        "Report it with the log line `a bug in countersign`. Whether the request was carried out is not known.");
}

/// The log's reason for an exchange that is cut off because the process ends. The client gets no response, so there is
/// no row for it.
pub const PROCESS_ENDED: super::LogReason = warn("shutdown");

/// The log's reason for an exchange whose connection was closed, for a new one as a rule, before it was known who sends
/// the request. Its flood is counted as one of refusals is.
pub const UNIDENTIFIED: super::LogReason = info("evicted");

impl FaultClass {
    /// The status stays 500 whatever the Action: what was sent before the panic is not known.
    const fn panicked(log: super::LogReason, cause: &'static str, remedy: &'static str) -> Self {
        let class = Self::unknown(500, log, cause, remedy).closing_the_connection();
        let class = class.because(AuditReason::Failed);
        Self { code: FAILURE, unrepeatable_status: None, proxy_status: "proxy_internal_error", ..class }
    }
}

//! Requests that are refused for who sends them: not identified, not allowed, or too many.

use super::class::{AuditReason, FaultClass, LogReason, info, rows, warn};

rows! {
    MISSING_CREDENTIAL = refused(403, "MissingAuthenticationToken", warn("client.denied");
        "The client has no credential that this listener accepts.";
        "Have the client send its token, use its certificate, or run as a user that a client of the listener names.")
        .because(AuditReason::Unauthenticated);
    UNKNOWN_CREDENTIAL = refused(403, "InvalidClientTokenId", warn("client.denied");
        "The client's credential is not the one of a configured client.";
        "Compare the token, certificate name or user with the `[client.NAME]` tables that the listener lists.")
        .because(AuditReason::Unauthenticated);
    KEYS_MISSING = unavailable(503, "ServiceUnavailable", warn("client.denied");
        "The keys of the listener's token issuer have not been fetched yet.";
        "Look in the log for why they cannot be fetched. `/readyz` says when they are there.")
        .closing_the_connection().because(AuditReason::Unauthenticated);
    SIGNATURE_MISMATCH = refused(403, "SignatureDoesNotMatch", warn("client.signature");
        "The request is not what the client's issued key signed: its secret is another one, or something changed.";
        "Compare the client's secret with the issued one. The log at debug has the canonical request we expected.")
        .because(AuditReason::Unauthenticated);
    // the code and the words of Signature Version 4, by which SDKs correct their clocks
    SIGNATURE_TIME = refused(403, "SignatureDoesNotMatch", warn("client.signature");
        "The client signed more than five minutes before or after our time.";
        "Set the client's clock: the response's `Date` has our time.")
        .because(AuditReason::Unauthenticated);
    // likewise of Signature Version 2
    SIGNATURE_EXPIRED = refused(400, "RequestExpired", warn("client.signature");
        "The client signed its form more than five minutes before or after our time.";
        "Set the client's clock: the response's `Date` has our time.")
        .because(AuditReason::Unauthenticated);
    SIGNATURE_INCOMPLETE = refused(400, "IncompleteSignature", warn("client.signature");
        "The client's signature lacks a part, or leaves unsigned what must be signed.";
        "Use a current SDK, and no proxy before countersign that adds `x-amz-` fields.")
        .because(AuditReason::Unauthenticated);
    SIGNATURE_WITH_TOKEN = refused(403, "InvalidClientTokenId", warn("client.signature");
        "A session token came with the signature, and issued keys have none.";
        "Unset `AWS_SESSION_TOKEN`, and give the client the id and secret of its issued key.")
        .because(AuditReason::Unauthenticated);
    // AWS's Query services say `Throttling` with status 400, and SDKs look for that pair: botocore's `_retry.json`
    // names both, older SDKs do not know 429, and on a 503 some would count the endpoint as down
    THROTTLED = refused(400, "Throttling", info("client.throttled");
        "The client calls more often than it may.";
        "Wait as `Retry-After` says, or raise the client's `rate`.")
        .proxy_status("http_request_denied").because(AuditReason::Throttled);
    // a code of our own: SDKs repeat `Throttling` within seconds, and the day is not over by then
    OVER_QUOTA = refused(400, "ProxyQuotaExceeded", info("client.quota");
        "The client has used the calls of this day.";
        "Wait until midnight UTC, as `Retry-After` says, or raise the client's `quota`.")
        .proxy_status("http_request_denied").because(AuditReason::Throttled);
    SHARE_OF_IN_FLIGHT = unavailable(503, "ServiceUnavailable", info("share");
        "The client uses its whole share of the route's `in_flight`. Other clients are still served.";
        "Try again as `Retry-After` says. If it happens often, raise the client's `share` or the route's `in_flight`.")
        .proxy_status("connection_limit_reached").because(AuditReason::Share);
    SHARE_OF_BODIES = unavailable(503, "ServiceUnavailable", info("share");
        "The client's forms use its whole share of `process.bodies`. Other clients are still served.";
        "Try again as `Retry-After` says. If it happens often, raise the client's `share` or `process.bodies`.")
        .closing_the_connection().proxy_status("connection_limit_reached").because(AuditReason::Share);
    SHARE_OF_CONNECTIONS = unavailable(503, "ServiceUnavailable", info("share");
        "The client uses its whole share of the listener's `connections`. Other clients are still served.";
        "Close connections, or raise the client's `share` or the listener's `connections`.")
        .closing_the_connection().proxy_status("connection_limit_reached").because(AuditReason::Share);
    DENIED = refused(403, "AccessDenied", warn("policy");
        "The client's rules do not allow this Action.";
        "`countersign policy explain` names the rule that decides; add an `allow` rule if the call should pass.")
        .keeping_the_connection();
    DENIED_SPELLING = refused(403, "AccessDenied", warn("policy.spelling");
        "The Action is another spelling of one that the client's rules allow.";
        "Have the client send the Action as its rules spell it, or correct the rule.")
        .keeping_the_connection();
}

/// The log's reason for a response that was cut off because the client read it too slowly. It is not a row of the
/// table: the client has received the endpoint's status by then, so there is no error to answer with.
pub const SLOW_READER: LogReason = info("client.slow");

//! Requests that the endpoint did not get, or did not respond to as it should.

use super::class::{FaultClass, LogReason, error, info, rows, warn};

const UNREACHABLE: &str = "ProxyUpstreamUnreachable";
const UNTRUSTED: &str = "ProxyUpstreamUntrusted";

rows! {
    DOWN = unavailable(503, "ServiceUnavailable", info("upstream.down");
        "The endpoint counts as down after failures in a row; nothing is sent until an attempt succeeds.";
        "Look for `upstream.connect` or `upstream.silent` in the log before.")
        .proxy_status("destination_unavailable");
    RESOLVE = unavailable(502, UNREACHABLE, warn("upstream.connect");
        "The endpoint's name has no address, or no name server told it in time.";
        "Look at the route's `endpoint` (or `connect`) and at this host's DNS.")
        .proxy_status("dns_error");
    CONNECT = unavailable(502, UNREACHABLE, warn("upstream.connect");
        "No address of the endpoint accepts a connection.";
        "Look at the endpoint, its port, and firewalls on the way.")
        .proxy_status("connection_refused");
    CONNECT_TIMEOUT = unavailable(504, UNREACHABLE, warn("upstream.connect");
        "Connecting to the endpoint took too long.";
        "Look for a firewall that drops packets, or raise the route's `connect` timeout.")
        .proxy_status("connection_timeout");
    HANDSHAKE_CUT = unavailable(502, UNREACHABLE, warn("upstream.connect");
        "The endpoint broke off the TLS handshake.";
        "Look at the endpoint and at proxies on the way.")
        .proxy_status("connection_terminated");
    NEVER_SENT = unavailable(502, UNREACHABLE, warn("upstream.stale");
        "The connection to the endpoint ended before anything was written on it.";
        "Try again.")
        .proxy_status("connection_terminated");
    CERTIFICATE = unavailable(502, UNTRUSTED, error("upstream.tls");
        "The endpoint's certificate is not trusted.";
        "The log says why. If the endpoint has a private authority, or has signed its certificate itself, name that \
         certificate in the route's `ca_file`.")
        .proxy_status("tls_certificate_error");
    TLS = unavailable(502, UNTRUSTED, error("upstream.tls");
        "The TLS handshake with the endpoint failed.";
        "The endpoint must speak TLS 1.2 or 1.3, and at least the route's `minimum_tls`.")
        .proxy_status("tls_protocol_error");
    CLIENT_CERTIFICATE = unavailable(502, UNTRUSTED, error("upstream.tls");
        "The endpoint wants a client certificate, or does not accept the one it was shown.";
        "Set the route's `client_certificate` and `client_key` to a certificate that the endpoint knows.")
        .proxy_status("tls_alert_received");
    RESPONSE_TIMEOUT = unknown(504, warn("upstream.silent");
        "The endpoint did not respond in time.";
        "Find out whether the Action was carried out before you repeat it. The route's `first_byte` sets the time.")
        .proxy_status("http_response_timeout");
    BROKEN_OFF = unknown(502, warn("upstream.cut");
        "The endpoint broke off before it responded.";
        "Find out whether the Action was carried out before you repeat it.")
        .proxy_status("http_response_incomplete");
    NOT_HTTP = unknown(502, warn("upstream.answer");
        "The endpoint's response is not HTTP.";
        "Find out whether the Action was carried out before you repeat it. Look at the endpoint's address and port.")
        .proxy_status("http_protocol_error");
    UNUSABLE_RESPONSE = unknown(502, warn("upstream.answer");
        "The endpoint's response does not say clearly where it ends.";
        "Find out whether the Action was carried out before you repeat it. The log names the fault.")
        .proxy_status("http_protocol_error");
    WITHHELD = unknown(502, warn("upstream.answer");
        "With temporary credentials: the endpoint's response is not a success, and could not be searched for the \
         session token, which it may repeat.";
        "The log says why: it is compressed (do not forward `accept-encoding`), too long, too slow, or not text.")
        .proxy_status("http_protocol_error");
}

/// How the log calls a response that breaks off midway. The client has the endpoint's status by then, so there is no
/// row for it.
pub const RESPONSE_CUT: LogReason = warn("upstream.cut");

/// What happened then, for people.
pub const RESPONSE_CUT_CAUSE: &str = "The endpoint's response broke off midway.";

/// What to do about it.
pub const RESPONSE_CUT_REMEDY: &str =
    "Look at the endpoint and at proxies on the way. The route's `idle` timeout says how long a response may pause.";

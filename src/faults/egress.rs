//! Requests for which the egress proxy of their route opened no tunnel: the endpoint saw nothing of them.

use super::class::{FaultClass, error, rows, warn};

/// The proxy cannot be reached.
const UNREACHABLE: &str = "ProxyEgressUnreachable";
/// The proxy is not the one, or does not speak as one.
const UNTRUSTED: &str = "ProxyEgressUntrusted";
/// The proxy does not let us through.
const REFUSED: &str = "ProxyEgressRefused";
/// The proxy would let us through, and could not.
const FAILED: &str = "ProxyEgressFailed";

rows! {
    RESOLVE = unavailable(502, UNREACHABLE, warn("egress.connect");
        "The name of the route's egress proxy has no address.";
        "Look at the route's `egress`, or at the variable that names the proxy, and at this host's DNS.")
        .proxy_status("dns_error");
    CONNECT = unavailable(502, UNREACHABLE, warn("egress.connect");
        "No address of the route's egress proxy accepts a connection.";
        "Look at the route's `egress`, at the proxy's port, and at firewalls on the way to it.")
        .proxy_status("connection_refused");
    TIMEOUT = unavailable(504, UNREACHABLE, warn("egress.connect");
        "The route's egress proxy did not open a tunnel in time.";
        "The proxy, or the endpoint behind it, does not answer. Look at the proxy's log, or raise the route's \
         `timeouts.connect`.")
        .proxy_status("connection_timeout");
    CUT = unavailable(502, UNREACHABLE, warn("egress.connect");
        "The route's egress proxy closed the connection before it had responded to CONNECT.";
        "Look at the proxy's log. If it is an `https://` proxy, say so in `egress`.")
        .proxy_status("connection_terminated");
    CERTIFICATE = unavailable(502, UNTRUSTED, error("egress.tls");
        "The certificate of the route's `https://` egress proxy is not trusted.";
        "The log says why. If the proxy has a private authority, name it in the route's `egress_ca_file`.")
        .proxy_status("tls_certificate_error");
    TLS = unavailable(502, UNTRUSTED, error("egress.tls");
        "The TLS handshake with the route's `https://` egress proxy failed.";
        "The proxy must speak TLS 1.2 or 1.3. If it speaks plain HTTP, write `http://` in `egress`.")
        .proxy_status("tls_protocol_error");
    BAD_RESPONSE = unavailable(502, UNTRUSTED, error("egress.answer");
        "The route's egress proxy does not respond to CONNECT as HTTP/1.1 says.";
        "The log says what is wrong. Look at the port in `egress`: it may not be that of an HTTP proxy.")
        .proxy_status("http_protocol_error");
    CREDENTIALS_MISSING = unavailable(502, REFUSED, error("egress.auth");
        "The route's egress proxy wants a user name and a password (407, or 401).";
        "Write `user:password` into a file, and name it in the route's `egress_credentials_file`.")
        .proxy_status("proxy_configuration_error");
    CREDENTIALS_REFUSED = unavailable(502, REFUSED, error("egress.auth");
        "The route's egress proxy does not accept the route's user name and password (407, or 401).";
        "Correct the file that `egress_credentials_file` names. The log says which schemes the proxy asks for; \
         countersign has Basic.")
        .proxy_status("proxy_configuration_error");
    DENIED = unavailable(502, REFUSED, error("egress.denied");
        "The route's egress proxy does not allow a tunnel to the endpoint.";
        "The log has the proxy's status. Have the proxy allow CONNECT to the endpoint's host and port.")
        .proxy_status("proxy_configuration_error");
    TUNNEL_FAILED = unavailable(502, FAILED, warn("egress.failed");
        "The route's egress proxy could not open a tunnel to the endpoint: it responded with a 5xx of its own.";
        "The log has the proxy's status, and the proxy's log the reason: the endpoint's name, its port, or a firewall \
         behind the proxy.")
        .proxy_status("destination_unavailable");
}

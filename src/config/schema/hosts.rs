//! Hosts, URLs and addresses, as regular expressions.

use serde_json::{Value, json};

use super::numbers::whole;
use super::shapes::{any, except, pattern, port, short};

const URL_PATH: &str = "(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?";
const LONGEST_SOCKET_PATH: usize = 107;

fn ipv4() -> String {
    let octet = format!("(?:{})", whole(0..=255));
    format!("{octet}(?:\\.{octet}){{3}}")
}

/// Which letters a host may have.
#[derive(Debug, Clone, Copy)]
enum Letters {
    Lower,
    /// As in URLs, whose hosts are made lower case.
    Either,
}

impl Letters {
    fn class(self) -> &'static str {
        match self {
            Self::Lower => "a-z",
            Self::Either => "A-Za-z",
        }
    }

    /// Those that stand behind a first zero: `0x7f` is a number.
    fn class_without_x(self) -> &'static str {
        match self {
            Self::Lower => "a-wyz",
            Self::Either => "A-WYZa-wyz",
        }
    }
}

/// A label of a host name.
fn label(letters: Letters) -> String {
    let l = letters.class();
    format!("[{l}0-9_](?:[{l}0-9_-]*[{l}0-9_])?")
}

/// The last one: it is not a number, which resolvers read in different ways.
fn last_label(letters: Letters) -> String {
    let (l, no_x) = (letters.class(), letters.class_without_x());
    let first = format!("[{l}_]|0[{no_x}_-]|0[0-9]+[{l}_-]|[1-9][0-9]*[{l}_-]");
    format!("(?:{first})(?:[{l}0-9_-]*[{l}0-9_])?")
}

fn name(letters: Letters) -> String {
    format!("(?:{}\\.)*{}", label(letters), last_label(letters))
}

/// A host name, or an address.
fn host(letters: Letters) -> String {
    format!("(?:\\[[0-9A-Fa-f:.]+\\]|{}|{}\\.?)", ipv4(), name(letters))
}

/// An IP address and a port.
fn socket() -> Value {
    pattern(&format!("^(?:{}|\\[[0-9A-Fa-f:.]+(?:%[0-9]+)?\\]):{}$", ipv4(), port(0)))
}

/// `unix:` and the absolute path of a socket.
pub(super) fn unix() -> Value {
    short("^unix:/[^\\u0000]*[^/\\u0000]$", LONGEST_SOCKET_PATH.saturating_add("unix:".len()))
}

fn systemd() -> Value {
    short("^systemd:[!-9;-~]+$", 255_usize.saturating_add("systemd:".len()))
}

/// A network in CIDR notation, or one address; not all of them.
pub(super) fn network() -> Value {
    let (v4, v6) = (whole(1..=32), whole(1..=128));
    pattern(&format!("^(?:{}(?:/(?:{v4}))?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:/(?:{v6}))?)$", ipv4()))
}

/// Where a listener listens.
pub(super) fn listen() -> Value {
    any(&[socket(), unix(), systemd()])
}

/// Where health and metrics are served.
pub(super) fn admin() -> Value {
    any(&[socket(), unix()])
}

/// What any of the addresses of a listener begins with that is not an address of TCP.
pub(super) fn other_than_tcp() -> Value {
    json!({"pattern": "^(?:unix|systemd):"})
}

/// A `Host` value: without the default port.
pub(super) fn http_host() -> Value {
    except(&pattern(&format!("^{}(?::{})?$", host(Letters::Lower), port(1))), &json!({"pattern": ":0*80$"}))
}

/// The same, or a host with any port.
pub(super) fn listener_host() -> Value {
    any(&[http_host(), pattern(&format!("^{}:\\*$", host(Letters::Lower)))])
}

/// A DNS name in a certificate.
pub(super) fn dns() -> Value {
    short(&format!("^{}$", name(Letters::Lower)), 253)
}

/// The same as `conf_d.NAME.identities` has it, or all names below one.
pub(super) fn granted_dns() -> Value {
    any(&[
        short(&format!("^dns:{}$", name(Letters::Lower)), 253_usize.saturating_add("dns:".len())),
        short(&format!("^dns:\\*\\.{}$", name(Letters::Lower)), 253_usize.saturating_add("dns:*.".len())),
    ])
}

/// The URL of an endpoint.
pub(super) fn endpoint() -> Value {
    url(&any_case("http(?:s)?"))
}

/// An https URL.
pub(super) fn https() -> Value {
    json!({"pattern": format!("^{}://", any_case("https"))})
}

/// The store of rates.
pub(super) fn store() -> Value {
    let scheme = any_case("(?:valkey|redis)s?");
    any(&[unix(), pattern(&format!("^{scheme}://{}(?::{})?/?$", host(Letters::Either), port(1)))])
}

/// What a store with TLS begins with.
pub(super) fn store_with_tls() -> Value {
    json!({"pattern": format!("^{}://", any_case("(?:valkey|redis)s"))})
}

/// A name that a certificate can be for.
pub(super) fn server_name() -> Value {
    pattern(&format!("^{}$", host(Letters::Either)))
}

fn url(scheme: &str) -> Value {
    pattern(&format!("^{scheme}://{}(?::{})?{URL_PATH}$", host(Letters::Either), port(1)))
}

/// An expression with each of its letters in either case.
fn any_case(text: &str) -> String {
    let both = |c: char| {
        if c.is_ascii_lowercase() { format!("[{}{c}]", c.to_ascii_uppercase()) } else { c.to_string() }
    };
    text.chars().map(both).collect()
}

/// What stands in front of an endpoint, or is reached in its place.
pub(super) fn next_hop() -> Value {
    any(&[unix(), pattern(&format!("^{}:{}$", host(Letters::Either), port(1)))])
}

/// The URL of an HTTP proxy. Only https has a port that goes without saying.
pub(super) fn proxy() -> Value {
    let (http, https) = (any_case("http"), any_case("https"));
    let (host, port) = (host(Letters::Either), port(1));
    pattern(&format!("^(?:{http}://{host}:{port}|{https}://{host}(?::{port})?)/?$"))
}

//! Which requests are not answered because of where they come from: other web pages, and those that do not say by which
//! name they call.

use super::{Admin, HostNames};
use crate::downstream::{PeerEvidence, PeerFacts, RequestHead};
use crate::http1::Version;

/// Why a request is not answered, if it does not say by which name it calls, or by several.
pub(super) fn ambiguous(head: &RequestHead) -> Option<&'static str> {
    match (head.fields().all("host").count(), head.version()) {
        (1, Version::Http10 | Version::Http11) | (0, Version::Http10) => None,
        (_, Version::Http10 | Version::Http11) => Some("the request must have exactly one Host\n"),
    }
}

/// Why a request is not answered, if it may come from another web page.
pub(super) fn foreign(names: &HostNames, peer: &PeerEvidence, head: &RequestHead) -> Option<&'static str> {
    if is_sent_by_another_page(head) {
        return Some("requests from web pages are not allowed\n");
    }
    let host = match (head.authority(), head.fields().only("host")) {
        (Some(authority), _) => authority.as_bytes(),
        (None, Some(host)) => host,
        // an HTTP/1.0 client may send no Host; browsers always send one
        (None, None) => return None,
    };
    let is_admitted = match peer.facts() {
        // web pages cannot connect to Unix sockets
        PeerFacts::Unix { .. } => true,
        PeerFacts::Tcp { .. } | PeerFacts::Tls { .. } => names.admit(host),
    };
    (!is_admitted).then_some(
        "the Host is not an IP address, localhost or one of the admin listener's names: add it to `hosts` of \
         [admin] if it should be\n",
    )
}

/// Browsers say of a request that its user has typed its address (`none`), or whose page it comes from. Only the status
/// page is asked for by a page: by itself, to refresh (`same-origin`: our own scheme, name and port; a name that
/// another page could have for itself is not one of the listener's), and by links to it.
fn is_sent_by_another_page(head: &RequestHead) -> bool {
    let admitted: &[&[u8]] =
        if Admin::REPORTS.contains(&head.path()) { &[b"none", b"same-origin"] } else { &[b"none"] };
    let is_foreign = |site: &[u8]| !admitted.contains(&site);
    head.fields().contain("origin") || (head.fields().all("sec-fetch-site").any(is_foreign) && !opens_the_page(head))
}

/// Whether this is a link, in a chat or a runbook, that opens the status page in a tab. Whoever has such a link can
/// neither read nor frame what it opens, and opening it changes nothing.
fn opens_the_page(head: &RequestHead) -> bool {
    let says = |name, value: &[u8]| head.fields().only(name) == Some(value);
    head.method() == "GET"
        && head.path() == Admin::PAGE
        && says("sec-fetch-mode", b"navigate")
        && says("sec-fetch-dest", b"document")
}

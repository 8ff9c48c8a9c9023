//! What the demonstration prints.

use std::net::SocketAddr;

use super::client::{FORM, Reply};
use super::setup::Setup;
use crate::cli::output::print_line;
use crate::sandbox::{Observation, Verification};

/// What was set up, in three lines.
pub(super) fn setting(demo: &Setup) {
    if demo.is_elsewhere() {
        print_line!("Port 8021 is in use here: the proxy listens on {} instead.\n", demo.address);
    }
    print_line!(
        "client, without keys  ->  countersign, http://{}/  ->  sandbox endpoint, {}",
        demo.address,
        demo.endpoint
    );
    print_line!("The key (AWS's documented example) is sealed in {}/main.age.\n", demo.directory.path().display());
}

/// The client's side.
pub(super) fn sent(address: SocketAddr, form: &str) {
    print_line!("1. What the client sent: no key, no signature\n");
    print_line!("    POST / HTTP/1.1");
    print_line!("    Host: {address}");
    print_line!("    Content-Type: {FORM}\n");
    print_line!("    {form}\n");
}

/// The endpoint's side: what the client sent, and with `+` what countersign added.
pub(super) fn received(endpoint: &str, seen: &Observation, form: &str) {
    print_line!("2. What the endpoint received, over TLS, as {endpoint}\n");
    for (name, value) in &seen.parameters {
        let added = if form.split('&').any(|pair| pair.split('=').next() == Some(name)) { ' ' } else { '+' };
        print_line!("  {added} {name:<17} {value}");
    }
    print_line!("\n    The endpoint computed the signature for itself: it verified.\n");
}

/// The answer, piece by piece.
pub(super) fn reply(reply: &Reply) {
    print_line!("3. The answer, as it streamed back: status {}, {} pieces\n", reply.status, reply.pieces.len());
    for (time, piece) in &reply.pieces {
        // a line for each element: the service sends most of them without a break
        let lines = piece.trim_end().replace("><", ">\n<").replace('\n', "\n                  ");
        print_line!("    after {:>3} ms  {lines}", time.as_millis());
    }
    print_line!("");
}

/// Lines to paste.
pub(super) fn invitation(demo: &Setup, job: &str) {
    let url = format!("http://{}/", demo.address);
    print_line!("Still serving. Paste these into another terminal; Ctrl-C ends it.\n");
    print_line!("  # signed and answered");
    print_line!("  curl -s {url} -d 'Action=ListJobs&Version=2010-06-03'");
    print_line!("  curl -s {url} -d 'Action=GetStatus&JobId={job}&Version=2010-06-03'");
    print_line!("  # refused: one name, two values");
    print_line!("  curl -s {url} -d 'Action=GetStatus&Action=CancelJob&JobId={job}&Version=2010-06-03'\n");
}

/// One line for each further request that reaches the endpoint.
pub(super) fn line(seen: &Observation) {
    let verdict = match &seen.verification {
        Verification::Verified => "the signature verified".to_owned(),
        Verification::NotReached => "not a signed form".to_owned(),
        Verification::Refused(error) => error.to_string(),
    };
    let action: String = seen.parameter("Action").unwrap_or("-").escape_default().take(64).collect();
    print_line!("endpoint: {action}, {verdict}, status {}", seen.status());
}

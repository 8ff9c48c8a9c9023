//! What the demonstration prints.

use std::net::SocketAddr;

use super::client::{FORM, Reply};
use super::stage::Stage;
use crate::sandbox::{Observation, Verification};

/// What was set up, in three lines.
pub(super) fn setting(stage: &Stage) {
    if stage.is_elsewhere() {
        println!("Port 8021 is in use here: the proxy listens on {} instead.\n", stage.address);
    }
    println!(
        "client, without keys  ->  countersign, http://{}/  ->  sandbox endpoint, {}",
        stage.address, stage.endpoint
    );
    println!("The key (AWS's documented example) is sealed in {}/main.age.\n", stage.directory.path().display());
}

/// The client's side.
pub(super) fn sent(address: SocketAddr, form: &str) {
    println!("1. What the client sent: no key, no signature\n");
    println!("    POST / HTTP/1.1");
    println!("    Host: {address}");
    println!("    Content-Type: {FORM}\n");
    println!("    {form}\n");
}

/// The endpoint's side: what the client sent, and with `+` what countersign added.
pub(super) fn received(endpoint: &str, seen: &Observation, form: &str) {
    println!("2. What the endpoint received, over TLS, as {endpoint}\n");
    for (name, value) in &seen.parameters {
        let added = if form.split('&').any(|pair| pair.split('=').next() == Some(name)) { ' ' } else { '+' };
        println!("  {added} {name:<17} {value}");
    }
    println!("\n    The endpoint computed the signature for itself: it verified.\n");
}

/// The answer, piece by piece.
pub(super) fn reply(reply: &Reply) {
    println!("3. The answer, as it streamed back: status {}, {} pieces\n", reply.status, reply.pieces.len());
    for (time, piece) in &reply.pieces {
        // a line for each element: the service sends most of them without a break
        let lines = piece.trim_end().replace("><", ">\n<").replace('\n', "\n                  ");
        println!("    after {:>3} ms  {lines}", time.as_millis());
    }
    println!();
}

/// Lines to paste.
pub(super) fn invitation(stage: &Stage, job: &str) {
    let url = format!("http://{}/", stage.address);
    println!("Still serving. Paste these into another terminal; Ctrl-C ends it.\n");
    println!("  # signed and answered");
    println!("  curl -s {url} -d 'Action=ListJobs&Version=2010-06-03'");
    println!("  curl -s {url} -d 'Action=GetStatus&JobId={job}&Version=2010-06-03'");
    println!("  # refused: one name, two values");
    println!("  curl -s {url} -d 'Action=GetStatus&Action=CancelJob&JobId={job}&Version=2010-06-03'\n");
}

/// One line for each further request that reaches the endpoint.
pub(super) fn line(seen: &Observation) {
    let verdict = match &seen.verification {
        Verification::Verified => "the signature verified".to_owned(),
        Verification::NotReached => "not a signed form".to_owned(),
        Verification::Refused(error) => error.to_string(),
    };
    let action: String = seen.parameter("Action").unwrap_or("-").escape_default().take(64).collect();
    println!("endpoint: {action}, {verdict}, status {}", seen.status());
}

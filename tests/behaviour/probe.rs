//! Keys that are proven by a harmless call before they are used: `probe` on a route.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::harness::{After, Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Proxy, SECRET, Setup, endpoint, eventually};

const PROBE: &str = "probe = \"Action=ListJobs&Version=2010-06-03\"";

/// An endpoint that knows one key, and the other once it has been told of it; signatures are verified.
fn endpoint_that_learns() -> (Endpoint, Arc<AtomicBool>, Arc<AtomicBool>) {
    let (knows_first, knows_second) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (first, second) = (Arc::clone(&knows_first), Arc::clone(&knows_second));
    let endpoint = Endpoint::scripted(move |exchange| {
        let id = exchange.request.parameter("AWSAccessKeyId");
        let (known, secret) = if id == ID { (&first, SECRET) } else { (&second, OTHER_SECRET) };
        let good = known.load(Ordering::SeqCst) && exchange.request.verify(&id, secret, None) == Ok(());
        exchange.write(&if good {
            endpoint::answer("200 OK", "<ListJobsResponse/>")
        } else {
            endpoint::answer("403 Forbidden", "<Error><Code>InvalidClientTokenId</Code></Error>")
        });
        After::KeepOpen
    });
    (endpoint, knows_first, knows_second)
}

/// The keys that calls, other than probes, were signed with.
fn callers_keys(endpoint: &Endpoint) -> Vec<String> {
    let requests = endpoint.requests();
    let calls = requests.iter().filter(|request| request.parameter("Action") != "ListJobs");
    calls.map(|request| request.parameter("AWSAccessKeyId")).collect()
}

#[test]
fn a_new_key_is_used_when_the_endpoint_accepts_it_and_the_old_one_until_then() {
    let (endpoint, _, knows_second) = endpoint_that_learns();
    let proxy = Setup::to(&endpoint).route(PROBE).start();
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    proxy.post(FORM).expect(200);
    proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
    let line = proxy
        .log
        .json("warning", |line| line["message"] == "the new key cannot be used yet; the last good one stays in use");
    let why = "the key in the store is not proven: \
        the probe of route.importexport was answered with 403 InvalidClientTokenId";
    assert_eq!(line["error"], why);
    for _ in 0..20 {
        proxy.post(FORM).expect(200);
    }
    let note = proxy.admin("/readyz").expect(200).text();
    assert!(note.contains(&format!("degraded: key.main: the last good key is in use: {why}")), "{note}");
    assert!(callers_keys(&endpoint).iter().all(|id| id == ID));
    knows_second.store(true, Ordering::SeqCst);
    proxy.log.wait_for("change of the key", |line| {
        (line.contains("a changed key is in use") && line.contains(OTHER_ID)).then_some(())
    });
    proxy.post(FORM).expect(200);
    assert_eq!(callers_keys(&endpoint).last().unwrap(), OTHER_ID);
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n");
}

#[test]
fn a_first_key_that_is_not_proven_signs_nothing_until_it_is() {
    let (endpoint, knows_first, _) = endpoint_that_learns();
    knows_first.store(false, Ordering::SeqCst);
    let proxy: Proxy = Setup::to(&endpoint).route(PROBE).start();
    proxy.log.json("error", |line| line["message"] == "there is no usable key: requests are answered with 503");
    let answer = proxy.post(FORM);
    proxy.assert_own(&answer, 503, "ServiceUnavailable", "no");
    proxy.admin("/readyz").expect(503);
    assert!(callers_keys(&endpoint).is_empty());
    knows_first.store(true, Ordering::SeqCst);
    proxy.signal(Signal::HUP);
    eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
    proxy.post(FORM).expect(200);
}

#[test]
fn a_check_makes_no_call() {
    let (endpoint, ..) = endpoint_that_learns();
    let output = Setup::to(&endpoint).route(PROBE).command("check").output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && stdout.contains("once the endpoint has answered the probe"), "{stdout}");
    assert_eq!(endpoint.connections(), 0);
}

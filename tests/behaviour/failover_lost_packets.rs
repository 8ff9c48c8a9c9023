//! Routes whose first endpoint is there but does not react: packets are dropped, nobody accepts, TLS never begins.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::failover::{answered_by, called, of_endpoint, over};
use crate::harness::{After, Endpoint, Proxy, endpoint, eventually};
use crate::names::black_hole;
use crate::outages::refusing;

/// The log line of a call of an Action that changes something, which the endpoint called `name` responded to.
#[track_caller]
fn call(proxy: &Proxy, name: &str) -> serde_json::Value {
    let answer = proxy.post("Action=CreateJob&Manifest=m").expect(200);
    assert_eq!(answer.text(), name);
    proxy.log.exchange(&answer.request_id())
}

#[test]
fn calls_wait_for_an_endpoint_that_drops_packets_until_its_breaker_is_open_and_not_after() {
    let (hole, _crowd) = black_hole(SocketAddr::from(([127, 0, 0, 1], 0)));
    let first = format!("http://{}/", hole.local_addr().unwrap());
    let second = called("second");
    let limit = 2_000_000; // microseconds
    let setup = over(&first, &second).route("limits.failures = 2").route("timeouts.connect = \"2s\"");
    let proxy = setup.start();
    let is_down = || of_endpoint(&proxy, "down", &first) > 0.5;
    let total = |line: &serde_json::Value| line["total_us"].as_u64().unwrap();
    for before in 0..2 {
        assert!(!is_down(), "after {before} calls");
        let line = call(&proxy, "second");
        assert!(total(&line) >= limit, "it waited for the first endpoint: {line}");
        assert_eq!((&line["endpoint"], line.get("attempts")), (&second.url().into(), None), "{line}");
    }
    assert!(is_down());
    for _ in 0..20 {
        let line = call(&proxy, "second");
        let connecting = line["connect_us"].as_u64().unwrap_or_default();
        assert!(connecting < limit, "it did not wait for the first endpoint: {line}");
    }
    assert_eq!(second.requests().len(), 22);
    assert!(of_endpoint(&proxy, "requests_total", &first) < 0.5, "nothing was sent to the first");
    drop(hole); // every packet to its port is answered with a reset from now on
    let _back = eventually("the first endpoint at its old address", || {
        let address = first.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/')).unwrap();
        let listener = std::net::TcpListener::bind(address).ok()?;
        Some(Endpoint::serving(listener, None, |exchange| {
            exchange.write(&endpoint::answer("200 OK", "first"));
            After::KeepOpen
        }))
    });
    eventually("the first endpoint's response", || {
        (proxy.post("Action=CreateJob").expect(200).text() == "first").then_some(())
    });
    assert!(!is_down());
}

#[test]
fn a_call_that_waits_unread_at_an_endpoint_comes_to_no_other_even_when_it_is_read_later() {
    let (held, address) = refusing();
    held.listen(128).unwrap(); // the kernel takes connections and requests, and nobody accepts them
    let second = called("second");
    let first = format!("http://{address}/");
    let setup = over(&first, &second).route("limits.failures = 2").route("timeouts.first_byte = \"500ms\"");
    let proxy = setup.start();
    let post = |manifest: usize| proxy.post(&format!("Action=CreateJob&Manifest={manifest}"));
    for manifest in 0..2 {
        proxy.assert_own(&post(manifest), 409, "ProxyOutcomeUnknown", "yes");
    }
    for manifest in 2..10 {
        assert_eq!(post(manifest).expect(200).text(), "second");
    }
    let first = Endpoint::serving(held.into(), None, |_| After::Close);
    let late = eventually("the requests that waited", || Some(first.requests()).filter(|late| late.len() >= 2));
    let mut received: BTreeMap<String, usize> = BTreeMap::new();
    for request in late.iter().chain(&second.requests()) {
        *received.entry(request.parameter("Manifest")).or_default() += 1;
    }
    let once: BTreeMap<String, usize> = (0..10).map(|manifest| (manifest.to_string(), 1)).collect();
    assert_eq!(received, once);
}

#[test]
fn an_endpoint_that_never_begins_tls_leaves_its_calls_to_the_next_one() {
    let (held, address) = refusing();
    held.listen(128).unwrap();
    let second = called("second");
    let first = format!("https://{address}/");
    let setup = over(&first, &second).route("limits.failures = 2").route("timeouts.connect = \"300ms\"");
    let proxy = setup.start();
    for _ in 0..5 {
        answered_by(&proxy, "Action=CreateJob", "second");
    }
    assert!(of_endpoint(&proxy, "down", &first) > 0.5);
    assert_eq!(second.requests().len(), 5);
}

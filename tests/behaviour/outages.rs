//! Endpoints that are down: their clients are told at once, and all goes on when they are back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{After, Answer, CREATE, Draft, Endpoint, FORM, Proxy, Setup, endpoint, eventually};

/// A port that is taken and refuses connections.
pub fn refusing() -> (socket2::Socket, SocketAddr) {
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    (held, address)
}

/// Calls until the breaker answers.
#[track_caller]
fn until_refused(proxy: &Proxy, form: &str) -> Answer {
    eventually("503", || Some(proxy.post(form)).filter(|answer| answer.status == 503))
}

#[track_caller]
fn assert_refused_unsent(proxy: &Proxy, answer: &Answer) {
    proxy.assert_own(answer, 503, "ServiceUnavailable", "no");
    assert!(answer.head.field("proxy-status").unwrap().contains("error=destination_unavailable"));
    let message = answer.element("Message");
    assert!(message.starts_with("the endpoint is down: "), "{message}");
    assert!(message.ends_with("; the request was not sent"), "{message}");
    let after: u64 = answer.head.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&after));
}

#[test]
fn an_endpoint_that_refuses_is_down_until_it_accepts_and_said_to_be_once() {
    let (held, address) = refusing();
    let proxy = Setup::to_url(&format!("http://{address}/")).start();
    for _ in 0..5 {
        proxy.assert_own(&proxy.post(CREATE), 502, "ProxyUpstreamUnreachable", "no");
    }
    assert_refused_unsent(&proxy, &until_refused(&proxy, CREATE));
    let ready = proxy.admin("/readyz").expect(200).text();
    assert!(ready.contains("degraded: route.importexport: the endpoint is down: no connection"), "{ready}");
    let down = r#"countersign_endpoint_down{route="importexport"}"#;
    assert!((proxy.metric(down) - 1.0).abs() < 0.1);

    held.listen(128).unwrap();
    let endpoint = Endpoint::serving(held.into(), None, |exchange| {
        exchange.write(&endpoint::answer("200 OK", "back"));
        After::KeepOpen
    });
    let back = eventually("the endpoint's answer", || Some(proxy.post(CREATE)).filter(|answer| answer.status == 200));
    assert_eq!(back.text(), "back");
    for _ in 0..20 {
        proxy.post(CREATE).expect(200);
    }
    assert_eq!(endpoint.requests().len(), 21, "none of those refused came through");
    assert!(proxy.metric(down).abs() < 0.1);
    assert!((proxy.metric(r#"countersign_endpoint_outages_total{route="importexport"}"#) - 1.0).abs() < 0.1);
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n");
    assert_eq!(proxy.logged(|line| line.contains("the endpoint is down: calls are answered")), 1);
    assert_eq!(proxy.logged(|line| line.contains("the endpoint is back")), 1);
}

#[test]
fn an_endpoint_that_is_silent_is_down_until_it_answers() {
    let speaks = Arc::new(AtomicBool::new(false));
    let ours = Arc::clone(&speaks);
    let endpoint = Endpoint::scripted(move |exchange| {
        if !ours.load(Ordering::SeqCst) {
            exchange.is_left();
            return After::Close;
        }
        exchange.write(&endpoint::answer("200 OK", "back"));
        After::KeepOpen
    });
    let lines = ["limits.failures = 3", r#"timeouts.first_byte = "200ms""#];
    let proxy = lines.iter().fold(Setup::to(&endpoint), |setup, line| setup.route(line)).start();
    for _ in 0..3 {
        proxy.assert_own(&proxy.post(CREATE), 409, "ProxyOutcomeUnknown", "yes");
    }
    let sent = endpoint.requests().len();
    assert_refused_unsent(&proxy, &until_refused(&proxy, FORM));
    assert!(endpoint.requests().len() <= sent + 1, "one at a time finds out");
    speaks.store(true, Ordering::SeqCst);
    eventually("the endpoint's answer", || Some(proxy.post(FORM)).filter(|answer| answer.status == 200));
    proxy.post(FORM).expect(200);
}

#[test]
fn an_endpoint_that_is_down_takes_no_other_with_it() {
    let (_held, address) = refusing();
    let quick = Endpoint::saying(&endpoint::answer("200 OK", "quick"), After::KeepOpen);
    let more = format!("[route.quick]\nendpoint = \"{}\"\nkey = \"main\"\npath = \"/quick\"\n", quick.url());
    let proxy = Setup::to_url(&format!("http://{address}/")).more(&more).start();
    until_refused(&proxy, CREATE);
    for _ in 0..20 {
        assert_eq!(proxy.call(&Draft::form(FORM).path("/quick")).expect(200).text(), "quick");
    }
    assert!((proxy.metric(r#"countersign_endpoint_down{route="quick"}"#)).abs() < 0.1);
}

#[test]
fn without_a_limit_of_failures_every_call_is_tried() {
    let (_held, address) = refusing();
    let proxy = Setup::to_url(&format!("http://{address}/")).route("limits.failures = 0").start();
    for _ in 0..20 {
        proxy.assert_own(&proxy.post(CREATE), 502, "ProxyUpstreamUnreachable", "no");
    }
}

#[test]
fn answers_of_any_status_and_connections_that_break_off_are_no_outage() {
    let failing = Endpoint::saying(&endpoint::answer("503 Service Unavailable", "theirs"), After::KeepOpen);
    let proxy = Setup::to(&failing).start();
    for _ in 0..20 {
        assert_eq!(proxy.post(CREATE).expect(503).text(), "theirs");
    }
    let breaking = Endpoint::saying(b"", After::Close);
    let proxy = Setup::to(&breaking).start();
    for _ in 0..20 {
        proxy.assert_own(&proxy.post(CREATE), 409, "ProxyOutcomeUnknown", "yes");
    }
    assert_eq!(breaking.requests().len(), 20);
}

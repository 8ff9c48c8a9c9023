//! Endpoints that are down: their clients are told at once, and all goes on when they are back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::clients::{client, token};
use crate::harness::{After, Answer, CREATE, Client, Draft, Endpoint, FORM, Proxy, Setup, endpoint, eventually};

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
    assert_eq!(proxy.logged(|line| line.contains("the endpoint is down: until an attempt")), 1);
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
    let lines = ["limits.failures = 3", r#"timeouts.first_byte = "2s""#];
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

/// The name of a job about which this endpoint says nothing.
const SLOW: &str = "Action=GetStatus&JobId=SLOW";

/// Answers everything but what is asked about a slow job, as soon as it `speaks`.
fn slow_about_one_job(speaks: &Arc<AtomicBool>) -> Endpoint {
    let speaks = Arc::clone(speaks);
    Endpoint::scripted(move |exchange| {
        if exchange.request.parameter("JobId") == "SLOW" || !speaks.load(Ordering::SeqCst) {
            exchange.is_left();
            return After::Close;
        }
        exchange.write(&endpoint::answer("200 OK", "quick"));
        After::KeepOpen
    })
}

/// A gateway of three clients, `slow`, `good` and `idle`.
fn gateway(endpoint: &Endpoint, failures: usize) -> Setup {
    let tables: String = ["slow", "good", "idle"].map(|name| client(name, "allow = [\"*:*\"]")).concat();
    let mut setup =
        Setup::to(endpoint).route(&format!("limits.failures = {failures}")).more(&tables).process("workers = 2");
    setup.callers = "authenticate = [\"token\"]";
    setup
}

fn by(client: &str, form: &str) -> Draft {
    Draft::form(form).field("Authorization", &format!("Bearer {}", token(client)))
}

/// Sends so many calls about the slow job at once, and does not wait for them.
fn slow_calls(proxy: &Proxy, count: usize) -> Vec<Client> {
    let sent = || {
        let mut client = proxy.connect();
        client.send(&by("slow", SLOW));
        client
    };
    (0..count).map(|_| sent()).collect()
}

#[test]
fn slow_calls_of_one_client_that_time_out_together_refuse_no_call_of_another_that_is_answered() {
    let endpoint = slow_about_one_job(&Arc::new(AtomicBool::new(true)));
    let proxy = gateway(&endpoint, 5).route(r#"timeouts.first_byte = "2s""#).start();
    let attack_is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let good = scope.spawn(|| {
            let (mut client, mut answers) = (proxy.connect(), 0);
            while !attack_is_over.load(Ordering::SeqCst) || answers < 20 {
                client.call(&by("good", FORM)).expect(200);
                answers += 1;
            }
        });
        for _wave in 0..3 {
            for mut client in slow_calls(&proxy, 40) {
                proxy.assert_own(&client.answer(), 504, "ProxyOutcomeUnknown", "yes");
            }
        }
        attack_is_over.store(true, Ordering::SeqCst);
        good.join().unwrap();
    });
    assert!(proxy.metric(r#"countersign_endpoint_outages_total{route="importexport"}"#).abs() < 0.1);
}

#[test]
fn slow_calls_of_one_client_while_nobody_else_calls_are_refused_to_that_client_alone() {
    let endpoint = slow_about_one_job(&Arc::new(AtomicBool::new(true)));
    let proxy = gateway(&endpoint, 3).route(r#"timeouts.first_byte = "2s""#).start();
    // on a slow machine the last of them come when the first have timed out, and are refused at once
    slow_calls(&proxy, 10).iter_mut().for_each(|client| assert!(matches!(client.answer().status, 503 | 504)));
    let is_for_one = |line: &serde_json::Value| {
        line["message"].as_str().is_some_and(|message| message.contains("the endpoint is down for one client"))
    };
    assert_eq!(proxy.log.json("the outage", is_for_one)["client"], "slow");
    assert!(proxy.admin("/readyz").expect(200).text().contains("degraded: route.importexport"));
    assert_eq!(proxy.call(&by("idle", FORM)).expect(200).text(), "quick");
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n", "one answer shows that the endpoint is there");
}

#[test]
fn a_probe_that_stays_unanswered_is_not_the_only_one() {
    let speaks = Arc::new(AtomicBool::new(false));
    let endpoint = slow_about_one_job(&speaks);
    let setup = gateway(&endpoint, 2);
    let proxy = setup.clone().route(r#"timeouts.first_byte = "200ms""#).start();
    for client in ["slow", "good"] {
        assert_eq!(proxy.call(&by(client, FORM)).status, 504);
    }
    assert!(proxy.admin("/readyz").expect(200).text().contains("degraded: route.importexport"));
    // from now on a probe may take as long as the test
    proxy.reload(&setup.route(r#"timeouts.first_byte = "10m""#));
    let before = endpoint.requests().len();
    let mut unanswered = Vec::new();
    eventually("a probe of the slow client", || {
        unanswered.extend(slow_calls(&proxy, 1));
        (endpoint.requests().len() > before).then_some(())
    });
    speaks.store(true, Ordering::SeqCst);
    eventually("a probe of the good client", || {
        Some(proxy.call(&by("good", FORM))).filter(|answer| answer.status == 200)
    });
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n");
}

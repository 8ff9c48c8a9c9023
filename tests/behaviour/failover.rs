//! Routes with several endpoints: the next one gets a call only if nothing of it was sent to those before it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::clients::{client, token};
use crate::harness::{After, CREATE, Draft, Endpoint, FORM, Proxy, Setup, endpoint, eventually, free_port};
use crate::outages::refusing;
use crate::untrusted::Authority;

/// An endpoint that names itself in every response.
pub fn called(name: &str) -> Endpoint {
    Endpoint::saying(&endpoint::answer("200 OK", name), After::KeepOpen)
}

/// A proxy in the making: the first endpoint is at `first`, the fallback is `second`.
pub fn over(first: &str, second: &Endpoint) -> Setup {
    Setup::to_url(first).more(&fallback(second))
}

pub fn fallback(endpoint: &Endpoint) -> String {
    format!("[[route.importexport.fallback]]\nendpoint = \"{}\"\n", endpoint.url())
}

/// The value of a metric of one endpoint.
pub fn of_endpoint(proxy: &Proxy, metric: &str, url: &str) -> f64 {
    proxy.metric(&format!("countersign_route_endpoint_{metric}{{route=\"importexport\",endpoint=\"{url}\"}}"))
}

#[track_caller]
pub fn answered_by(proxy: &Proxy, form: &str, name: &str) {
    assert_eq!(proxy.post(form).expect(200).text(), name);
}

#[test]
fn calls_go_to_the_next_endpoint_while_the_first_refuses_connections_and_return_when_it_is_back() {
    let (held, address) = refusing();
    let first = format!("http://{address}/");
    let second = called("second");
    let proxy = over(&first, &second).start();
    for _ in 0..20 {
        answered_by(&proxy, CREATE, "second");
    }
    assert_eq!(second.requests().len(), 20);
    let down = |url: &str| of_endpoint(&proxy, "down", url) > 0.5;
    assert!(down(&first) && !down(&second.url()));
    assert!(proxy.metric(r#"countersign_endpoint_down{route="importexport"}"#) < 0.5, "no call is refused");
    let sent = |url: &str| of_endpoint(&proxy, "requests_total", url);
    assert!(sent(&first) < 0.5 && (sent(&second.url()) - 20.0).abs() < 0.5);
    let ready = proxy.admin("/readyz").expect(200).text();
    assert!(ready.contains("degraded: route.importexport: the endpoint is down: no connection"), "{ready}");

    held.listen(128).unwrap();
    let back = Endpoint::serving(held.into(), None, |exchange| {
        exchange.write(&endpoint::answer("200 OK", "first"));
        After::KeepOpen
    });
    eventually("the first endpoint's answer", || (proxy.post(CREATE).expect(200).text() == "first").then_some(()));
    let before = second.requests().len();
    for _ in 0..20 {
        answered_by(&proxy, CREATE, "first");
    }
    assert_eq!((second.requests().len(), back.requests().len()), (before, 21));
    assert!(!down(&first));
    assert_eq!(proxy.admin("/readyz").expect(200).text(), "ready\n");
}

#[test]
fn log_and_audit_say_which_endpoint_got_a_call() {
    let (_held, address) = refusing();
    let second = called("second");
    let setup = over(&format!("http://{address}/"), &second);
    let audit = setup.vault_path("audit.jsonl");
    let proxy = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", audit.display())).start();
    let answer = proxy.post(FORM).expect(200);
    assert_eq!(proxy.log.exchange(&answer.request_id())["endpoint"], second.url());
    let line = eventually("the audit's line", || {
        let lines = std::fs::read_to_string(&audit).unwrap_or_default();
        lines.lines().next().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
    });
    assert_eq!((&line["endpoint"], &line["outcome"]), (&second.url().into(), &"answered_2xx".into()));
    let refused = proxy.call(&Draft::form("Action=GetStatus&Action=x")).expect(400);
    assert_eq!(proxy.log.exchange(&refused.request_id()).get("endpoint"), None, "no endpoint was tried");
}

/// Everything that an endpoint may do with a request that it has read, each with the status that the client gets.
fn after_the_first_byte(does: usize) -> (Endpoint, u16) {
    match does {
        0 => (Endpoint::saying(b"", After::Reset), 409),
        1 => (Endpoint::saying(b"", After::Close), 409),
        2 => (Endpoint::saying(b"HTTP/1.1 200 OK\r\nContent-", After::Close), 409),
        3 => (Endpoint::saying(b"what?\r\n\r\n", After::Close), 409),
        4 => (Endpoint::saying(&endpoint::answer("500 Internal Server Error", "x"), After::KeepOpen), 500),
        5 => (Endpoint::saying(&endpoint::answer("503 Service Unavailable", "x"), After::KeepOpen), 503),
        _ => (Endpoint::silent(), 409),
    }
}

#[test]
fn a_call_that_the_first_endpoint_may_have_received_comes_to_no_other() {
    for does in 0..=6 {
        let (first, status) = after_the_first_byte(does);
        let second = called("second");
        // the breaker is off: a silent endpoint would open it, and later calls may go elsewhere
        let setup = over(&first.url(), &second).route("limits.failures = 0").route("timeouts.first_byte = \"1s\"");
        let proxy = setup.start();
        for calls in 1..=2 {
            assert_eq!(proxy.post(CREATE).status, status, "{does}");
            assert_eq!((first.requests().len(), second.requests().len()), (calls, 0), "{does}");
        }
        let before = first.requests().len();
        let _any_status = proxy.post(FORM);
        let repeats = first.requests().len() - before;
        assert!(
            (1..=2).contains(&repeats),
            "{does}: a repetition comes to the endpoint of the first attempt: {repeats}"
        );
        assert!(second.requests().is_empty(), "{does}");
    }
}

#[test]
fn an_endpoint_whose_certificate_is_not_trusted_keeps_its_calls() {
    let (authority, other) = (Authority::new(), Authority::new());
    let config = Arc::new(other.server(&["127.0.0.1"], (2020, 4000)));
    let answer = endpoint::answer("200 OK", "first");
    let first = Endpoint::on("127.0.0.1:0", Some(config), move |exchange| {
        exchange.write(&answer);
        After::KeepOpen
    });
    let second = called("second");
    let proxy = over(&first.url(), &second).trusting(&authority.pem).start();
    for _ in 0..20 {
        proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
    }
    assert!(second.requests().is_empty() && first.requests().is_empty());
}

#[test]
fn a_silent_endpoint_is_left_once_its_breaker_is_open_and_found_again_by_calls_that_only_read() {
    let speaks = Arc::new(AtomicBool::new(false));
    let ours = Arc::clone(&speaks);
    let first = Endpoint::scripted(move |exchange| {
        if !ours.load(Ordering::SeqCst) {
            exchange.is_left();
            return After::Close;
        }
        exchange.write(&endpoint::answer("200 OK", "first"));
        After::KeepOpen
    });
    let second = called("second");
    let setup = over(&first.url(), &second).route("limits.failures = 2").route("timeouts.first_byte = \"1s\"");
    let proxy = setup.start();
    for _ in 0..2 {
        proxy.assert_own(&proxy.post(CREATE), 409, "ProxyOutcomeUnknown", "yes");
    }
    let sent = first.requests().len();
    for _ in 0..50 {
        answered_by(&proxy, CREATE, "second");
    }
    // far longer than the first pauses of the breaker
    let after = std::time::Instant::now() + Duration::from_secs(2);
    while std::time::Instant::now() < after {
        answered_by(&proxy, CREATE, "second");
    }
    assert_eq!(first.requests().len(), sent, "no call that may change something finds out whether it is back");
    speaks.store(true, Ordering::SeqCst);
    eventually("the first endpoint's answer", || (proxy.post(FORM).expect(200).text() == "first").then_some(()));
    answered_by(&proxy, CREATE, "first");
}

#[test]
fn slow_calls_of_one_client_move_its_own_calls_and_nobody_elses() {
    let first = Endpoint::scripted(|exchange| {
        if exchange.request.parameter("JobId") == "SLOW" {
            exchange.is_left();
            return After::Close;
        }
        exchange.write(&endpoint::answer("200 OK", "first"));
        After::KeepOpen
    });
    let second = called("second");
    let tables: String = ["slow", "good"].map(|name| client(name, "allow = [\"*:*\"]")).concat();
    let mut setup = over(&first.url(), &second).more(&tables).route("timeouts.first_byte = \"1s\"");
    setup.callers = "authenticate = [\"token\"]";
    let proxy = setup.route("limits.failures = 3").start();
    let by = |client: &str, form: &str| Draft::form(form).field("Authorization", &format!("Bearer {}", token(client)));
    const SLOW: &str = "Action=CreateJob&JobId=SLOW";
    for _ in 0..3 {
        assert_eq!(proxy.call(&by("slow", SLOW)).status, 409);
    }
    assert_eq!(proxy.call(&by("slow", SLOW)).expect(200).text(), "second");
    for _ in 0..10 {
        assert_eq!(proxy.call(&by("good", FORM)).expect(200).text(), "first");
    }
    assert_eq!(second.requests().len(), 1);
}

#[test]
fn endpoints_are_tried_in_their_order_and_a_call_that_finds_none_says_that_it_was_not_sent() {
    let [(_one, first), (_two, second)] = [refusing(), refusing()];
    let third = called("third");
    let table = format!("[[route.importexport.fallback]]\nendpoint = \"http://{second}/\"\n");
    let proxy = Setup::to_url(&format!("http://{first}/")).more(&table).more(&fallback(&third)).start();
    for _ in 0..10 {
        answered_by(&proxy, CREATE, "third");
    }
    third.die();
    let refused = eventually("503", || Some(proxy.post(CREATE)).filter(|answer| answer.status == 503));
    proxy.assert_own(&refused, 503, "ServiceUnavailable", "no");
    assert!(proxy.metric(r#"countersign_endpoint_down{route="importexport"}"#) > 0.5);
}

#[test]
fn each_endpoint_is_signed_for_with_its_own_host_and_region() {
    let (_held, address) = refusing();
    let second = called("second");
    let profile = "profile = { dialect = \"aws-v4\", region = \"eu-central-1\", service = \"sts\" }";
    let setup = Setup::to_url(&format!("http://{address}/")).route(profile);
    let proxy = setup.more(&format!("{}region = \"eu-west-1\"\n", fallback(&second))).start();
    answered_by(&proxy, FORM, "second");
    let head = second.only_request().head;
    let authorization = head.field("authorization").unwrap().to_owned();
    assert!(authorization.contains("/eu-west-1/sts/aws4_request"), "{authorization}");
    assert_eq!(head.field("host"), Some(second.address.to_string().as_str()));
}

/// A reload that gives a route its first fallback, and then another one.
pub fn new_fallback() {
    let (_held, address) = refusing();
    let (one, two) = (called("one"), called("two"));
    let setup = Setup::to_url(&format!("http://{address}/")).process("workers = 1\ndanger_unconfined = true");
    let proxy = setup.clone().start();
    proxy.assert_own(&proxy.post(CREATE), 502, "ProxyUpstreamUnreachable", "no");
    proxy.reload(&setup.clone().more(&fallback(&one)));
    answered_by(&proxy, CREATE, "one");
    proxy.reload(&setup.more(&fallback(&two)));
    answered_by(&proxy, CREATE, "two");
    assert_eq!(one.requests().len(), 1);
}

#[test]
fn a_reload_that_changes_the_order_keeps_connections_and_what_is_known_of_endpoints() {
    let (_held, address) = refusing();
    let second = called("second");
    let (first, other) =
        (format!("http://{address}/"), format!("[[route.importexport.fallback]]\nendpoint = \"http://{address}/\"\n"));
    let proxy = over(&first, &second).start();
    for _ in 0..10 {
        answered_by(&proxy, CREATE, "second");
    }
    let outages = || proxy.metric(r#"countersign_endpoint_outages_total{route="importexport"}"#);
    let before = outages();
    proxy.reload(&Setup::to(&second).vault_of(&proxy).more(&other));
    for _ in 0..10 {
        answered_by(&proxy, CREATE, "second");
    }
    assert_eq!(second.connections(), 1, "the connection of before is still used");
    assert!(of_endpoint(&proxy, "down", &first) > 0.5 && (outages() - before).abs() < 0.1);
}

/// One endpoint that dies and comes back at the same address, and all requests that it received.
struct Mortal {
    lives: Vec<Endpoint>,
}

impl Mortal {
    fn born_at(address: &str) -> Endpoint {
        Endpoint::on(address, None, |exchange| {
            exchange.write(&endpoint::answer("200 OK", "<Done/>"));
            After::KeepOpen
        })
    }

    fn manifests(&self) -> impl Iterator<Item = String> {
        self.lives.iter().flat_map(Endpoint::requests).map(|request| request.parameter("Manifest"))
    }
}

#[test]
fn of_a_thousand_calls_while_the_first_endpoint_dies_and_returns_each_comes_to_one_endpoint_once() {
    const CALLERS: usize = 8;
    const EACH: usize = 125;
    let address = format!("127.0.0.1:{}", free_port());
    let mut first = Mortal { lives: vec![Mortal::born_at(&address)] };
    let second = called("<Done/>");
    let setup = over(&format!("http://{address}/"), &second).process("workers = 2").route("limits.failures = 2");
    let proxy = setup.start();
    let done = AtomicUsize::new(0);
    let answers: BTreeMap<String, u16> = std::thread::scope(|scope| {
        let caller = |number: usize| {
            let (proxy, done) = (&proxy, &done);
            move || {
                let mut client = proxy.connect();
                let call = |nth: usize| {
                    let manifest = format!("{number}-{nth}");
                    let answer = client.call(&Draft::form(&format!("Action=CreateJob&Manifest={manifest}")));
                    done.fetch_add(1, Ordering::SeqCst);
                    (manifest, answer.status)
                };
                (0..EACH).map(call).collect::<Vec<_>>()
            }
        };
        let callers: Vec<_> = (0..CALLERS).map(|number| scope.spawn(caller(number))).collect();
        let reached = |count: usize| {
            eventually("the next calls", || (done.load(Ordering::SeqCst) >= count).then_some(()));
        };
        reached(200);
        first.lives[0].die();
        reached(600);
        first.lives.push(Mortal::born_at(&address));
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let mut received: BTreeMap<String, usize> = BTreeMap::new();
    for manifest in first.manifests().chain(second.requests().iter().map(|request| request.parameter("Manifest"))) {
        *received.entry(manifest).or_default() += 1;
    }
    assert_eq!(answers.len(), CALLERS * EACH);
    for (manifest, status) in &answers {
        let times = received.get(manifest).copied().unwrap_or_default();
        match status {
            200 => assert_eq!(times, 1, "{manifest}"),
            // the first endpoint died with it: nobody knows, and nobody else was asked
            409 => assert!(times <= 1, "{manifest}: {times}"),
            other => panic!("{manifest}: {other}: a call that was not sent has another endpoint"),
        }
    }
    let unknown = answers.values().filter(|status| **status == 409).count();
    // of each caller: one whose new connection nobody accepted, and one on a connection that ended
    assert!(unknown <= 2 * CALLERS, "{unknown}: at most those that were in progress when the endpoint died");
    assert!(!second.requests().is_empty());
}

//! A configuration that is read again: proved first, in use for whole requests or not at all, and no call lost by it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use rustix::process::Signal;

use crate::harness::proxy::closes;
use crate::harness::{
    After, Draft, Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, PATIENCE, Proxy, Setup, Vault, endpoint,
};
use crate::harness::{eventually, log};
use crate::untrusted::{Authority, VALID, secure};

/// Without a line for each exchange.
const QUIET: &str = "info,countersign::exchange=off";

const GENERATION: &str = "countersign_config_generation";

/// Waits until so many configurations have been in use.
#[track_caller]
fn in_use(proxy: &Proxy, generation: u64) {
    let wanted = format!("\"generation\":{generation},");
    proxy.log.wait_for("reload", |line| {
        (line.contains("the configuration was read again and is in use") && line.contains(&wanted)).then_some(())
    });
}

/// Waits for the refusal of a configuration, and returns why.
#[track_caller]
fn refused(log: &log::Log, number: usize) -> String {
    let seen = std::cell::Cell::new(0);
    log.wait_for("refusal", |line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        if line["message"].as_str()?.contains("is not used: what was served before stays in use") {
            seen.set(seen.get() + 1);
        }
        (seen.get() == number).then(|| line["error"].as_str().unwrap().to_owned())
    })
}

#[test]
fn a_changed_file_is_in_use_soon_and_on_connections_that_are_open() {
    let (one, two) = (Endpoint::obliging(), Endpoint::obliging());
    let setup = Setup::to(&one);
    let proxy = setup.clone().process("workers = 2\ndanger_unconfined = true").start();
    let mut client = proxy.connect();
    client.call(&Draft::form(FORM)).expect(200);
    assert_eq!(proxy.metric(GENERATION), 1.0);
    setup.redirected(&two).process("workers = 2\ndanger_unconfined = true").publish();
    in_use(&proxy, 2);
    client.call(&Draft::form(FORM)).expect(200);
    assert_eq!((one.requests().len(), two.requests().len()), (1, 1));
    assert_eq!(proxy.metric(GENERATION), 2.0);
    assert_eq!(proxy.metric("countersign_config_last_reload_ok"), 1.0);
}

#[test]
fn two_hundred_reloads_under_load_lose_no_call_and_mix_no_two_configurations() {
    // each route has a key of its own: a request that came to one endpoint signed with the other's would show the mix
    let (one, two) = (Endpoint::obliging(), Endpoint::obliging());
    let other = Vault::with(OTHER_ID, OTHER_SECRET);
    let keys = format!("[key.other]\nfile = {:?}\nidentity_file = {:?}\n", other.key_file(), other.identity_file());
    let process = "workers = 2\ndanger_unconfined = true";
    let setup = Setup::to(&one).process(process).log("json", QUIET).more(&keys);
    let first = setup.clone();
    let second = setup.clone().redirected(&two).signed_with("other");
    let proxy = setup.start();
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = proxy.connect();
                while !over.load(Ordering::Relaxed) {
                    client.call(&Draft::form(FORM)).expect(200);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..200_u64 {
            if round % 2 == 0 {
                second.publish();
            } else {
                first.publish();
            }
            proxy.signal(Signal::HUP); // at once, where the watch of the directory would wait for quiet
            eventually("the next generation", || (proxy.metric(GENERATION) >= (round + 2) as f64).then_some(()));
        }
        over.store(true, Ordering::Relaxed);
    });
    let ids =
        |endpoint: &Endpoint| endpoint.requests().iter().map(|r| r.parameter("AWSAccessKeyId")).collect::<Vec<_>>();
    let (to_one, to_two) = (ids(&one), ids(&two));
    assert!(to_one.iter().all(|id| id == ID) && to_two.iter().all(|id| id == OTHER_ID));
    assert!(!to_one.is_empty() && !to_two.is_empty());
    assert_eq!(to_one.len() + to_two.len(), calls.load(Ordering::Relaxed), "each call reached one endpoint, once");
    let failed = proxy.metric(r#"countersign_config_reloads_total{result="refused"}"#);
    assert_eq!(failed, 0.0);
}

#[test]
fn a_bad_configuration_leaves_the_one_in_use_and_says_why() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    let cases = [
        (setup.clone().route("limits.body = \"many\""), "limits.body"),
        (setup.clone().more("[colour]\n"), "colour"),
        (setup.clone().signed_with("none"), "none"),
    ];
    let mut number = 0;
    for (bad, word) in cases {
        bad.publish();
        number += 1;
        let why = refused(&proxy.log, number);
        assert!(why.contains("the configuration cannot be used") && why.contains(word), "{why}");
        assert_eq!(proxy.metric("countersign_config_last_reload_ok"), 0.0);
        proxy.post(FORM).expect(200);
    }
    let nothing = proxy.vault.path("nothing.age");
    let key = format!("[key.b]\nfile = {nothing:?}\nidentity_file = {:?}\n", proxy.vault.identity_file());
    setup.clone().more(&key).publish();
    let why = refused(&proxy.log, number + 1);
    assert!(why.contains("key.b") && why.contains("does not exist"), "{why}");
    assert_eq!(proxy.metric(GENERATION), 1.0);
    setup.publish();
    eventually("the good configuration", || (proxy.metric("countersign_config_last_reload_ok") == 1.0).then_some(()));
    proxy.post(FORM).expect(200);
}

#[test]
fn what_a_serving_process_cannot_do_is_refused_with_the_reason() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    let elsewhere = Vault::with(OTHER_ID, OTHER_SECRET);
    let key = format!("[key.b]\nfile = {:?}\nidentity_file = {:?}\n", elsewhere.key_file(), elsewhere.identity_file());
    let cases = [
        (setup.clone().process("workers = 2"), "process.workers: has changed"),
        (setup.clone().process("workers = 1\ndanger_unconfined = true"), "process.danger_unconfined: has changed"),
        (setup.clone().log("human", "info"), "log.format: has changed"),
        (setup.clone().more("[audit]\ntarget = \"stdout\"\n"), "audit: has changed"),
        (setup.clone().more("[rates]\nstore = \"valkey://127.0.0.1:1\"\n"), "rates: has changed"),
        (setup.clone().more("[listener.b]\naddress = \"127.0.0.1:0\"\nany_local = true\n"), "listener.b: is new"),
        (
            setup.clone().redirected(&Endpoint::obliging()),
            "route.importexport.endpoint: no connection can be made to port",
        ),
        (setup.clone().more(&key), "can be read no more"),
        (
            setup.clone().more("[route.b]\nendpoint = \"https://localhost/\"\npath = \"/b\"\nkey = \"main\"\n"),
            "root certificates",
        ),
    ];
    for (number, (changed, reason)) in cases.into_iter().enumerate() {
        changed.publish();
        let why = refused(&proxy.log, number + 1);
        assert!(why.contains("a restart is needed") && why.contains(reason), "{why}");
        proxy.post(FORM).expect(200);
    }
    assert_eq!(proxy.metric(GENERATION), 1.0);
}

#[test]
fn a_listener_that_is_removed_ends_and_the_others_go_on() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().more("[listener.b]\naddress = \"127.0.0.1:0\"\nany_local = true\n").start();
    let second = proxy.listener("b");
    let mut idle = crate::harness::Client::connect(second);
    idle.call(&Draft::form(FORM)).expect(200);
    setup.publish();
    in_use(&proxy, 2);
    assert_eq!(idle.until_closed(), b"");
    eventually("the listener to close", || std::net::TcpStream::connect(second).is_err().then_some(()));
    proxy.post(FORM).expect(200);
}

#[test]
fn an_exchange_under_way_ends_as_it_began_and_counts_against_the_new_limit() {
    let (go, wait) = mpsc::channel();
    let (arrived, arrival) = mpsc::channel();
    let wait = Mutex::new(wait);
    let endpoint = Endpoint::scripted(move |exchange| {
        arrived.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        exchange.write(&endpoint::answer("200 OK", "late"));
        After::KeepOpen
    });
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    let mut first = proxy.connect();
    first.send(&Draft::form(FORM));
    arrival.recv_timeout(PATIENCE).unwrap();
    setup.route("limits.in_flight = 1").publish();
    in_use(&proxy, 2);
    let second = proxy.post(FORM);
    proxy.assert_own(&second, 503, "ServiceUnavailable", "no");
    assert!(closes(&second.head));
    go.send(()).unwrap();
    let answer = first.answer().expect(200);
    assert_eq!(answer.text(), "late");
    assert!(!closes(&answer.head), "a reload asks nobody to leave");
    go.send(()).unwrap();
    first.call(&Draft::form(FORM)).expect(200);
    // the connection to the endpoint went on, too
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 2));
}

#[test]
fn a_ca_file_is_read_again_and_a_bad_one_changes_nothing() {
    let (good, other) = (Authority::new(), Authority::new());
    let endpoint = secure(good.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "over TLS"), After::KeepOpen);
    let proxy = Setup::to(&endpoint).trusting(&good.pem).start();
    proxy.post(FORM).expect(200);
    let file = proxy.vault.path("ca.pem");
    std::fs::write(&file, "no certificate").unwrap();
    proxy.signal(Signal::HUP);
    let why = refused(&proxy.log, 1);
    assert!(why.contains("route.importexport") && why.contains("holds no certificate"), "{why}");
    proxy.post(FORM).expect(200);
    // connections that were made under the old roots are not used any more
    std::fs::write(&file, &other.pem).unwrap();
    proxy.signal(Signal::HUP);
    // not by the number of the generation: the file is noticed without a signal, too
    eventually("the other roots", || (proxy.post(FORM).status == 502).then_some(()));
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
    std::fs::write(&file, &good.pem).unwrap();
    proxy.signal(Signal::HUP);
    eventually("the good roots", || (proxy.post(FORM).status == 200).then_some(()));
    proxy.post(FORM).expect(200);
}

#[test]
fn other_callers_are_judged_from_the_next_request_on_and_the_socket_keeps_its_connections() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    let mut client = proxy.connect();
    client.call(&Draft::form(FORM)).expect(200);
    setup.callers = "authenticate = [\"token\"]";
    let digest = "0d81fc19a25422d45732c4ad71af527eedfbe8ef5a5f7a703b2c2a0b04402bb9";
    setup.more(&format!("[client.us]\ntoken_sha256 = \"{digest}\"\nallow = [\"*:*\"]\n")).publish();
    in_use(&proxy, 2);
    proxy.assert_own(&client.call(&Draft::form(FORM)), 403, "MissingAuthenticationToken", "no");
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_quota_is_counted_by_the_day_and_a_reload_forgives_no_call() {
    let endpoint = Endpoint::obliging();
    let uid = rustix::process::geteuid().as_raw();
    let client = |quota| format!("[client.us]\nuid = {uid}\nallow = [\"*:*\"]\nquota = \"{quota}/d\"\n");
    let mut setup = Setup::to(&endpoint);
    setup.callers = "authenticate = [\"loopback-owner\"]";
    let proxy = setup.clone().more(&client(2)).start();
    proxy.post(FORM).expect(200);
    proxy.post(FORM).expect(200);
    let refused = proxy.post(FORM).expect(400);
    assert_eq!(refused.element("Code"), "ProxyQuotaExceeded");
    let wait: u64 = refused.head.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=86_401).contains(&wait), "{refused:?}");
    setup.clone().more(&client(3)).publish();
    in_use(&proxy, 2);
    proxy.post(FORM).expect(200);
    assert_eq!(proxy.post(FORM).expect(400).element("Code"), "ProxyQuotaExceeded");
    assert_eq!(proxy.metric("countersign_client_quota{client=\"us\"}"), 3.0);
    assert_eq!(proxy.metric("countersign_client_quota_used{client=\"us\"}"), 3.0);
    assert_eq!(endpoint.requests().len(), 3);
}

#[test]
fn a_rate_is_not_refilled_by_a_reload() {
    let endpoint = Endpoint::obliging();
    let uid = rustix::process::geteuid().as_raw();
    let client = format!("[client.us]\nuid = {uid}\nallow = [\"*:*\"]\nrate = \"1/m\"\nburst = 2\n");
    let mut setup = Setup::to(&endpoint).more(&client);
    setup.callers = "authenticate = [\"loopback-owner\"]";
    let proxy = setup.clone().start();
    proxy.post(FORM).expect(200);
    proxy.post(FORM).expect(200);
    setup.route("limits.parameters = 7").publish();
    in_use(&proxy, 2);
    assert_eq!(proxy.post(FORM).expect(400).element("Code"), "Throttling");
}

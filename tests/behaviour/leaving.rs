//! The delay between SIGTERM and the drain: the process is not ready any more, serves all the same, and asks clients to
//! leave.

use std::net::TcpStream;

use rustix::process::Signal;

use crate::harness::proxy::closes;
use crate::harness::{Client, Draft, Endpoint, FORM, Proxy, Setup, eventually};

fn leaving(lines: &str) -> Proxy {
    let proxy = Setup::to(&Endpoint::obliging()).process(&format!("workers = 1\n{lines}")).start();
    proxy.signal(Signal::TERM);
    proxy.log.wait_for("delay", |line| line.contains("not ready any more").then_some(()));
    proxy
}

fn is_draining(proxy: &Proxy) {
    proxy.log.wait_for("drain", |line| line.contains("draining: no new connections").then_some(()));
}

#[test]
fn for_the_time_of_the_delay_the_process_is_not_ready_and_serves_new_connections() {
    let mut proxy = leaving("drain_delay = \"1h\"");
    for path in ["/readyz", "/readyz/importexport"] {
        let readiness = proxy.admin(path).expect(503).text();
        assert!(readiness.contains("the process is about to drain: requests are served"), "{readiness}");
    }
    proxy.admin("/livez").expect(200);
    let status: serde_json::Value = serde_json::from_str(&proxy.admin("/status").expect(200).text()).unwrap();
    assert_eq!(status["state"], "draining");
    for _ in 0..3 {
        proxy.post(FORM).expect(200);
    }
    assert!(!proxy.log.text().contains("draining: no new connections"));
    // the next signal ends the delay, and with it the process, because nothing is left to wait for
    proxy.signal(Signal::TERM);
    is_draining(&proxy);
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn the_drain_begins_by_itself_when_the_delay_is_over() {
    let mut proxy = leaving("drain_delay = \"100ms\"");
    is_draining(&proxy);
    eventually("the listener to close", || TcpStream::connect(proxy.address).is_err().then_some(()));
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(proxy.log.to_the_end().contains("\"drained\""));
}

#[test]
fn without_a_delay_the_drain_begins_at_once() {
    let mut proxy = Setup::to(&Endpoint::obliging()).start();
    proxy.signal(Signal::TERM);
    is_draining(&proxy);
    assert_eq!(proxy.wait().code(), Some(0));
    assert!(!proxy.log.to_the_end().contains("not ready any more"));
}

#[test]
fn in_the_delay_connections_are_asked_to_close_one_after_the_other_and_lose_no_request() {
    let proxy = Setup::to(&Endpoint::obliging()).process("workers = 1\ndrain_delay = \"20s\"").start();
    let mut clients: Vec<Client> = (0..20).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        assert!(!closes(&client.call(&Draft::form(FORM)).expect(200).head), "nobody is asked to leave before");
    }
    proxy.signal(Signal::TERM);
    proxy.log.wait_for("delay", |line| line.contains("not ready any more").then_some(()));
    let mut rounds = 0;
    while !clients.is_empty() {
        rounds += 1;
        clients.retain_mut(|client| {
            let leaves = closes(&client.call(&Draft::form(FORM)).expect(200).head);
            if leaves {
                assert_eq!(client.until_closed(), b"", "nothing follows");
            }
            !leaves
        });
    }
    assert!(rounds > 2, "all were asked to leave at the same time");
    assert!(!proxy.log.text().contains("draining: no new connections"));
}

#[test]
fn an_idle_connection_is_not_closed_before_the_drain() {
    let proxy = Setup::to(&Endpoint::obliging()).process("workers = 1\ndrain_delay = \"1h\"").start();
    let mut idle = proxy.connect();
    idle.call(&Draft::form(FORM)).expect(200);
    proxy.signal(Signal::TERM);
    proxy.log.wait_for("delay", |line| line.contains("not ready any more").then_some(()));
    for _ in 0..20 {
        proxy.post(FORM).expect(200);
    }
    idle.call(&Draft::form(FORM)).expect(200);
}

#[test]
fn the_audit_is_opened_anew_in_the_delay_as_before() {
    let setup = Setup::to(&Endpoint::obliging()).process("workers = 1\ndrain_delay = \"1h\"");
    let audit = setup.vault_path("audit.jsonl");
    let proxy = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", audit.display())).start();
    proxy.signal(Signal::TERM);
    proxy.log.wait_for("delay", |line| line.contains("not ready any more").then_some(()));
    std::fs::rename(&audit, audit.with_extension("1")).unwrap();
    proxy.signal(Signal::USR1);
    eventually("a line in the new file", || {
        proxy.post(FORM).expect(200);
        std::fs::read_to_string(&audit).is_ok_and(|text| !text.is_empty()).then_some(())
    });
}

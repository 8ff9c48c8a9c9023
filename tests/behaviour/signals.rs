//! Signals that do not end the program, and what a reload does to the log.

use std::fs;

use rustix::process::Signal;

use crate::harness::{Endpoint, FORM, Setup, eventually};

#[test]
fn sigusr1_opens_the_audit_anew_and_the_service_goes_on() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let path = setup.vault_path("audit.jsonl");
    let proxy = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", path.display())).start();
    proxy.post(FORM).expect(200);
    eventually("a line", || (fs::read_to_string(&path).unwrap().lines().count() == 1).then_some(()));
    fs::rename(&path, path.with_extension("1")).unwrap();
    proxy.signal(Signal::USR1);
    proxy.log.wait_for("signal", |line| line.contains("SIGUSR1: opening the audit anew").then_some(()));
    proxy.post(FORM).expect(200);
    let lines = || fs::read_to_string(&path).unwrap_or_default().lines().count();
    eventually("a line in the new file", || (lines() == 1).then_some(()));
}

#[test]
fn signals_without_a_meaning_are_logged_and_ignored() {
    let endpoint = Endpoint::obliging();
    let mut proxy = Setup::to(&endpoint).start();
    for (signal, name) in [
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::IO, "SIGIO"),
        (Signal::POWER, "SIGPWR"),
        (Signal::STKFLT, "SIGSTKFLT"),
    ] {
        proxy.signal(signal);
        let wanted = format!("\"signal\":\"{name}\"");
        proxy.log.wait_for(name, |line| (line.contains("it is ignored") && line.contains(&wanted)).then_some(()));
    }
    proxy.post(FORM).expect(200);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait().code(), Some(0));
}

#[test]
fn the_level_of_the_log_follows_a_reload() {
    for format in ["json", "human"] {
        let endpoint = Endpoint::obliging();
        let setup = Setup::to(&endpoint).log(format, "info,countersign::exchange=off");
        let proxy = setup.clone().start();
        let is_level = |line: &str| line.contains("the log's level is that of");
        let exchanges = || proxy.log.count(|line| line.contains("countersign::exchange") && !is_level(line));
        let reload = |level, number| {
            setup.clone().log(format, level).publish();
            eventually("the new level", || (proxy.log.count(is_level) == number).then_some(()));
        };
        proxy.post(FORM).expect(200);
        reload("debug", 1);
        assert_eq!(exchanges(), 0);
        proxy.post(FORM).expect(200);
        eventually("a line", || (exchanges() == 1).then_some(()));
        reload("debug,countersign::exchange=off", 2);
        proxy.post(FORM).expect(200);
        proxy.signal(Signal::USR2); // lines leave in their order
        proxy.log.wait_for("signal", |line| line.contains("SIGUSR2").then_some(()));
        assert_eq!(exchanges(), 1);
    }
}

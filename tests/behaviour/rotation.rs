//! Keys that change again and again under load, in every kind of store whose key can be changed from here: the endpoint
//! verifies every signature, and refuses the old key as soon as it is withdrawn.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use crate::harness::plugin::Plugin;
use crate::harness::{
    After, Draft, Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Proxy, SECRET, Setup, Vault, document, endpoint,
    eventually,
};

const KEYS: [(&str, &str); 2] = [(ID, SECRET), (OTHER_ID, OTHER_SECRET)];
const CLIENTS: usize = 4;
const ROUNDS: usize = 10;
/// What each client calls in a round at least, after the old key was withdrawn.
const CALLS: usize = 40;

/// The ids that are accepted.
type Accepted = Arc<Mutex<Vec<&'static str>>>;

fn strict_endpoint(accepted: &Accepted) -> Endpoint {
    let accepted = Arc::clone(accepted);
    Endpoint::scripted(move |exchange| {
        let id = exchange.request.parameter("AWSAccessKeyId");
        let known =
            KEYS.into_iter().find(|(known, _)| *known == id).filter(|(id, _)| accepted.lock().unwrap().contains(id));
        let good = known.is_some_and(|(id, secret)| exchange.request.verify(id, secret, None) == Ok(()));
        exchange.write(&if good {
            endpoint::answer("200 OK", "<GetStatusResponse/>")
        } else {
            endpoint::answer("403 Forbidden", "<Error><Code>InvalidClientTokenId</Code></Error>")
        });
        After::KeepOpen
    })
}

/// Rotates while clients call. `publish` puts a key into the store.
fn rotate(proxy: &Proxy, accepted: &Accepted, publish: impl Fn(&str, &str)) {
    struct EndOnDrop<'a>(&'a AtomicBool);
    impl Drop for EndOnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed); // a panic on the way ends the clients too
        }
    }
    let (over, calls) = (AtomicBool::new(false), [const { AtomicUsize::new(0) }; CLIENTS]);
    let each_called = |more: usize| {
        let before: Vec<usize> = calls.iter().map(|calls| calls.load(Ordering::SeqCst)).collect();
        let reached = || calls.iter().zip(&before).all(|(now, before)| now.load(Ordering::SeqCst) >= before + more);
        eventually("calls of every client", || reached().then_some(()));
    };
    std::thread::scope(|scope| {
        for calls in &calls {
            scope.spawn(|| {
                let mut client = proxy.connect();
                while !over.load(Ordering::Relaxed) {
                    client.call(&Draft::form(FORM)).expect(200);
                    calls.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _end = EndOnDrop(&over);
        for round in 1..=ROUNDS {
            let (id, secret) = KEYS[round % 2];
            accepted.lock().unwrap().push(id);
            publish(id, secret);
            let seen = Cell::new(0);
            proxy.log.wait_for("change of the key", |line| {
                seen.set(seen.get() + usize::from(line.contains("a changed key is in use")));
                (seen.get() == round).then_some(())
            });
            // what was signed before the change is answered: every call of a client ends before its next begins
            each_called(2);
            *accepted.lock().unwrap() = vec![id];
            each_called(CALLS);
        }
    });
    let total: usize = calls.iter().map(|calls| calls.load(Ordering::SeqCst)).sum();
    assert!(total >= ROUNDS * CLIENTS * CALLS, "{total}");
}

fn start(vault: Vault, accepted: &Accepted, lines: &str) -> Proxy {
    let endpoint = strict_endpoint(accepted);
    let setup = Setup::to(&endpoint).vault(vault).process("workers = 2").log("json", "info,countersign::exchange=off");
    setup.key(lines).start()
}

#[test]
fn a_sealed_key_rotates_without_a_failed_call_or_one_signed_with_a_withdrawn_key() {
    let accepted = Arc::new(Mutex::new(vec![ID]));
    let vault = Vault::with(ID, SECRET);
    let lines = vault.sealed_lines();
    let proxy = start(vault, &accepted, &lines);
    rotate(&proxy, &accepted, |id, secret| proxy.vault.publish(id, secret, ""));
}

#[test]
fn a_plain_key_rotates_without_a_failed_call_or_one_signed_with_a_withdrawn_key() {
    let accepted = Arc::new(Mutex::new(vec![ID]));
    let vault = Vault::empty();
    let file = vault.put("key.json", &document(ID, SECRET, ""));
    let proxy = start(vault, &accepted, &format!("kind = \"file\"\nfile = {file:?}"));
    rotate(&proxy, &accepted, |id, secret| {
        proxy.vault.put("key.json", &document(id, secret, ""));
    });
}

#[test]
fn a_key_that_a_plugin_opens_rotates_without_a_failed_call_or_one_signed_with_a_withdrawn_key() {
    let accepted = Arc::new(Mutex::new(vec![ID]));
    let vault = Vault::empty();
    let plugin = Plugin::install(&vault);
    plugin.publish(&vault, ID, SECRET);
    let endpoint = strict_endpoint(&accepted);
    let setup = Setup::to(&endpoint).vault(vault).process("workers = 2").log("json", "info,countersign::exchange=off");
    let lines = plugin.lines(setup.of_vault());
    let proxy = setup.key(&lines).start_with(|command| plugin.beside(command));
    rotate(&proxy, &accepted, |id, secret| plugin.publish(&proxy.vault, id, secret));
}

#[test]
fn a_printed_key_rotates_without_a_failed_call_or_one_signed_with_a_withdrawn_key() {
    let accepted = Arc::new(Mutex::new(vec![ID]));
    let vault = Vault::empty();
    let file = vault.put("key.json", &document(ID, SECRET, ""));
    let program = vault.program("fetch", &format!("cat {file:?}"));
    let proxy = start(vault, &accepted, &format!("kind = \"process\"\ncommand = {program}"));
    rotate(&proxy, &accepted, |id, secret| {
        proxy.vault.put("key.json", &document(id, secret, ""));
        proxy.signal(Signal::HUP);
    });
}

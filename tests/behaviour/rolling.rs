//! One process after another on a socket that outlives them, as systemd's socket activation has it: no call is lost.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;

use crate::harness::proxy::closes;
use crate::harness::{Client, Draft, Endpoint, FORM, Proxy, Setup};

const QUIET: &str = "info,countersign::exchange=off";

/// Starts a process that is handed `socket` as systemd would: descriptor 3, and the variables that say so.
fn successor(setup: &Setup, socket: &TcpListener) -> Proxy {
    let socket: OwnedFd = socket.try_clone().unwrap().into();
    let program = setup.command("run");
    let mut handed = Command::new("sh");
    let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_FDNAMES=web; LISTEN_PID=$$ exec \"$0\" \"$@\"";
    handed.args(["-c", script]).arg(program.get_program()).args(program.get_args());
    handed.env_remove("NOTIFY_SOCKET");
    setup.start_command(&mut handed, Stdio::from(socket))
}

#[test]
fn a_rolling_restart_on_an_inherited_socket_loses_no_call() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint).process("workers = 2").log("json", QUIET);
    setup.address = "systemd:web";
    let mut proxy = successor(&setup, &socket);
    let (over, calls, reconnected) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // two that keep their connection until they are asked to leave, two that make one for each call
        for nth in 0..4 {
            let (over, calls, reconnected) = (&over, &calls, &reconnected);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                while !over.load(Ordering::Relaxed) {
                    let answer = client.call(&Draft::form(FORM)).expect(200);
                    calls.fetch_add(1, Ordering::Relaxed);
                    if closes(&answer.head) {
                        reconnected.fetch_add(1, Ordering::Relaxed);
                    }
                    if closes(&answer.head) || nth % 2 == 0 {
                        client = Client::connect(address);
                    }
                }
            });
        }
        for _ in 0..5 {
            let next = successor(&setup, &socket);
            let mut last = std::mem::replace(&mut proxy, next);
            last.signal(Signal::TERM);
            assert_eq!(last.wait().code(), Some(0));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(endpoint.requests().len(), calls.load(Ordering::Relaxed));
    assert!(reconnected.load(Ordering::Relaxed) > 0, "clients were asked to leave, and did");
}

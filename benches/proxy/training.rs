//! Puts a load on an instrumented program: requests as users send them, and refused requests, in less than a minute.
//!
//! `packaging/build-release` runs it. The instrumented program counts what it executes and writes the counts when it
//! ends; the released program is optimised by them. This is an example and not a benchmark, because cargo builds
//! countersign before it builds a benchmark.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code
)] // as in the benchmark, of which it uses a part

mod arguments;
mod callers;
mod certificates;
mod configurations;
mod ends;
mod odd_requests;
mod peers;
mod socket;
mod stage;
mod system;
mod wire;
mod works;

use std::time::Duration;

use arguments::Build;
use callers::Callers;
use ends::ask;
use peers::{Peer, Started};
use socket::{Address, Socket};
use stage::Stage;
use wire::{Pace, Wire};
use works::{PLAIN, Setting, WORKS};

/// Without confinement: a confined program may not write its counts.
const JSON: &str = "danger_unconfined = true\n[log]\nformat = \"json\"\n";
const HUMAN: &str = "danger_unconfined = true\n[log]\nformat = \"human\"\n";
const DIALECTS: [&str; 3] = ["openstack", "alibaba-rpc", "eucalyptus"];
const EACH: Duration = Duration::from_millis(1200);
const SHORT: Duration = Duration::from_millis(300);
/// Bytes that are sent in forms of each size above 1 KB. With more, the counts of all other code would look small.
const LARGE: usize = 8 << 20;
/// Works with larger forms than this are left out, in bytes.
const LARGEST: usize = 1 << 20;

fn main() {
    let file = std::env::args_os().nth(1).unwrap_or_else(|| panic!("usage: training PROGRAM")).into();
    let training =
        Training { stage: Stage::new(), peer: Peer::Countersign(Build { label: "instrumented".to_owned(), file }) };
    system::raise_descriptors();
    if std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        system::pin(system::LOAD_CPU);
    }
    for work in WORKS.iter().filter(|work| work.form <= LARGEST) {
        println!("{}", work.name);
        training.episode(Setting { more: JSON, ..work.setting }, |wire, proxy| {
            let callers = training.stage.callers(work.setting, work.form);
            let each = LARGE.div_ceil(work.form * work.connections) as u64;
            wire.connect(&proxy.address, work.connections, &callers);
            wire.run(Pace::Closed, EACH, (work.form > 1024).then_some(each));
        });
    }
    for dialect in DIALECTS {
        let profile = format!("profile.dialect = \"{dialect}\"\n").leak();
        training.episode(Setting { profile, more: HUMAN, ..PLAIN }, |wire, proxy| {
            wire.connect(&proxy.address, 8, &training.stage.callers(PLAIN, 120));
            wire.run(Pace::Closed, SHORT, None);
        });
    }
    training.episode(Setting { more: JSON, ..PLAIN }, operated);
}

struct Training {
    stage: Stage,
    peer: Peer,
}

impl Training {
    /// Runs the program once, from its start to its end by SIGTERM.
    fn episode(&self, setting: Setting, load: impl FnOnce(&mut Wire, &Started)) {
        let mut wire = Wire::new();
        let proxy = self.stage.start(&self.peer, &mut wire, setting);
        load(&mut wire, &proxy);
        wire.finish();
        wire.hang_up();
        proxy.stop();
    }
}

/// Unusual spellings with and without pauses, refused requests, scrapes of the metrics, and a reload.
fn operated(wire: &mut Wire, proxy: &Started) {
    let all = |requests: Vec<String>| Callers {
        tls: None,
        requests: requests.into_iter().map(|request| request.into_bytes().into()).collect(),
    };
    wire.connect(&proxy.address, 16, &all(odd_requests::accepted()));
    wire.run(Pace::Closed, EACH, None);
    wire.finish();
    wire.run(Pace::Open(1000), EACH, None);
    let refused = all(odd_requests::refused());
    for turn in 0..50 {
        for request in &*refused.requests {
            let response = once(wire, &proxy.address, request);
            assert!(response.starts_with("HTTP/1.1 4"), "{}\n{response}", String::from_utf8_lossy(request));
        }
        if turn % 10 == 0 {
            for path in ["livez", "readyz", "metrics"] {
                let request = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
                let response = once(wire, &Address::Tcp(proxy.admin), request.as_bytes());
                assert!(response.starts_with("HTTP/1.1 200"), "{response}");
            }
        }
    }
    proxy.signal(rustix::process::Signal::HUP);
    wire.finish();
    wire.run(Pace::Closed, SHORT, None);
}

/// Sends one request over a connection of its own, and returns the response.
fn once(wire: &mut Wire, address: &Address, request: &[u8]) -> String {
    let mut socket = Socket::connect(address, None).unwrap();
    let turn = || {
        wire.run(Pace::Silent, Duration::from_micros(100), None);
    };
    String::from_utf8_lossy(&ask(&mut socket, request, turn)).into_owned()
}

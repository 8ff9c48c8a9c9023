//! What stands around the program in these tests: keys, configuration, clients, and endpoints that do what a test
//! wants.

#![allow(dead_code, unused_imports)] // each test program uses its part

pub mod client;
pub mod clients;
pub mod endpoint;
pub mod free_port;
pub mod keys;
pub mod log;
pub mod own_process;
pub mod plugin;
pub mod program;
pub mod proxy;
pub mod running;
pub mod scene;
pub mod wire;

use std::time::Duration;

pub use client::{Answer, Client, Draft, Ending};
pub use endpoint::{After, Endpoint, Exchange, Received};
pub use free_port::free_port;
pub use keys::{Vault, document};
pub use own_process::own_process;
pub use program::{Outcome, program, started_by};
pub use proxy::{Proxy, Setup};
pub use running::Running;

/// How long anything is waited for before a test fails. Nothing is expected to take this long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// AWS's documented example keys.
pub const ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub const OTHER_ID: &str = "AKIAI44QH8DHBEXAMPLE";
pub const OTHER_SECRET: &str = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY";

/// The form of the reference request.
pub const FORM: &str = "Action=GetStatus&JobId=JOBID&Version=2010-06-03";
/// A form whose Action must not be carried out twice.
pub const CREATE: &str = "Action=CreateJob&JobType=Import&Manifest=m&ValidateOnly=false&Version=2010-06-03";

/// Waits until `condition` gives something, looking again every few milliseconds.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = condition() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5)); // between two looks; nothing depends on its length
    }
    panic!("{what}: not within {} seconds", PATIENCE.as_secs());
}

/// How long `attempt` takes, which measures itself. Where that is longer than `limit` it is made again, up to twice:
/// a busy machine may be late once, and what waits for something else is late each time.
pub fn at_best(limit: Duration, mut attempt: impl FnMut() -> Duration) -> Duration {
    let mut best = attempt();
    for _ in 0..2 {
        if best > limit {
            best = best.min(attempt());
        }
    }
    best
}

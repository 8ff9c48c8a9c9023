//! Measures countersign beside nginx and HAProxy: the same work for each, in turn, in several rounds.
//!
//! `cargo bench --bench proxy` measures cargo's own build and, if `packaging/build-release` made it, the profile-guided
//! one. `-- --help` prints the options, and docs/development/benchmarking.md explains them. Most figures are ratios to
//! nginx's `proxy_pass`, which signs nothing and logs nothing; countersign authenticates the client, decides, signs,
//! forwards, writes a log line and counts. The benchmark needs nginx, haproxy, taskset and strace (Debian packages
//! nginx, haproxy, util-linux, strace) and two processors that do nothing else.
//!
//! - What is measured: `works` has the kinds of requests, `measure` the figures of load, `footprint` those of start and
//!   memory, `streaming` that of large responses, `bare_hash` the MAC alone.
//! - The proxies: `peers` starts them, `configurations` writes their configurations, `stage` has what they share.
//! - The load and the endpoint: `wire` runs both in one thread, `ends` has the client and the server of a connection,
//!   `callers` the requests and how clients identify themselves, `socket` and `certificates` what they need for TLS.
//! - The results: `report` keeps them, `plot` draws them, `history` stores them.
//! - `training` is another program, an example: it uses these modules, and `odd_requests`, to make the load of
//!   `packaging/build-release`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub
)] // a benchmark fails by panicking

mod arguments;
mod bare_hash;
mod callers;
mod certificates;
mod configurations;
mod ends;
mod footprint;
mod history;
mod measure;
mod peers;
mod plot;
mod report;
mod socket;
mod stage;
mod streaming;
mod system;
mod wire;
mod works;

use std::path::Path;

use arguments::Arguments;
use history::Run;
use measure::{Bench, Plan, QUICK, WHOLE};
use peers::Peer;
use report::Report;
use stage::Stage;

fn main() {
    let Some(arguments) = Arguments::of_bench() else { return };
    let builds = arguments.builds(Path::new(env!("CARGO_BIN_EXE_countersign")));
    let others = [Peer::Nginx, Peer::Haproxy].into_iter();
    let others = others.filter(|peer| !arguments.without.iter().any(|label| label == peer.label()));
    let peers: Vec<Peer> = others.chain(builds.into_iter().map(Peer::Countersign)).collect();
    let plan = if arguments.quick { QUICK } else { WHOLE };
    let plan = Plan { rounds: arguments.rounds.unwrap_or(plan.rounds), ..plan };
    system::raise_descriptors();
    system::pin(system::LOAD_CPU);
    let bench = Bench { stage: Stage::new(), plan, peers: &peers, arguments: &arguments };
    let mut report = Report::new(&peers);
    bench.throughput(&mut report);
    bench.latency(&mut report);
    bench.uneven(&mut report);
    bench.streams(&mut report);
    bench.starts(&mut report);
    bench.memory(&mut report);
    println!("{}", report.table());
    let run = Run::of(&report);
    if let Some(file) = &arguments.json {
        run.write(file);
    }
    let history = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/proxy/history.jsonl");
    if arguments.keep {
        run.append(&history);
    }
    if let Some(file) = &arguments.svg {
        std::fs::write(file, plot::svg(&report, &history)).unwrap();
    }
    if let Some(before) = arguments.against.as_deref().map(Run::read) {
        let worse = run.worse_than(&before);
        println!("Worse than at {} by more than the rounds differ: {}", before.commit, worse.len());
        worse.iter().for_each(|figure| println!("- {figure}"));
    }
}

//! countersign beside nginx and HAProxy: the same work, one processor each, in turn, several rounds.
//!
//! `cargo bench --bench proxy` takes about seven minutes; `-- --quick` less than one. `--json FILE` and `--svg FILE`
//! write the figures and a plot. nginx's `proxy_pass`, which signs nothing and logs nothing, is 1; countersign
//! authenticates the client by its token, decides, signs, forwards, writes a log line and counts. Wants nginx, haproxy,
//! taskset and strace (Debian packages nginx, haproxy, util-linux, strace) and two processors with nothing else to do.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub
)] // a benchmark fails by panicking

mod peers;
mod report;
mod streaming;
mod system;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peers::{Endpoint, PEERS, Peer, Started, TOKEN};
use report::Report;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use wire::{Pace, Wire};

/// How much is measured.
struct Plan {
    rounds: usize,
    each: Duration,
    streamed: u32,
    slow: Duration,
    idle: usize,
    starts: usize,
}

const QUICK: Plan = Plan {
    rounds: 1,
    each: Duration::from_millis(1000),
    streamed: 3,
    slow: Duration::from_secs(1),
    idle: 1000,
    starts: 3,
};
const WHOLE: Plan = Plan {
    rounds: 5,
    each: Duration::from_secs(3),
    streamed: 10,
    slow: Duration::from_secs(3),
    idle: 5000,
    starts: 10,
};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    if !arguments.iter().any(|argument| argument == "--bench") {
        return; // cargo test only wants to know that it builds
    }
    let plan = if arguments.iter().any(|argument| argument == "--quick") { QUICK } else { WHOLE };
    system::raise_descriptors();
    system::pin_load();
    let directory = tempfile::tempdir().unwrap();
    let mut report = Report::default();
    let bench = Bench { directory: directory.path(), tls: tls(directory.path()), plan };
    bench.throughput(&mut report);
    bench.latency(&mut report);
    bench.streams(&mut report);
    bench.footprint(&mut report);
    println!("{}", report.table());
    if let Some(file) = value("--json") {
        std::fs::write(file, report.json()).unwrap();
    }
    if let Some(file) = value("--svg") {
        std::fs::write(file, report.svg()).unwrap();
    }
}

struct Bench<'a> {
    directory: &'a Path,
    tls: Arc<ServerConfig>,
    plan: Plan,
}

/// A kind of work.
struct Work {
    name: &'static str,
    form: usize,
    connections: usize,
    tls: bool,
    workers: usize,
}

const WORKS: [Work; 5] = [
    Work { name: "120 B, 32 connections", form: 120, connections: 32, tls: false, workers: 1 },
    Work { name: "120 B, 128 connections", form: 120, connections: 128, tls: false, workers: 1 },
    Work { name: "120 B, HTTPS endpoint", form: 120, connections: 32, tls: true, workers: 1 },
    Work { name: "32 KB, 32 connections", form: 32 * 1024, connections: 32, tls: false, workers: 1 },
    Work { name: "120 B, 2 workers", form: 120, connections: 32, tls: false, workers: 2 },
];

impl Bench<'_> {
    /// A proxy with its endpoint on `wire`.
    fn start(&self, peer: Peer, wire: &mut Wire, tls: bool, workers: usize, request: &[u8]) -> Started {
        let address = wire.listen(tls.then(|| Arc::clone(&self.tls)));
        let endpoint = Endpoint { address, ca: tls.then(|| self.directory.join("ca.pem")) };
        let began = Instant::now();
        let started = peer.start(self.directory, &endpoint, workers);
        started.wait(began, request, || {
            wire.run(Pace::Silent, Duration::from_micros(200), None);
        })
    }

    fn throughput(&self, report: &mut Report) {
        for _ in 0..self.plan.rounds {
            for work in &WORKS {
                for peer in PEERS {
                    let request = request(work.form);
                    let mut wire = Wire::new();
                    let proxy = self.start(peer, &mut wire, work.tls, work.workers, &request);
                    let pids = proxy.pids();
                    wire.connect(proxy.address, work.connections, &request);
                    wire.run(Pace::Closed, self.plan.each / 4, None);
                    settle(&mut wire);
                    let before = system::cpu(&pids);
                    let load = wire.run(Pace::Closed, self.plan.each, None);
                    let cpu = system::cpu(&pids).saturating_sub(before);
                    let answers = load.answers as f64;
                    report.add(
                        &format!("CPU per request: {}", work.name),
                        "us",
                        peer,
                        cpu.as_secs_f64() * 1e6 / answers,
                    );
                    if work.workers == 1 {
                        let rate = answers / load.elapsed.as_secs_f64();
                        report.add(&format!("requests/s: {}", work.name), "1/s", peer, rate);
                    }
                }
            }
        }
    }

    /// How long an answer takes at a rate far from a proxy's limit. What it would take without one is not subtracted:
    /// where both processors sleep between requests, that is no less.
    fn latency(&self, report: &mut Report) {
        const RATE: u32 = 2000;
        for _ in 0..self.plan.rounds {
            let request = request(120);
            for peer in PEERS {
                let mut wire = Wire::new();
                let proxy = self.start(peer, &mut wire, false, 1, &request);
                wire.connect(proxy.address, 32, &request);
                wire.run(Pace::Open(RATE), self.plan.each / 4, None);
                settle(&mut wire);
                let through = percentiles(wire.run(Pace::Open(RATE), self.plan.each, None).latencies);
                report.add("latency at 2000/s: p50", "us", peer, through.0);
                report.add("latency at 2000/s: p99", "us", peer, through.1);
            }
        }
    }

    fn streams(&self, report: &mut Report) {
        let request = request(120);
        for _ in 0..self.plan.rounds {
            for peer in PEERS {
                let directory = self.directory.join("streaming");
                let streamed = streaming::measure(peer, &directory, &request, self.plan.streamed, self.plan.slow);
                report.add("100 MB answers", "MB/s", peer, streamed.throughput / 1e6);
                report.add("100 MB answers, slow reader too: peak RSS", "KiB", peer, streamed.peak as f64);
            }
        }
    }

    /// Start, memory, system calls.
    fn footprint(&self, report: &mut Report) {
        let request = request(120);
        for peer in PEERS {
            for _ in 0..self.plan.starts {
                let started = self.start(peer, &mut Wire::new(), false, 1, &request);
                report.add("cold start to the first answer", "ms", peer, started.first_answer.as_secs_f64() * 1e3);
            }
            let mut wire = Wire::new();
            let proxy = self.start(peer, &mut wire, false, 1, &request);
            let pids = proxy.pids();
            let resident = system::memory(&pids, "VmRSS:");
            report.add("RSS after start", "KiB", peer, resident as f64);
            wire.connect(proxy.address, 32, &request);
            let calls = system::system_calls(&pids, || wire.run(Pace::Closed, self.plan.each, None).answers);
            report.add("system calls per request", "", peer, calls);
            wire.hang_up();
            let resident = system::memory(&pids, "VmRSS:");
            wire.connect(proxy.address, self.plan.idle, &request);
            wire.run(Pace::Closed, Duration::from_secs(20), Some(1));
            let grown = system::memory(&pids, "VmRSS:").saturating_sub(resident);
            report.add("RSS per idle client connection", "KiB", peer, grown as f64 / self.plan.idle as f64);
        }
    }
}

/// Lets every client have the answer it waits for, so that the next run begins with none under way.
fn settle(wire: &mut Wire) {
    wire.finish(Duration::from_secs(5));
}

/// p50 and p99, in microseconds.
fn percentiles(mut latencies: Vec<Duration>) -> (f64, f64) {
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    (at(0.5), at(0.99))
}

/// A request whose form has about `size` bytes.
fn request(size: usize) -> Vec<u8> {
    let fixed = "Action=GetStatus&JobId=JOBID&Version=2010-06-03&Manifest=";
    let text = "deviceId: HD-0001\neraseDevice: yes\n".repeat(size / 35 + 1);
    let escaped: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let mut cut = size.saturating_sub(fixed.len()).min(escaped.len());
    while escaped[..cut].ends_with('%') || escaped[..cut.max(1) - 1].ends_with('%') {
        cut -= 1;
    }
    let form = format!("{fixed}{}", &escaped[..cut]);
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

/// An endpoint's certificate and key; its authority goes to `ca.pem`.
fn tls(directory: &Path) -> Arc<ServerConfig> {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    let mut authority = CertificateParams::new([]).unwrap();
    // a name of its own: OpenSSL takes a leaf whose issuer has its name for self-signed
    authority.distinguished_name.push(DnType::CommonName, "Benchmark authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    let provider = countersign::trust::provider();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Arc::new(config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap())
}

//! The rounds: each peer does the same work in turn.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::arguments::Arguments;
use super::peers::{Endpoint, Peer, Started};
use super::report::{Beside, Figure, Report};
use super::wire::{Pace, Wire};
use super::works::{PLAIN, Setting, WORKS, Work, request};
use super::{streaming, system};

/// How much is measured.
pub struct Plan {
    pub rounds: usize,
    pub each: Duration,
    pub streamed: u32,
    pub slow: Duration,
    pub idle: usize,
    pub starts: usize,
}

pub const QUICK: Plan = Plan {
    rounds: 1,
    each: Duration::from_millis(1000),
    streamed: 3,
    slow: Duration::from_secs(1),
    idle: 1000,
    starts: 3,
};
pub const WHOLE: Plan = Plan {
    rounds: 5,
    each: Duration::from_secs(3),
    streamed: 10,
    slow: Duration::from_secs(3),
    idle: 5000,
    starts: 10,
};

pub struct Bench<'a> {
    pub directory: &'a Path,
    pub tls: Arc<ServerConfig>,
    pub plan: Plan,
    pub peers: &'a [Peer],
    pub arguments: &'a Arguments,
}

impl Bench<'_> {
    /// A proxy with its endpoint on `wire`.
    fn start(&self, peer: &Peer, wire: &mut Wire, setting: Setting, request: &[u8]) -> Started {
        let address = wire.listen(setting.tls.then(|| Arc::clone(&self.tls)));
        let endpoint = Endpoint { address, ca: setting.tls.then(|| self.directory.join("ca.pem")) };
        let began = Instant::now();
        let started = peer.start(self.directory, &endpoint, setting);
        started.wait(began, request, || {
            wire.run(Pace::Silent, Duration::from_micros(200), None);
        })
    }

    pub fn throughput(&self, report: &mut Report) {
        let figures =
            |work: &Work| ["CPU per request", "requests/s"].map(|measured| format!("{measured}: {}", work.name));
        for _ in 0..self.plan.rounds {
            for work in &WORKS {
                let [cpu, rate] = figures(work);
                if self.arguments.wants(&[&cpu, &rate]) {
                    self.peers.iter().filter(|peer| work.fits(peer)).for_each(|peer| self.load(work, peer, report));
                }
            }
        }
    }

    fn load(&self, work: &Work, peer: &Peer, report: &mut Report) {
        let figure = |measured, unit| Figure { measured, work: work.name, unit, beside: work.beside };
        let request = request(work.form);
        let mut wire = Wire::new();
        let proxy = self.start(peer, &mut wire, work.setting, &request);
        let pids = proxy.pids();
        wire.connect(proxy.address, work.connections, &request);
        wire.run(Pace::Closed, self.plan.each / 4, None);
        settle(&mut wire);
        let before = system::cpu(&pids);
        let load = wire.run(Pace::Closed, self.plan.each, None);
        let cpu = system::cpu(&pids).saturating_sub(before);
        let answers = load.answers as f64;
        report.add(figure("CPU per request", "us"), peer, cpu.as_secs_f64() * 1e6 / answers);
        if work.setting.workers == 1 {
            report.add(figure("requests/s", "1/s"), peer, answers / load.elapsed.as_secs_f64());
        }
    }

    /// How long an answer takes at a rate far from a proxy's limit. What it would take without one is not subtracted:
    /// where both processors sleep between requests, that is no less.
    pub fn latency(&self, report: &mut Report) {
        const RATE: u32 = 2000;
        const FIGURES: [&str; 2] = ["latency at 2000/s: p50", "latency at 2000/s: p99"];
        let rounds = if self.arguments.wants(&FIGURES) { self.plan.rounds } else { 0 };
        for _ in 0..rounds {
            let request = request(120);
            for peer in self.peers {
                let mut wire = Wire::new();
                let proxy = self.start(peer, &mut wire, PLAIN, &request);
                wire.connect(proxy.address, 32, &request);
                wire.run(Pace::Open(RATE), self.plan.each / 4, None);
                settle(&mut wire);
                let (p50, p99) = percentiles(wire.run(Pace::Open(RATE), self.plan.each, None).latencies);
                report.add(whole(FIGURES[0], "us"), peer, p50);
                report.add(whole(FIGURES[1], "us"), peer, p99);
            }
        }
    }

    pub fn streams(&self, report: &mut Report) {
        const FIGURES: [&str; 2] = ["100 MB answers", "100 MB answers, slow reader too: peak RSS"];
        let rounds = if self.arguments.wants(&FIGURES) { self.plan.rounds } else { 0 };
        let request = request(120);
        for _ in 0..rounds {
            for peer in self.peers {
                let directory = self.directory.join("streaming");
                let streamed = streaming::measure(peer, &directory, &request, self.plan.streamed, self.plan.slow);
                report.add(whole(FIGURES[0], "MB/s"), peer, streamed.throughput / 1e6);
                report.add(whole(FIGURES[1], "KiB"), peer, streamed.peak as f64);
            }
        }
    }

    /// Start, memory, system calls.
    pub fn footprint(&self, report: &mut Report) {
        const START: &str = "cold start to the first answer";
        const FIGURES: [&str; 3] = ["RSS after start", "system calls per request", "RSS per idle client connection"];
        let request = request(120);
        let starts = if self.arguments.wants(&[START]) { self.plan.starts } else { 0 };
        for _ in 0..starts {
            for peer in self.peers {
                let started = self.start(peer, &mut Wire::new(), PLAIN, &request);
                report.add(whole(START, "ms"), peer, started.first_answer.as_secs_f64() * 1e3);
            }
        }
        if !self.arguments.wants(&FIGURES) {
            return;
        }
        for peer in self.peers {
            let mut wire = Wire::new();
            let proxy = self.start(peer, &mut wire, PLAIN, &request);
            let pids = proxy.pids();
            let resident = system::memory(&pids, "VmRSS:");
            report.add(whole(FIGURES[0], "KiB"), peer, resident as f64);
            wire.connect(proxy.address, 32, &request);
            let calls = system::system_calls(&pids, || wire.run(Pace::Closed, self.plan.each, None).answers);
            report.add(whole(FIGURES[1], ""), peer, calls);
            wire.hang_up();
            let resident = system::memory(&pids, "VmRSS:");
            wire.connect(proxy.address, self.plan.idle, &request);
            wire.run(Pace::Closed, Duration::from_secs(20), Some(1));
            let grown = system::memory(&pids, "VmRSS:").saturating_sub(resident);
            report.add(whole(FIGURES[2], "KiB"), peer, grown as f64 / self.plan.idle as f64);
        }
    }
}

/// A figure that belongs to no work of the list.
const fn whole(measured: &'static str, unit: &'static str) -> Figure {
    Figure { measured, work: "", unit, beside: Beside::Nginx }
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

//! The figures of load: in each round, every peer does the same work in turn.

use std::time::Duration;

use super::arguments::Arguments;
use super::peers::Peer;
use super::report::{Figure, Report};
use super::stage::Stage;
use super::wire::{Pace, Wire};
use super::works::{Beside, GROWTHS, PLAIN, Setting, WORKS, Work};
use super::{bare_hash, system};

/// How much is measured.
pub struct Plan {
    pub rounds: usize,
    pub each: Duration,
    pub streamed: u32,
    pub slow: Duration,
    pub starts: usize,
}

pub const QUICK: Plan =
    Plan { rounds: 1, each: Duration::from_millis(1000), streamed: 3, slow: Duration::from_secs(1), starts: 3 };
pub const WHOLE: Plan =
    Plan { rounds: 5, each: Duration::from_secs(3), streamed: 10, slow: Duration::from_secs(3), starts: 10 };

pub struct Bench<'a> {
    pub stage: Stage,
    pub plan: Plan,
    pub peers: &'a [Peer],
    pub arguments: &'a Arguments,
}

const CPU: &str = "CPU per request";
const RATE: &str = "requests/s";
const OVER_HASH: &str = "CPU over bare HMAC-SHA256";
const PER_KB: &str = "CPU per added KB";

impl Bench<'_> {
    /// Rounds in which one of these figures is wanted.
    pub fn rounds(&self, figures: &[&str]) -> usize {
        if self.arguments.wants(figures) { self.plan.rounds } else { 0 }
    }

    pub fn throughput(&self, report: &mut Report) {
        for _ in 0..self.plan.rounds {
            for work in &WORKS {
                // also when only a figure that is compared with this work is wanted
                let works = WORKS.iter().filter(|other| {
                    other.name == work.name || matches!(other.beside, Beside::Own(name) if name == work.name)
                });
                let figures = |work: &Work| [CPU, RATE, OVER_HASH].map(|measured| format!("{measured}: {}", work.name));
                let names: Vec<String> = works.flat_map(figures).collect();
                if self.arguments.wants(&names.iter().map(String::as_str).collect::<Vec<_>>()) {
                    self.peers.iter().filter(|peer| peer.does(work)).for_each(|peer| self.load(work, peer, report));
                }
            }
        }
        report.growth(CPU, PER_KB, &GROWTHS);
    }

    fn load(&self, work: &Work, peer: &Peer, report: &mut Report) {
        let mut wire = Wire::new();
        let proxy = self.stage.start(peer, &mut wire, work.setting);
        let pids = proxy.pids();
        wire.connect(&proxy.address, work.connections, &self.stage.callers(work.setting, work.form));
        wire.run(Pace::Closed, self.plan.each / 4, None);
        wire.finish();
        let before = system::cpu(&pids);
        let load = wire.run(Pace::Closed, self.plan.each, None);
        let answers = load.answers + wire.finish();
        let cpu = system::cpu(&pids).saturating_sub(before).as_secs_f64() * 1e6 / answers as f64;
        report.add(Figure { measured: CPU, work: work.name, unit: "us", beside: work.beside }, peer, cpu);
        if work.setting.workers == 1 {
            let rate = load.answers as f64 / load.elapsed.as_secs_f64();
            report.add(Figure { measured: RATE, work: work.name, unit: "1/s", beside: work.beside }, peer, rate);
        }
        if work.form >= 32 * 1024 && matches!(peer, Peer::Countersign(_)) {
            let figure = Figure { measured: OVER_HASH, work: work.name, unit: "", beside: Beside::Nothing };
            report.add(figure, peer, cpu / bare_hash::cpu(work.form).as_secs_f64() / 1e6);
        }
    }

    /// How long a response takes at a rate far below a proxy's limit. The time without a proxy is not subtracted: when
    /// both processors sleep between requests, a request straight to the endpoint takes no less.
    pub fn latency(&self, report: &mut Report) {
        const FIGURES: [&str; 2] = ["latency at 2000/s: p50", "latency at 2000/s: p99"];
        for _ in 0..self.rounds(&FIGURES) {
            for peer in self.peers {
                let (p50, p99) = self.answer_times(peer, PLAIN, 0);
                report.add(Figure::of(FIGURES[0], "us"), peer, p50);
                report.add(Figure::of(FIGURES[1], "us"), peer, p99);
            }
        }
    }

    /// The same while four more connections send forms of 32 KB without a pause. If one worker has more of these four
    /// than another, its other connections wait.
    pub fn uneven(&self, report: &mut Report) {
        const FIGURE: &str = "p99 beside 4 busy connections";
        let works = [(1, "1 worker", Beside::Nginx), (2, "2 workers", Beside::Own("1 worker"))];
        for _ in 0..self.rounds(&[FIGURE]) {
            for peer in self.peers {
                for (workers, work, beside) in works {
                    let (_, p99) = self.answer_times(peer, Setting { workers, ..PLAIN }, 4);
                    report.add(Figure { measured: FIGURE, work, unit: "us", beside }, peer, p99);
                }
            }
        }
    }

    /// p50 and p99, in microseconds, of 2,000 small requests a second over 32 connections, beside `busy` other ones.
    fn answer_times(&self, peer: &Peer, setting: Setting, busy: usize) -> (f64, f64) {
        let pace = Pace::Open(2000);
        let mut wire = Wire::new();
        let proxy = self.stage.start(peer, &mut wire, setting);
        wire.connect_busy(&proxy.address, busy, &self.stage.callers(PLAIN, 32 * 1024));
        wire.connect(&proxy.address, 32, &self.stage.callers(setting, 120));
        wire.run(pace, self.plan.each / 4, None);
        wire.finish();
        let times = percentiles(wire.run(pace, self.plan.each, None).latencies);
        wire.finish();
        times
    }
}

/// p50 and p99, in microseconds.
fn percentiles(mut latencies: Vec<Duration>) -> (f64, f64) {
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    (at(0.5), at(0.99))
}

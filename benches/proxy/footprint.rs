//! What a proxy needs besides processor time: the time to start, memory, system calls; and the flow of large responses.

use std::time::Duration;

use super::measure::Bench;
use super::peers::Peer;
use super::report::{Figure, Report};
use super::wire::{Pace, Wire};
use super::works::{HTTPS, PLAIN};
use super::{streaming, system};

const RSS: &str = "RSS after start";
const CALLS: &str = "system calls per request";
/// As many as 20,000 descriptors allow: each connection needs one, and its request one more for the endpoint.
const IDLE: &str = "RSS per idle connection, of 9500";
const AT_ONCE: &str = "RSS per idle connection, after 5000 requests at one moment";

impl Bench<'_> {
    pub fn streams(&self, report: &mut Report) {
        const FIGURES: [&str; 2] = ["100 MB answers", "100 MB answers, slow reader too: peak RSS"];
        let callers = self.stage.callers(PLAIN, 120);
        let directory = self.stage.directory.path().join("streaming");
        for _ in 0..self.rounds(&FIGURES) {
            for peer in self.peers {
                let (count, slow) = (self.plan.streamed, self.plan.slow);
                let streamed = streaming::measure(peer, &directory, &callers.requests[0], count, slow);
                report.add(Figure::of(FIGURES[0], "MB/s"), peer, streamed.throughput / 1e6);
                report.add(Figure::of(FIGURES[1], "KiB"), peer, streamed.peak as f64);
            }
        }
    }

    pub fn starts(&self, report: &mut Report) {
        let settings = [("cold start to the first answer", PLAIN), ("cold start to the first answer over TLS", HTTPS)];
        for (figure, setting) in settings.into_iter().filter(|(figure, _)| self.arguments.wants(&[figure])) {
            for _ in 0..self.plan.starts {
                for peer in self.peers {
                    let started = self.stage.start(peer, &mut Wire::new(), setting);
                    report.add(Figure::of(figure, "ms"), peer, started.first_answer.as_secs_f64() * 1e3);
                }
            }
        }
    }

    /// Measures each peer once: these figures hardly change from one run to the next.
    pub fn memory(&self, report: &mut Report) {
        let wanted = [RSS, CALLS, IDLE, AT_ONCE];
        for peer in self.peers.iter().filter(|_| self.arguments.wants(&wanted)) {
            let mut wire = Wire::new();
            let proxy = self.stage.start(peer, &mut wire, PLAIN);
            let pids = proxy.pids();
            report.add(Figure::of(RSS, "KiB"), peer, system::memory(&pids, "VmRSS:") as f64);
            wire.connect(&proxy.address, 32, &self.stage.callers(PLAIN, 120));
            let calls = system::system_calls(&pids, || wire.run(Pace::Closed, self.plan.each, None).answers);
            report.add(Figure::of(CALLS, ""), peer, calls);
        }
        for (figure, connections, pace) in [(IDLE, 9500, Pace::Open(2000)), (AT_ONCE, 5000, Pace::Closed)] {
            for peer in self.peers.iter().filter(|_| self.arguments.wants(&[figure])) {
                report.add(Figure::of(figure, "KiB"), peer, self.kept(peer, connections, pace));
            }
        }
    }

    /// The memory that each of `connections` connections keeps after a request, in KiB.
    fn kept(&self, peer: &Peer, connections: usize, pace: Pace) -> f64 {
        let mut wire = Wire::new();
        let proxy = self.stage.start(peer, &mut wire, PLAIN);
        let pids = proxy.pids();
        let callers = self.stage.callers(PLAIN, 120);
        wire.connect(&proxy.address, 32, &callers);
        wire.run(Pace::Closed, self.plan.each / 4, None);
        wire.finish();
        wire.hang_up();
        let before = system::memory(&pids, "VmRSS:");
        wire.connect(&proxy.address, connections, &callers);
        wire.run(pace, Duration::from_secs(20), Some(1));
        wire.finish();
        // countersign gives the memory of a burst back within 1.1 seconds after it (src/app/serve/freed_memory.rs)
        wire.run(Pace::Silent, Duration::from_secs(2), None);
        system::memory(&pids, "VmRSS:").saturating_sub(before) as f64 / connections as f64
    }
}

//! What the MAC of a form costs by itself, on the processor of the proxy: the least that a signing proxy can cost.

use std::hint::black_box;
use std::thread;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::time::{ClockId, clock_gettime};
use sha2::Sha256;

use super::system;

/// Processor time of one HMAC-SHA256 of `bytes` bytes: the median of 15.
pub fn cpu(bytes: usize) -> Duration {
    let times = thread::spawn(move || {
        system::pin(system::PROXY_CPU);
        let form = vec![b'x'; bytes];
        let mut times = [Duration::ZERO; 15].map(|_| {
            let before = clock();
            let mut mac = Hmac::<Sha256>::new_from_slice(b"key").unwrap();
            mac.update(black_box(&form));
            black_box(mac.finalize());
            clock() - before
        });
        times.sort_unstable();
        times
    });
    times.join().unwrap()[7]
}

fn clock() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

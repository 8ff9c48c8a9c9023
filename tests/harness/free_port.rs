//! Ports for programs that have to be told theirs before they start.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};

const LOWEST: u16 = 10_000;

/// A free port that nobody is given who asks the kernel for any: it is still free when it is used.
pub fn free_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let ephemeral: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    let chosen = |attempt: u16| {
        let random = RandomState::new().hash_one(attempt) % u64::from(ephemeral - LOWEST);
        LOWEST + u16::try_from(random).unwrap()
    };
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok();
    (0..1000).map(chosen).find(is_free).expect("a free port")
}

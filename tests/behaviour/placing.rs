//! Which worker serves a connection, and what workers do for each other's clients.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;

use crate::harness::clients::{client, token};
use crate::harness::{Client, Draft, Endpoint, FORM, Proxy, Setup, eventually};

/// How many connections of a listener each worker has: each worker has one `epoll` instance, and the kernel lists what
/// that waits for.
fn spread(proxy: &Proxy, listener: SocketAddr) -> Vec<usize> {
    let connections = established(proxy, listener);
    let links = fs::read_dir(proxy.proc("fd")).unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, fs::read_link(entry.path()).ok()?.to_str()?.to_owned()))
    });
    let links: BTreeMap<u32, String> = links.collect();
    // a runtime has several descriptors for its one epoll instance
    let polls: BTreeSet<BTreeSet<u32>> = links
        .iter()
        .filter(|(_, link)| link.as_str() == "anon_inode:[eventpoll]")
        .filter_map(|(number, _)| fs::read_to_string(proxy.proc(&format!("fdinfo/{number}"))).ok())
        .map(|info| {
            let watched =
                info.lines().filter_map(|line| line.strip_prefix("tfd:")?.split_whitespace().next()?.parse().ok());
            watched.filter(|number| links.get(number).is_some_and(|link| connections.contains(link))).collect()
        })
        .filter(|watched: &BTreeSet<u32>| !watched.is_empty())
        .collect();
    polls.iter().map(BTreeSet::len).collect()
}

/// The sockets of the connections to a listener, as `/proc/PID/fd` names them.
fn established(proxy: &Proxy, listener: SocketAddr) -> BTreeSet<String> {
    const ESTABLISHED: &str = "01";
    let port = format!(":{:04X}", listener.port());
    let table = fs::read_to_string(proxy.proc("net/tcp")).unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 9 && row[1].ends_with(&port) && row[3] == ESTABLISHED)
        .map(|row| format!("socket:[{}]", row[9]))
        .collect()
}

#[test]
fn a_few_connections_are_spread_over_the_workers_however_the_kernel_hands_them_out() {
    let endpoint = Endpoint::obliging();
    for workers in [2, 4] {
        let proxy = Setup::to(&endpoint).process(&format!("workers = {workers}")).start();
        let mut clients: Vec<Client> = Vec::new();
        for connections in [workers, 8, 32] {
            while clients.len() < connections {
                let mut client = proxy.connect();
                client.call(&Draft::form(FORM)).expect(200);
                clients.push(client);
            }
            let spread = spread(&proxy, proxy.address);
            println!("{connections} connections, {workers} workers: {spread:?}");
            let (fewest, most) = (*spread.iter().min().unwrap(), *spread.iter().max().unwrap());
            // workers tolerate an eighth more than the fewest
            assert!(spread.len() == workers && most <= fewest + fewest / 8 + 1, "{spread:?}");
        }
        for client in &mut clients {
            client.call(&Draft::form(FORM)).expect(200);
        }
    }
}

#[test]
fn a_client_over_its_share_of_connections_gives_up_its_own_idle_one_whichever_worker_has_it() {
    let endpoint = Endpoint::obliging();
    let clients = ["frugal", "other"].map(|name| client(name, "allow = [\"*:*\"]\nshare = 1")).concat();
    let mut setup = Setup::to(&endpoint).process("workers = 2").more(&clients);
    setup.callers = "authenticate = [\"token\"]";
    let proxy = setup.start();
    let form = |name: &str| Draft::form(FORM).field("Authorization", &format!("Bearer {}", token(name)));
    let mut other = proxy.connect();
    other.call(&form("other")).expect(200);
    // one after the other, so that some come to the worker that does not have the idle connection
    let mut before: Option<Client> = None;
    for _ in 0..6 {
        let mut next = proxy.connect();
        next.call(&form("frugal")).expect(200);
        if let Some(mut before) = before.replace(next) {
            assert_eq!(before.until_closed(), b"", "it was idle, and made room");
        }
    }
    other.call(&form("other")).expect(200);
    eventually("one connection of each", || {
        (proxy.metric("countersign_client_connections{listener=\"local\"}") <= 2.0).then_some(())
    });
}

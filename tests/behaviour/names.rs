//! Endpoints by name: several addresses, dead ones among them, names that are not there yet and names that move. The
//! program runs in a mount namespace with a hosts file of the test's own, and nobody to ask beside it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use crate::harness::{After, CREATE, Endpoint, FORM, Proxy, Setup, endpoint, eventually, started_by};

const NAME: &str = "endpoint.test";

/// What a name leads to.
struct Hosts(PathBuf);

impl Hosts {
    fn say(&self, addresses: &[&str]) {
        let lines: String = addresses.iter().map(|address| format!("{address} {NAME}\n")).collect();
        // in place: the mount is of this very file
        fs::write(&self.0, lines).unwrap();
    }
}

/// A proxy for `http://endpoint.test:PORT/`.
#[track_caller]
fn start(port: u16, addresses: &[&str], lines: &[&str]) -> (Proxy, Hosts) {
    let mut setup = Setup::to_url(&format!("http://{NAME}:{port}/")).route("danger_plaintext = true");
    for line in lines {
        setup = setup.route(line);
    }
    let hosts = Hosts(setup.vault_path("hosts"));
    hosts.say(addresses);
    let resolver = setup.vault_path("resolv.conf");
    fs::write(&resolver, "nameserver 127.0.0.1\n").unwrap(); // where nobody answers
    let proxy = setup.start_with(|command| {
        let mount = format!("mount --bind {:?} /etc/hosts && mount --bind {resolver:?} /etc/resolv.conf", hosts.0);
        let script = format!("{mount} && exec \"$0\" \"$@\"");
        let unprivileged: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--map-root-user"] };
        let apart = ["--mount", "--propagation", "private", "sh", "-c", &script];
        started_by(command, "unshare", &[unprivileged, &apart].concat())
    });
    (proxy, hosts)
}

/// Endpoints on the same port of these addresses, each answering with its own.
fn on_one_port(addresses: &[&str]) -> (u16, Vec<Endpoint>) {
    let answering = |address: &str, port: u16| {
        let answer = endpoint::answer("200 OK", address);
        Endpoint::on(&format!("{address}:{port}"), None, move |exchange| {
            exchange.write(&answer);
            After::KeepOpen
        })
    };
    let first = answering(addresses[0], 0);
    let port = first.address.port();
    let others = addresses[1..].iter().map(|address| answering(address, port));
    (port, std::iter::once(first.clone()).chain(others).collect())
}

/// A socket that lets nobody in: its queue is full, and the kernel answers no more.
pub fn black_hole(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut crowd = Vec::new();
    let soon = std::time::Duration::from_millis(200);
    while let Ok(guest) = TcpStream::connect_timeout(&address, soon) {
        crowd.push(guest);
    }
    (socket.into(), crowd)
}

#[test]
fn an_address_that_refuses_is_passed_over_for_one_that_does_not() {
    let (port, _endpoint) = on_one_port(&["127.0.0.2"]);
    // not 127.0.0.1: another test may have been given this port there
    for addresses in [["127.0.0.4", "127.0.0.2"], ["127.0.0.2", "127.0.0.3"], ["::1", "127.0.0.2"]] {
        let (proxy, _hosts) = start(port, &addresses, &["limits.pool = 0"]);
        for _ in 0..5 {
            assert_eq!(proxy.post(CREATE).expect(200).text(), "127.0.0.2");
        }
    }
}

#[test]
fn an_address_that_swallows_connections_costs_no_call() {
    let (port, _endpoint) = on_one_port(&["127.0.0.2"]);
    let _hole = black_hole(SocketAddr::from(([127, 0, 0, 4], port)));
    // so that waiting for the hole alone would fail the call
    let lines = ["limits.pool = 0", r#"timeouts.connect = "20s""#];
    let (proxy, _hosts) = start(port, &["127.0.0.4", "127.0.0.2"], &lines);
    for _ in 0..5 {
        assert_eq!(proxy.post(CREATE).expect(200).text(), "127.0.0.2");
    }
}

#[test]
fn a_black_hole_is_given_up_in_time_and_was_not_sent_anything() {
    let (hole, _crowd) = black_hole(SocketAddr::from(([127, 0, 0, 1], 0)));
    let url = format!("http://{}/", hole.local_addr().unwrap());
    let proxy = Setup::to_url(&url).route(r#"timeouts.connect = "300ms""#).start();
    for form in [FORM, CREATE] {
        proxy.assert_own(&proxy.post(form), 504, "ProxyUpstreamUnreachable", "no");
    }
}

#[test]
fn a_name_without_an_address_is_not_sent_anything_until_it_has_one() {
    let (port, _endpoint) = on_one_port(&["127.0.0.1"]);
    let (proxy, hosts) = start(port, &[], &[]);
    let answer = proxy.post(CREATE);
    proxy.assert_own(&answer, 502, "ProxyUpstreamUnreachable", "no");
    assert!(answer.head.field("proxy-status").unwrap().contains("error=dns_error"));
    hosts.say(&["127.0.0.1"]);
    proxy.post(CREATE).expect(200);
}

#[test]
fn a_name_that_moves_is_followed_without_a_call_lost() {
    let (port, _endpoints) = on_one_port(&["127.0.0.1", "127.0.0.2"]);
    let (proxy, hosts) = start(port, &["127.0.0.1"], &["limits.pool = 0"]);
    assert_eq!(proxy.post(CREATE).expect(200).text(), "127.0.0.1");
    hosts.say(&["127.0.0.2"]);
    eventually("the new address", || (proxy.post(CREATE).expect(200).text() == "127.0.0.2").then_some(()));
    // and while the name cannot be looked up at all, what is connected stays in use
    let (proxy, hosts) = start(port, &["127.0.0.1"], &[]);
    proxy.post(CREATE).expect(200);
    hosts.say(&[]);
    for _ in 0..5 {
        assert_eq!(proxy.post(CREATE).expect(200).text(), "127.0.0.1");
    }
}

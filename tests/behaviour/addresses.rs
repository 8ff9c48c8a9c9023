//! A listener with several addresses: one policy, one set of limits, one name, whichever way a client comes.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use crate::harness::{Client, Draft, Endpoint, FORM, PATIENCE, Proxy, Setup, eventually};

/// Where the listener of a running proxy listens, in the order of the log.
fn addresses(proxy: &Proxy, number: usize) -> Vec<String> {
    let told = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["message"] == "listening" && line["listener"] == "local")
            .then(|| line["address"].as_str().unwrap().to_owned())
    };
    eventually("all addresses in the log", || {
        let told: Vec<String> = proxy.log.text().lines().filter_map(told).collect();
        (told.len() == number).then_some(told)
    })
}

fn tcp(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// Posts the form to a Unix socket, to any `Host`; returns the status line.
fn post_to_socket(path: &str, host: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = Draft::form(FORM).field("Host", host).field("Connection", "close");
    stream.write_all(&request.bytes(host)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// The addresses of a setup, which are made while the test runs.
fn listening_at(mut setup: Setup, addresses: String) -> Setup {
    setup.address = Box::leak(addresses.into_boxed_str());
    setup
}

fn with_socket(endpoint: &Endpoint) -> (Setup, String) {
    let setup = Setup::to(endpoint);
    // a directory of its own: from another, the confined program may remove nothing
    let directory = setup.vault_path("sockets");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("socket").display().to_string();
    (listening_at(setup, format!("[\"127.0.0.1:0\", \"[::1]:0\", \"unix:{path}\"]")), path)
}

#[test]
fn all_addresses_of_a_list_are_one_listener() {
    let endpoint = Endpoint::obliging();
    let (setup, path) = with_socket(&endpoint);
    let proxy = setup.process("workers = 2\n").start();
    let told = addresses(&proxy, 3);
    assert!(told[0].starts_with("127.0.0.1:") && told[1].starts_with("[::1]:"), "{told:?}");
    assert_eq!(told[2], format!("unix:{path}"));
    for address in &told[..2] {
        let answer = Client::connect(tcp(address)).call(&Draft::form(FORM)).expect(200);
        assert_eq!(proxy.log.exchange(&answer.request_id())["listener"], "local");
    }
    assert_eq!(post_to_socket(&path, "whatever.example"), "HTTP/1.1 200 OK");
    let report: serde_json::Value = serde_json::from_str(&proxy.admin("/status").expect(200).text()).unwrap();
    assert_eq!(report["listeners"][0]["address"], told.join(", "));
    assert_eq!(report["listeners"].as_array().unwrap().len(), 1);
}

#[test]
fn names_are_asked_for_where_a_web_page_could_come_from() {
    let endpoint = Endpoint::obliging();
    let (setup, path) = with_socket(&endpoint);
    let proxy = setup.start();
    let told = addresses(&proxy, 3);
    for (address, other) in [(&told[0], &told[1]), (&told[1], &told[0])] {
        Client::connect(tcp(address)).call(&Draft::form(FORM).field("Host", other)).expect(200);
        let foreign = Client::connect(tcp(address)).call(&Draft::form(FORM).field("Host", "attacker.example"));
        assert_eq!(foreign.status, 403);
    }
    assert_eq!(post_to_socket(&path, "attacker.example"), "HTTP/1.1 200 OK");
}

#[test]
fn the_connections_of_all_addresses_share_one_limit() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint).listener("limits.connections = 2");
    setup.address = "[\"127.0.0.1:0\", \"[::1]:0\"]";
    let proxy = setup.start();
    let told = addresses(&proxy, 2);
    let mut first = Client::connect(tcp(&told[0]));
    first.call(&Draft::form(FORM)).expect(200);
    let mut second = Client::connect(tcp(&told[1]));
    second.call(&Draft::form(FORM)).expect(200);
    // the oldest idle one makes way, whichever address it came to
    Client::connect(tcp(&told[1])).call(&Draft::form(FORM)).expect(200);
    assert!(first.until_closed().is_empty());
    second.call(&Draft::form(FORM)).expect(200);
}

#[test]
fn all_ipv6_addresses_take_ipv4_too_where_that_is_configured_and_show_it_as_ipv4() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint).listener("danger_beyond_loopback = true\nonly_v6 = false");
    setup.address = "[::]:0";
    let proxy = setup.start();
    let port = proxy.address.port();
    let v4 = SocketAddr::from(([127, 0, 0, 1], port));
    let answer = Client::connect(v4).call(&Draft::form(FORM)).expect(200);
    let peer = proxy.log.exchange(&answer.request_id())["peer"].as_str().unwrap().to_owned();
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let answer = Client::connect(v6).call(&Draft::form(FORM)).expect(200);
    let peer = proxy.log.exchange(&answer.request_id())["peer"].as_str().unwrap().to_owned();
    assert!(peer.starts_with("[::1]:"), "{peer}");
}

#[test]
fn all_ipv6_addresses_take_no_ipv4_unless_that_is_configured() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint).listener("danger_beyond_loopback = true");
    setup.address = "[::]:0";
    let proxy = setup.start();
    let port = proxy.address.port();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    Client::connect(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).call(&Draft::form(FORM)).expect(200);
}

#[test]
fn every_address_that_cannot_be_bound_is_named_by_run_and_check_alike() {
    let endpoint = Endpoint::obliging();
    let taken = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").unwrap()];
    let [first, second] = [0, 1].map(|nth: usize| taken[nth].local_addr().unwrap());
    let setup = listening_at(Setup::to(&endpoint), format!("[\"{first}\", \"127.0.0.1:0\", \"{second}\"]"));
    for subcommand in ["check", "run"] {
        let output = setup.command(subcommand).output().unwrap();
        assert_eq!(output.status.code(), Some(71), "{subcommand}");
        let text = String::from_utf8(output.stderr).unwrap();
        for address in [first, second] {
            assert!(text.contains(&format!("cannot listen on {address}")), "{subcommand}: {text}");
        }
    }
}

#[test]
fn an_address_more_or_less_takes_a_restart() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint);
    setup.address = "[\"127.0.0.1:0\", \"[::1]:0\"]";
    let proxy = setup.clone().start();
    for (addresses, shown) in [
        ("[\"127.0.0.1:0\"]", "127.0.0.1:0"),
        ("[\"127.0.0.1:0\", \"[::1]:0\", \"127.0.0.2:0\"]", "127.0.0.1:0, [::1]:0, 127.0.0.2:0"),
    ] {
        setup.address = addresses;
        setup.publish();
        let told = format!("listener.local.address: 127.0.0.1:0, [::1]:0 cannot become {shown}: nothing");
        proxy.log.wait_for("the refused reload", |line| line.contains(&told).then_some(()));
    }
    proxy.post(FORM).expect(200);
}

#[test]
fn the_sockets_of_a_list_are_removed_at_the_end() {
    let endpoint = Endpoint::obliging();
    let (setup, path) = with_socket(&endpoint);
    let mut proxy = setup.start();
    assert!(fs::symlink_metadata(&path).is_ok());
    proxy.signal(rustix::process::Signal::TERM);
    proxy.wait();
    assert!(fs::symlink_metadata(&path).is_err());
}

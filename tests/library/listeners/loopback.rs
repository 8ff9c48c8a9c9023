//! Whose the other end of a loopback connection is.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use countersign::downstream::listener::{self, Security};
use countersign::downstream::{ListenerSocket, OwnerLookup, TcpSocket, loopback};

use super::serving::{Served, curl_as, serve};

const USER: u32 = 4321;

fn asking(address: &str) -> (Served, SocketAddr) {
    let socket = listener::bind(TcpSocket::at(address.parse().unwrap()), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    (serve(ListenerSocket::Tcp(socket), Security::Plain(OwnerLookup::Ask)), address)
}

fn assert_owner_is_seen(url: &str) {
    for uid in [USER, 0] {
        let (_, answer) = curl_as(uid, uid, &["--globoff", url]);
        assert!(answer.contains(&format!("owner: Some({uid})")), "{url}: {answer}");
    }
}

#[test]
fn the_kernel_answers_questions_about_sockets_here() {
    loopback::available().unwrap();
}

#[test]
fn the_owner_of_an_ipv4_client_is_seen() {
    let (_served, address) = asking("127.0.0.1:0");
    assert_owner_is_seen(&format!("http://{address}/"));
}

#[test]
fn the_owner_of_an_ipv6_client_is_seen() {
    let (_served, address) = asking("[::1]:0");
    assert_owner_is_seen(&format!("http://{address}/"));
}

#[test]
fn the_owner_of_an_ipv6_client_on_an_ipv4_address_is_seen() {
    let (_served, address) = asking("127.0.0.1:0");
    assert_owner_is_seen(&format!("http://[::ffff:127.0.0.1]:{}/", address.port()));
}

#[test]
fn the_owner_of_an_ipv4_client_of_a_listener_for_both_families_is_seen() {
    let socket = TcpListener::bind("[::]:0").unwrap(); // as systemd hands over: not only for IPv6
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    let _served = serve(ListenerSocket::Tcp(socket), Security::Plain(OwnerLookup::Ask));
    assert_owner_is_seen(&format!("http://127.0.0.1:{port}/"));
    assert_owner_is_seen(&format!("http://[::ffff:127.0.0.1]:{port}/"));
}

/// The accepted end of a connection whose other end did `then`.
fn owner_after(then: impl FnOnce(TcpStream)) -> Option<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        then(client);
        loopback::owner(&tokio::net::TcpStream::from_std(accepted).unwrap())
    })
}

#[test]
fn a_client_that_has_gone_has_no_owner() {
    let ours = rustix::process::geteuid().as_raw();
    let mut kept = None;
    assert_eq!(owner_after(|client| kept = Some(client)), Some(ours));
    assert_eq!(owner_after(drop), None);
    assert_eq!(owner_after(|client| client.shutdown(Shutdown::Write).unwrap()), None);
}

#[test]
fn a_program_that_comes_from_the_same_port_after_a_reset_is_not_taken_for_the_owner() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, _second) = loop {
            let first = TcpStream::connect(address).unwrap();
            let from = first.local_addr().unwrap();
            let (accepted, _) = listener.accept().unwrap();
            socket2::SockRef::from(&first).set_linger(Some(std::time::Duration::ZERO)).unwrap();
            drop(first); // a reset
            let second = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            second.set_reuse_address(true).unwrap();
            match second.bind(&from.into()) {
                // the kernel has given the port to another test's connection meanwhile
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => continue,
                bound => bound.unwrap(),
            }
            second.connect(&address.into()).unwrap();
            break (accepted, second);
        };
        accepted.set_nonblocking(true).unwrap();
        // the same two addresses, established: but it is not this connection
        assert_eq!(tokio::net::TcpStream::from_std(accepted).map(|stream| loopback::owner(&stream)).unwrap(), None);
    });
}

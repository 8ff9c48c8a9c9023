//! Endpoints that are reached by another address than their own, or by a Unix socket: what is signed, sent and verified
//! is the endpoint's name, and the confined process can go where `connect` says.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc;
use std::{fs, io, thread};

use crate::harness::{After, CREATE, Endpoint, FORM, ID, Outcome, Proxy, SECRET, Setup, endpoint, eventually};
use crate::untrusted::{Authority, VALID, secure};

const NAME: &str = "importexport.example";

/// What stands beside the program, as `ssh -L` or a mesh's proxy does: passes on what comes on a Unix socket.
fn pass_on(path: &Path, to: SocketAddr) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for unix in listener.incoming() {
            let (unix, tcp) = (unix.unwrap(), TcpStream::connect(to).unwrap());
            let (mut back, mut forth) = ((tcp.try_clone().unwrap(), unix.try_clone().unwrap()), (unix, tcp));
            thread::spawn(move || {
                let _cut = io::copy(&mut back.0, &mut back.1);
                let _left = back.1.shutdown(std::net::Shutdown::Both);
            });
            thread::spawn(move || {
                let _cut = io::copy(&mut forth.0, &mut forth.1);
                let _left = forth.1.shutdown(std::net::Shutdown::Both);
            });
        }
    });
}

fn over_tls(authority: &Authority, name: &str) -> Endpoint {
    secure(authority.server(&[name], VALID), &endpoint::answer("200 OK", "by another way"), After::KeepOpen)
}

#[track_caller]
fn assert_signed_for(endpoint: &Endpoint, host: &str) {
    for request in endpoint.requests() {
        assert_eq!(request.head.field("host"), Some(host));
        assert_eq!(request.verify(ID, SECRET, None), Ok(()));
    }
}

#[track_caller]
fn refusal(proxy: &Proxy, setup: &Setup) -> String {
    setup.publish();
    proxy.log.wait_for("refusal of the reload", |line| {
        line.contains("is not used: what was served before stays in use").then(|| line.to_owned())
    })
}

#[test]
fn by_another_address_the_endpoints_name_is_signed_sent_and_verified() {
    let authority = Authority::new();
    let endpoint = over_tls(&authority, NAME);
    let setup = Setup::to_url(&format!("https://{NAME}/")).trusting(&authority.pem);
    let setup = setup.route(&format!("connect = \"{}\"", endpoint.address));
    // only the port of `connect` is open to the confined process, and no name is resolved
    let checked = Outcome::of(&mut setup.command("check"), "").succeeded();
    assert!(checked.contains(&format!("may connect to ports: {}\n", endpoint.address.port())), "{checked}");
    let proxy = setup.start();
    for _ in 0..2 {
        assert_eq!(proxy.post(CREATE).expect(200).text(), "by another way");
    }
    assert_signed_for(&endpoint, NAME);
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 2), "connections are kept as ever");
}

#[test]
fn the_dot_of_an_absolute_name_is_neither_signed_nor_sent_nor_looked_for_in_the_certificate() {
    let authority = Authority::new();
    let endpoint = over_tls(&authority, NAME);
    let setup = Setup::to_url(&format!("https://{NAME}./")).trusting(&authority.pem);
    let proxy = setup.route(&format!("connect = \"{}\"", endpoint.address)).start();
    proxy.post(CREATE).expect(200);
    assert_signed_for(&endpoint, NAME);
}

#[test]
fn by_a_unix_socket_the_endpoints_name_is_signed_sent_and_verified() {
    let authority = Authority::new();
    let endpoint = over_tls(&authority, NAME);
    let setup = Setup::to_url(&format!("https://{NAME}:8443/")).trusting(&authority.pem);
    let socket = setup.vault_path("way.sock");
    let setup = setup.route(&format!("connect = \"unix:{}\"", socket.display()));
    pass_on(&socket, endpoint.address);
    let checked = Outcome::of(&mut setup.command("check"), "").succeeded();
    assert!(checked.contains("may connect to ports: none\n"), "{checked}");
    assert!(checked.contains("Unix streams (an endpoint is reached by one)"), "{checked}");
    let proxy = setup.start();
    for _ in 0..2 {
        assert_eq!(proxy.post(CREATE).expect(200).text(), "by another way");
    }
    assert_signed_for(&endpoint, &format!("{NAME}:8443"));
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 2), "connections are kept as ever");
}

#[test]
fn a_certificate_of_what_stands_in_the_way_is_not_trusted() {
    let authority = Authority::new();
    let endpoint = over_tls(&authority, "127.0.0.1");
    let setup = Setup::to_url(&format!("https://{NAME}/")).trusting(&authority.pem);
    let proxy = setup.route(&format!("connect = \"{}\"", endpoint.address)).start();
    proxy.assert_own(&proxy.post(CREATE), 502, "ProxyUpstreamUntrusted", "no");
    assert!(endpoint.requests().is_empty());
}

#[test]
fn plaintext_goes_into_a_unix_socket_and_a_call_without_a_listener_was_not_sent() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to_url(&format!("http://{NAME}/"));
    let socket = setup.vault_path("way.sock");
    let proxy = setup.route(&format!("connect = \"unix:{}\"", socket.display())).start();
    for form in [FORM, CREATE] {
        proxy.assert_own(&proxy.post(form), 502, "ProxyUpstreamUnreachable", "no");
    }
    pass_on(&socket, endpoint.address);
    eventually("the socket to be tried again", || (proxy.post(CREATE).status == 200).then_some(()));
    assert_signed_for(&endpoint, NAME);
}

#[test]
fn a_socket_that_everybody_could_put_his_own_in_the_place_of_is_warned_of_where_nothing_tells_who_listens() {
    let words = "where everybody may make one: who makes it first is sent signed requests";
    for (scheme, mode, warned) in [("http", 0o1777, true), ("http", 0o755, false), ("https", 0o777, false)] {
        let setup = Setup::to_url(&format!("{scheme}://{NAME}/"));
        let directory = setup.vault_path("sockets");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        let setup = setup.route(&format!("connect = \"unix:{}/way.sock\"", directory.display()));
        let checked = Outcome::of(&mut setup.command("check"), "").succeeded();
        assert_eq!(checked.contains(words), warned, "{checked}");
        assert_eq!(setup.start().log.text().contains(words), warned, "{scheme} {mode:o}");
    }
}

#[test]
fn a_unix_socket_that_is_closed_meanwhile_is_noticed_before_anything_is_sent_on_it() {
    let setup = Setup::to_url(&format!("http://{NAME}/"));
    let socket = setup.vault_path("way.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let proxy = setup.route(&format!("connect = \"unix:{}\"", socket.display())).start();
    let (closed, closings) = mpsc::channel();
    let answers = thread::spawn(move || {
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let endpoint = Endpoint::obliging();
            let tcp = TcpStream::connect(endpoint.address).unwrap();
            relay_once(&stream, &tcp);
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    // not safe to repeat: had a byte been written on the closed connection, this would be a 409
    for _ in 0..2 {
        proxy.post(CREATE).expect(200);
        closings.recv().unwrap();
    }
    answers.join().unwrap();
}

/// Passes one exchange on, and closes.
fn relay_once(unix: &UnixStream, tcp: &TcpStream) {
    use std::io::{Read as _, Write as _};

    let (mut buffer, mut request) = ([0; 4096], Vec::new());
    let is_whole = |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        length.is_some_and(|length: usize| body.len() == length)
    };
    while !is_whole(&request) {
        let read = (&mut &*unix).read(&mut buffer).unwrap();
        request.extend_from_slice(&buffer[..read]);
    }
    (&mut &*tcp).write_all(&request).unwrap();
    let read = (&mut &*tcp).read(&mut buffer).unwrap();
    (&mut &*unix).write_all(&buffer[..read]).unwrap();
}

#[test]
fn a_reload_that_needs_another_way_too_late_is_refused_at_connect() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    let by_socket = refusal(&proxy, &setup.clone().route("connect = \"unix:/run/no-such/envoy.sock\""));
    assert!(
        by_socket.contains("route.importexport.connect: a connection to a Unix socket takes a kind of"),
        "{by_socket}"
    );
    let proxy = setup.clone().start();
    let by_port = refusal(&proxy, &setup.route("connect = \"127.0.0.1:1\""));
    let told = "route.importexport.connect: no connection can be made to port 1 any more";
    assert!(by_port.contains(told), "{by_port}");
    proxy.post(FORM).expect(200);
}

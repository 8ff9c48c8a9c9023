//! Endpoints over TLS: what is not proven to be the endpoint gets not one byte of a request.

use std::sync::Arc;

use countersign::clock;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::harness::{After, CREATE, Draft, Endpoint, FORM, ID, Outcome, SECRET, Setup, endpoint};

/// An authority made for one test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for `names` and its key.
    pub fn certified(&self, names: &[&str]) -> Arc<rustls::sign::CertifiedKey> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(rustls::sign::CertifiedKey::new(vec![certificate.der().clone()], key))
    }

    /// A certificate for `names` and its key, in PEM.
    pub fn pair(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// A server with a certificate for `names`, valid from the year `from` to the year `until`.
    pub fn server(&self, names: &[&str], (from, until): (i32, i32)) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

pub const VALID: (i32, i32) = (2001, 2100);

/// An endpoint over TLS that answers with `bytes`.
pub fn secure(config: ServerConfig, bytes: &[u8], after: After) -> Endpoint {
    let bytes = bytes.to_vec();
    Endpoint::on("127.0.0.1:0", Some(Arc::new(config)), move |exchange| {
        exchange.write(&bytes);
        after
    })
}

fn obliging(config: ServerConfig) -> Endpoint {
    secure(config, &endpoint::answer("200 OK", "over TLS"), After::KeepOpen)
}

#[track_caller]
fn untrusted(endpoint: &Endpoint, trusted: &Authority) {
    let proxy = Setup::to(endpoint).trusting(&trusted.pem).start();
    for form in [FORM, CREATE] {
        let answer = proxy.post(form);
        proxy.assert_own(&answer, 502, "ProxyUpstreamUntrusted", "no");
    }
    assert_eq!(endpoint.connections(), 2);
    assert_eq!(endpoint.requests().len(), 0);
    crate::harness::eventually("two failed handshakes", || (endpoint.handshakes_failed().len() == 2).then_some(()));
}

#[test]
fn an_endpoint_with_a_good_certificate_is_called_over_tls_by_address_and_by_name() {
    let authority = Authority::new();
    let endpoint = obliging(authority.server(&["127.0.0.1", "localhost"], VALID));
    let by_name = format!("https://localhost:{}/", endpoint.address.port());
    for url in [endpoint.url(), by_name] {
        let proxy = Setup::to_url(&url).trusting(&authority.pem).start();
        assert_eq!(proxy.post(FORM).expect(200).text(), "over TLS");
    }
    assert!(endpoint.requests().iter().all(|request| request.verify(ID, SECRET, None) == Ok(())));
}

#[test]
fn a_certificate_of_another_authority_is_not_trusted() {
    untrusted(&obliging(Authority::new().server(&["127.0.0.1"], VALID)), &Authority::new());
}

#[test]
fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    untrusted(&obliging(authority.server(&["importexport.amazonaws.com", "127.0.0.2"], VALID)), &authority);
}

#[test]
fn a_certificate_out_of_its_time_is_not_trusted() {
    let authority = Authority::new();
    let year = i32::from(clock::now().to_zoned(jiff::tz::TimeZone::UTC).year());
    untrusted(&obliging(authority.server(&["127.0.0.1"], (2001, 2011))), &authority);
    untrusted(&obliging(authority.server(&["127.0.0.1"], (year + 2, year + 3))), &authority);
}

#[test]
fn an_endpoint_that_answers_in_the_clear_where_tls_is_configured_is_not_trusted() {
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", plain.local_addr().unwrap());
    let (heard, hearing) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut socket, _) = plain.accept().unwrap();
        let mut hello = [0; 4096];
        let length = socket.read(&mut hello).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut bytes = hello[..length].to_vec();
        let _reset = socket.read_to_end(&mut bytes);
        heard.send(bytes).unwrap();
    });
    let proxy = Setup::to_url(&url).trusting(&Authority::new().pem).start();
    let answer = proxy.post(CREATE);
    proxy.assert_own(&answer, 502, "ProxyUpstreamUntrusted", "no");
    let heard = hearing.recv_timeout(crate::harness::PATIENCE).unwrap();
    assert!(!heard.windows(9).any(|nine| nine == b"CreateJob"), "the form went out in the clear");
}

#[test]
fn without_a_ca_file_a_private_authority_is_not_trusted() {
    let endpoint = obliging(Authority::new().server(&["127.0.0.1"], VALID));
    let platform = Authority::new(); // stands for the platform's store
    let setup = Setup::to(&endpoint);
    let store = setup.vault_path("platform.pem");
    std::fs::write(&store, &platform.pem).unwrap();
    let proxy = setup.start_with(|command| command.env("SSL_CERT_FILE", &store));
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
    assert_eq!(endpoint.requests().len(), 0);
}

/// An endpoint that answers the first flight of a handshake with `bytes` and closes. Tells what it heard on every
/// connection.
fn retorting(bytes: &'static [u8]) -> (String, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (heard, hearing) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut hello = [0; 4096];
            let length = socket.read(&mut hello).unwrap();
            let _left = socket.write_all(bytes);
            let _left = socket.shutdown(std::net::Shutdown::Write);
            let mut bytes = hello[..length].to_vec();
            let _reset = socket.read_to_end(&mut bytes);
            heard.send(bytes).unwrap();
        }
    });
    (url, hearing)
}

/// A record of version 3.3 with a ServerHello of TLS 1.1, as an endpoint that knows nothing newer answers.
const TLS_1_1: [u8; 47] = {
    let mut hello = [0x5a; 47];
    let head = [0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    let mut at = 0;
    while at < head.len() {
        hello[at] = head[at];
        at += 1;
    }
    let tail = [0, 0x00, 0x2f, 0];
    at = 0;
    while at < tail.len() {
        hello[43 + at] = tail[at];
        at += 1;
    }
    hello
};

#[test]
fn an_endpoint_that_knows_only_tls_1_1_or_refuses_ours_is_not_sent_anything() {
    const PROTOCOL_VERSION: &[u8] = b"\x15\x03\x02\x00\x02\x02\x46";
    const HANDSHAKE_FAILURE: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";
    for retort in [&TLS_1_1, PROTOCOL_VERSION, HANDSHAKE_FAILURE, b"220 mail.example ESMTP\r\n"] {
        let (url, hearing) = retorting(retort);
        let proxy = Setup::to_url(&url).trusting(&Authority::new().pem).start();
        let answer = proxy.post(CREATE);
        proxy.assert_own(&answer, 502, "ProxyUpstreamUntrusted", "no");
        assert!(answer.head.field("proxy-status").unwrap().contains("error=tls_protocol_error"));
        let heard = hearing.recv_timeout(crate::harness::PATIENCE).unwrap();
        assert!(!heard.windows(9).any(|nine| nine == b"CreateJob"), "the form went out in the clear");
    }
}

#[test]
fn an_endpoint_that_breaks_off_the_handshake_is_tried_twice_and_not_sent_anything() {
    let (url, hearing) = retorting(b"");
    let proxy = Setup::to_url(&url).trusting(&Authority::new().pem).start();
    let answer = proxy.post(CREATE);
    proxy.assert_own(&answer, 502, "ProxyUpstreamUnreachable", "no");
    for _ in 0..2 {
        hearing.recv_timeout(crate::harness::PATIENCE).unwrap();
    }
}

#[test]
fn the_name_in_the_handshake_is_the_configured_one() {
    #[derive(Debug)]
    struct Noting(Arc<rustls::sign::CertifiedKey>, std::sync::Mutex<std::sync::mpsc::Sender<Option<String>>>);
    impl rustls::server::ResolvesServerCert for Noting {
        fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            self.1.lock().unwrap().send(hello.server_name().map(ToOwned::to_owned)).unwrap();
            Some(Arc::clone(&self.0))
        }
    }
    let authority = Authority::new();
    let (asked, asking) = std::sync::mpsc::channel();
    let noting = Noting(authority.certified(&["localhost"]), std::sync::Mutex::new(asked));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(noting));
    let endpoint = obliging(config);
    let proxy =
        Setup::to_url(&format!("https://localhost:{}/", endpoint.address.port())).trusting(&authority.pem).start();
    let impostor = Draft::form(FORM).field("X-Forwarded-Host", "elsewhere.example");
    proxy.call(&impostor).expect(200);
    assert_eq!(asking.recv_timeout(crate::harness::PATIENCE).unwrap().as_deref(), Some("localhost"));
}

#[test]
fn a_check_online_sends_nothing_to_an_endpoint_that_is_not_trusted() {
    let endpoint = obliging(Authority::new().server(&["127.0.0.1"], VALID));
    let setup = Setup::to(&endpoint).trusting(&Authority::new().pem);
    let setup = setup.route("probe = \"Action=ListJobs&Version=2010-06-03\"");
    let outcome = Outcome::of(&mut setup.command("check --online"), "");
    assert_eq!(outcome.code, 69, "{outcome:?}");
    assert!(endpoint.connections() > 0);
    assert_eq!(endpoint.requests().len(), 0);
}

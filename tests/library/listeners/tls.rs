//! TLS: which certificates get in, when they stop getting in, and how the server's own are exchanged.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::downstream::listener::{self, Security};
use countersign::downstream::tls::{Clients, ReloadableTls, Reloaded, TlsError, TlsSettings, Versions};
use countersign::downstream::{ListenerSocket, TcpSocket};
use rcgen::ExtendedKeyUsagePurpose::ServerAuth;
use rustls::HandshakeKind;

use super::serving::{Served, serve};
use super::tls_files::{Authority, Site, dns};
use crate::harness::at_best;

const SPIFFE_ID: &str = "spiffe://example.org/ns/jobs/sa/loader";

fn listen(settings: TlsSettings) -> (Served, SocketAddr, Arc<ReloadableTls>) {
    let tls = Arc::new(ReloadableTls::load(settings).unwrap());
    let socket = listener::bind(TcpSocket::at("127.0.0.1:0".parse().unwrap()), 1).unwrap().remove(0);
    let address = socket.local_addr().unwrap();
    (serve(ListenerSocket::Tcp(socket), Security::Tls(Arc::clone(&tls))), address, tls)
}

#[test]
fn a_client_with_the_right_certificate_is_known_by_its_names() {
    let site = Site::new();
    let (_served, address, _) = listen(site.settings(&[]));
    let (answer, _) = site.client(Some(&site.clients.client(7, &[SPIFFE_ID]))).ask(address).unwrap();
    let names = format!("spiffe_id: Some(\"{SPIFFE_ID}\"), dns_names: [\"client.example\"]");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(&names), "{answer}");
    // which trust domains may call is for the policy to say
    let (answer, _) = site.client(Some(&site.clients.client(8, &["spiffe://else.where/x"]))).ask(address).unwrap();
    assert!(answer.contains("Some(\"spiffe://else.where/x\")"), "{answer}");
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let site = Site::new();
    let (_served, address, _) = listen(site.settings(&[]));
    let error = site.client(None).ask(address).unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let site = Site::new();
    let (_served, address, _) = listen(site.settings(&[]));
    // the second has the right name, and not the key
    for (name, alert) in [("others", "UnknownCA"), ("clients", "DecryptError")] {
        let error = site.client(Some(&Authority::named(name).client(7, &[SPIFFE_ID]))).ask(address).unwrap_err();
        assert!(error.to_string().contains(alert), "{name}: {error}");
    }
}

#[test]
fn a_certificate_for_servers_only_is_refused() {
    let site = Site::new();
    let (_served, address, _) = listen(site.settings(&[]));
    let server = site.clients.issue(7, ServerAuth, vec![dns("client.example")]);
    assert!(site.client(Some(&server)).ask(address).is_err());
}

#[test]
fn a_certificate_with_two_uris_is_refused() {
    let site = Site::new();
    let (_served, address, _) = listen(site.settings(&[]));
    let two = site.clients.client(7, &[SPIFFE_ID, "spiffe://example.org/admin"]);
    assert!(site.client(Some(&two)).ask(address).is_err());
}

#[test]
fn a_revoked_certificate_is_refused_and_another_is_not() {
    let site = Site::new();
    site.write("crl.pem", &site.clients.revoke(&[7], 2100));
    let (_served, address, _) = listen(site.settings(&["crl.pem"]));
    let error = site.client(Some(&site.clients.client(7, &[SPIFFE_ID]))).ask(address).unwrap_err();
    assert!(error.to_string().contains("CertificateRevoked"), "{error}");
    site.client(Some(&site.clients.client(8, &[SPIFFE_ID]))).ask(address).unwrap();
}

#[test]
fn an_expired_revocation_list_lets_nobody_in() {
    let site = Site::new();
    site.write("crl.pem", &site.clients.revoke(&[], 2021));
    let (_served, address, _) = listen(site.settings(&["crl.pem"]));
    assert!(site.client(Some(&site.clients.client(8, &[SPIFFE_ID]))).ask(address).is_err());
}

#[test]
fn a_revocation_list_of_another_issuer_lets_nobody_in() {
    let site = Site::new();
    site.write("crl.pem", &site.servers.revoke(&[], 2100));
    let (_served, address, _) = listen(site.settings(&["crl.pem"]));
    assert!(site.client(Some(&site.clients.client(8, &[SPIFFE_ID]))).ask(address).is_err());
}

#[test]
fn sessions_are_not_resumed() {
    let site = Site::new();
    let (_served, address, _) = listen(site.settings(&[]));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = site.client_with(Some(&site.clients.client(7, &[SPIFFE_ID])), &[version]);
        for _ in 0..2 {
            let (_, kind) = client.ask(address).unwrap();
            assert!(matches!(kind, HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest), "{kind:?}");
        }
    }
}

#[test]
fn a_revocation_takes_effect_with_the_next_connection() {
    let site = Site::new();
    site.write("crl.pem", &site.clients.revoke(&[], 2100));
    let (_served, address, tls) = listen(site.settings(&["crl.pem"]));
    let client = site.client(Some(&site.clients.client(7, &[SPIFFE_ID])));
    client.ask(address).unwrap();
    site.write("crl.pem", &site.clients.revoke(&[7], 2100));
    assert_eq!(tls.reload().unwrap(), Reloaded::Changed);
    assert!(client.ask(address).is_err());
}

#[test]
fn a_connection_ends_after_the_session_lifetime() {
    let site = Site::new();
    let settings = TlsSettings { session_lifetime: Duration::from_millis(300), ..site.settings(&[]) };
    let (_served, address, _) = listen(settings);
    let client = site.client(Some(&site.clients.client(7, &[SPIFFE_ID])));
    // less than an idle connection may wait, which is five seconds
    let limit = Duration::from_secs(4);
    let took = at_best(limit, || {
        let began = Instant::now();
        let mut stream = client.connect(address, "localhost").unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap(); // a close_notify, not a reset
        assert!(String::from_utf8_lossy(&all).starts_with("HTTP/1.1 200 "));
        began.elapsed()
    });
    // a slow response may be the last one, which it can be after half of the time
    assert!(took >= Duration::from_millis(150) && took <= limit, "{took:?}");
}

#[test]
fn certificates_are_exchanged_when_the_files_change_and_kept_when_they_are_broken() {
    let site = Site::new();
    let (_served, address, tls) = listen(site.settings(&[]));
    let client = site.client(Some(&site.clients.client(7, &[SPIFFE_ID])));
    let works_for = |name: &str| {
        client.connect(address, name).and_then(|mut stream| stream.read(&mut [0; 1])).is_ok_and(|read| read == 1)
    };
    assert_eq!(tls.reload().unwrap(), Reloaded::Unchanged);
    assert_eq!(tls.watched(), ["tls.pem", "tls.key", "ca.pem"].map(|name| site.path(name)));
    // half way: the new certificate with the old key
    let key = std::fs::read_to_string(site.path("tls.key")).unwrap();
    site.renew("renewed.example");
    let new_key = std::fs::read_to_string(site.path("tls.key")).unwrap();
    site.write("tls.key", &key);
    assert!(matches!(tls.reload(), Err(TlsError::KeyPair { .. })));
    assert!(works_for("localhost") && !works_for("renewed.example"));
    site.write("tls.key", &new_key);
    assert_eq!(tls.reload().unwrap(), Reloaded::Changed);
    assert!(works_for("renewed.example") && !works_for("localhost"));
}

#[test]
fn without_client_certificates_tls_proves_no_names() {
    let site = Site::new();
    let (_served, address, _) = listen(TlsSettings { clients: Clients::Anonymous, ..site.settings(&[]) });
    let (answer, _) = site.client(Some(&site.clients.client(7, &[SPIFFE_ID]))).ask(address).unwrap();
    assert!(answer.contains("spiffe_id: None, dns_names: []"), "{answer}");
}

#[test]
fn only_http_1_1_and_the_configured_versions_are_spoken() {
    let site = Site::new();
    let identity = site.clients.client(7, &[SPIFFE_ID]);
    let (_served, address, _) = listen(TlsSettings { versions: Versions::Only13, ..site.settings(&[]) });
    assert!(site.client_with(Some(&identity), &[&rustls::version::TLS12]).ask(address).is_err());
    let mut client = site.client(Some(&identity));
    client.0.alpn_protocols = vec![b"h2".to_vec()];
    assert!(client.ask(address).unwrap_err().to_string().contains("NoApplicationProtocol"));
    client.0.alpn_protocols.push(b"http/1.1".to_vec());
    client.ask(address).unwrap();
}

#[test]
fn a_handshake_that_does_not_end_is_cut_after_five_seconds() {
    let site = Site::new();
    let (_served, address, _) = listen(site.settings(&[]));
    let limit = Duration::from_secs(7);
    let took = at_best(limit, || {
        let began = Instant::now();
        let mut silent = TcpStream::connect(address).unwrap();
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
        began.elapsed()
    });
    assert!(took >= Duration::from_millis(4900) && took <= limit, "{took:?}");
}

#[test]
fn tls_is_not_for_unix_sockets() {
    let site = Site::new();
    let path = site.path("socket");
    let socket = ListenerSocket::Unix(std::os::unix::net::UnixListener::bind(path).unwrap());
    let tls = Arc::new(ReloadableTls::load(site.settings(&[])).unwrap());
    assert!(socket.into_bound(&Security::Tls(tls)).is_err());
}

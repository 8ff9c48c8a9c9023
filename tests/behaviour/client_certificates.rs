//! What a route asks of TLS towards its endpoint, and the certificate that it shows there.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::harness::{After, CREATE, Endpoint, FORM, Proxy, Setup, endpoint, eventually};
use crate::untrusted::{Authority, secure};

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const EACH: [&[&SupportedProtocolVersion]; 2] = [&[&TLS12], &[&TLS13]];

/// A server with a certificate for 127.0.0.1, which lets in whom `clients` have certified, or everybody.
fn server(authority: &Authority, clients: &[&Authority], versions: &[&'static SupportedProtocolVersion]) -> Endpoint {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for client in clients {
        roots.add(CertificateDer::from_pem_slice(client.pem.as_bytes()).unwrap()).unwrap();
    }
    let verifier = match clients {
        [] => WebPkiClientVerifier::no_client_auth(),
        _ => WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap(),
    };
    let (chain, key) = authority.pair(&["127.0.0.1"]);
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    secure(config, &endpoint::answer("200 OK", "over TLS"), After::KeepOpen)
}

/// Puts a certificate of `authority` and its key into files, whole, and returns the lines that name them.
fn shown(setup: &Setup, name: &str, authority: &Authority) -> String {
    let (chain, key) = authority.pair(&["countersign.example"]);
    let put = |file: String, text: &str| {
        let (staged, path) = (setup.vault_path(&format!("{file}.new")), setup.vault_path(&file));
        std::fs::write(&staged, text).unwrap();
        std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(staged, &path).unwrap();
        path
    };
    let key = put(format!("{name}.key"), &key);
    let chain = put(format!("{name}.pem"), &chain);
    format!("client_certificate = {chain:?}\nclient_key = {key:?}")
}

#[track_caller]
fn refused(proxy: &Proxy, endpoint: &Endpoint, why: &str) {
    for form in [FORM, CREATE] {
        let answer = proxy.post(form);
        proxy.assert_own(&answer, 502, "ProxyUpstreamUntrusted", "no");
    }
    assert_eq!(endpoint.requests().len(), 0);
    proxy.log.wait_for(why, |line| line.contains(why).then_some(()));
}

#[test]
fn an_endpoint_that_wants_a_client_certificate_is_shown_that_of_the_route() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for versions in EACH {
        let endpoint = server(&authority, &[&clients], versions);
        let setup = Setup::to(&endpoint).trusting(&authority.pem);
        let lines = shown(&setup, "client", &clients);
        let proxy = setup.route(&lines).start();
        assert_eq!(proxy.post(FORM).expect(200).text(), "over TLS");
        proxy.post(CREATE).expect(200);
        assert_eq!(endpoint.connections(), 1);
    }
}

#[test]
fn an_endpoint_that_refuses_the_client_certificate_has_received_nothing_and_the_answer_says_so() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for versions in EACH {
        let endpoint = server(&authority, &[&clients], versions);
        let without = Setup::to(&endpoint).trusting(&authority.pem);
        refused(&without.start(), &endpoint, "upstream.tls");
        let wrong = Setup::to(&endpoint).trusting(&authority.pem);
        let lines = shown(&wrong, "client", &Authority::new());
        refused(&wrong.route(&lines).start(), &endpoint, "the client certificate of the route, or wants one");
    }
}

#[test]
fn a_call_is_not_made_again_on_the_word_of_an_endpoint_that_refuses_the_client_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for versions in EACH {
        let endpoint = server(&authority, &[&clients], versions);
        // with TLS 1.3 the request is written before the refusal comes
        refused(&Setup::to(&endpoint).trusting(&authority.pem).start(), &endpoint, "upstream.tls");
        assert_eq!(endpoint.connections(), 2, "one for each of two calls");
    }
}

#[test]
fn a_replaced_client_certificate_is_shown_soon_and_connections_made_before_carry_no_more_requests() {
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let endpoint = server(&authority, &[&old, &new], BOTH);
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let lines = shown(&setup, "client", &old);
    let setup = setup.route(&lines);
    let proxy = setup.clone().start();
    proxy.post(FORM).expect(200);
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.connections(), 1);
    // nothing but the files changes, and no signal is sent
    shown(&setup, "client", &new);
    eventually("a connection with the new certificate", || {
        proxy.post(FORM).expect(200);
        (endpoint.connections() > 1).then_some(())
    });
    let connections = endpoint.connections();
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.connections(), connections, "the new connection is kept");
}

#[test]
fn a_replaced_ca_file_is_used_soon_without_a_signal() {
    let (good, other) = (Authority::new(), Authority::new());
    let endpoint = server(&good, &[], BOTH);
    let setup = Setup::to(&endpoint).trusting(&other.pem);
    let proxy = setup.clone().start();
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
    let staged = setup.vault_path("ca.pem.new");
    std::fs::write(&staged, &good.pem).unwrap();
    std::fs::rename(staged, setup.vault_path("ca.pem")).unwrap();
    eventually("the new authority", || (proxy.post(FORM).status == 200).then_some(()));
}

#[test]
fn a_key_that_does_not_fit_is_not_adopted_and_the_certificate_before_stays_in_use() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let endpoint = server(&authority, &[&clients], BOTH);
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let lines = shown(&setup, "client", &clients);
    let proxy = setup.clone().route(&lines).start();
    let (_, stranger) = clients.pair(&["countersign.example"]);
    std::fs::write(setup.vault_path("client.key"), stranger).unwrap();
    proxy.log.wait_for("a pair that does not fit", |line| line.contains("cannot be used together").then_some(()));
    proxy.post(FORM).expect(200);
}

#[test]
fn a_pinned_key_is_asked_for_beside_the_verification_and_not_instead_of_it() {
    const OTHER: &str = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let authority = Authority::new();
    let endpoint = server(&authority, &[], BOTH);
    let line = |pins: &[&str]| format!("pinned_public_keys = {pins:?}");
    let another = Setup::to(&endpoint).trusting(&authority.pem);
    let proxy = another.clone().route(&line(&[OTHER])).start();
    refused(&proxy, &endpoint, "which is not among `pinned_public_keys`");
    let pin = proxy.log.wait_for("the key", |line| {
        let (_, behind) = line.split_once("its public key is ")?;
        behind.split_once(',').map(|(pin, _)| pin.to_owned())
    });
    another.route(&line(&[OTHER, &pin])).start().post(FORM).expect(200);
    let untrusted = Setup::to(&endpoint).trusting(&Authority::new().pem).route(&line(&[&pin])).start();
    untrusted.assert_own(&untrusted.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn an_endpoint_that_speaks_only_an_older_tls_than_the_route_asks_for_is_not_sent_anything() {
    let authority = Authority::new();
    let endpoint = server(&authority, &[], &[&TLS12]);
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    refused(&setup.clone().route("minimum_tls = \"1.3\"").start(), &endpoint, "upstream.tls");
    setup.route("minimum_tls = \"1.2\"").start().post(FORM).expect(200);
}

pub fn new_client_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let endpoint = server(&authority, &[&clients], BOTH);
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let [wrong, right] = [("wrong", &Authority::new()), ("right", &clients)].map(|(name, of)| shown(&setup, name, of));
    let proxy = setup.clone().route(&wrong).start();
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
    proxy.reload(&setup.route(&right));
    proxy.post(FORM).expect(200);
}

pub fn new_pinned_public_key() {
    let authority = Authority::new();
    let endpoint = server(&authority, &[], BOTH);
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let proxy = setup.clone().start();
    proxy.post(FORM).expect(200);
    let pin = "pinned_public_keys = [\"sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"]";
    proxy.reload(&setup.route(pin));
    // a connection on which the key was not asked for is there, and not used
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
}

pub fn new_minimum_tls() {
    let authority = Authority::new();
    let endpoint = server(&authority, &[], &[&TLS12]);
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let proxy = setup.clone().start();
    proxy.post(FORM).expect(200);
    proxy.reload(&setup.route("minimum_tls = \"1.3\""));
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
}

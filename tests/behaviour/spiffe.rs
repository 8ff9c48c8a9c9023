//! A listener whose certificate, key and client bundle spiffe-helper writes, as its sources write them
//! (`pkg/disk/x509.go` of spiffe-helper 0.11): `os.WriteFile` of the certificate, then of the key, then of the bundle.
//! The files are truncated and written in their place, without a rename, and their mode is only that of their creation.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Draft, Endpoint, FORM, Outcome, PATIENCE, Proxy, Setup, eventually};

/// An authority of a trust domain, as SPIRE's: a certificate with the ID of the domain.
struct Domain {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
struct Svid {
    chain: String,
    key: String,
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

impl Domain {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        // each authority of SPIRE has a subject of its own: a serial number
        params.distinguished_name.push(DnType::CommonName, format!("{name} {:?}", &key.public_key_raw()[1..9]));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.subject_alt_names.push(uri(&format!("spiffe://{name}")));
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// An SVID, with a DNS name for the clients that call the listener.
    fn of_listener(&self) -> Svid {
        self.issue(&[uri("spiffe://example.org/countersign"), SanType::DnsName("localhost".try_into().unwrap())])
    }

    fn svid(&self, id: &str) -> Svid {
        self.issue(&[uri(id)])
    }

    fn issue(&self, names: &[SanType]) -> Svid {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names.extend_from_slice(names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        Svid { chain: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

/// What spiffe-helper does with its `cert_dir`.
struct Helper {
    directory: PathBuf,
    key_file_mode: u32,
}

impl Helper {
    /// The directory that an init container made for it.
    fn beside(setup: &Setup, key_file_mode: u32) -> Self {
        let directory = setup.vault_path("svid");
        std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
        Self { directory, key_file_mode }
    }

    /// Go's `os.WriteFile`.
    fn write_file(&self, name: &str, text: &str, mode: u32) {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(mode).open(self.directory.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn write_svid(&self, svid: &Svid) {
        self.write_file("svid.pem", &svid.chain, 0o644);
    }

    fn write_key(&self, svid: &Svid) {
        self.write_file("svid_key.pem", &svid.key, self.key_file_mode);
    }

    fn write_bundle(&self, authorities: &[&Domain]) {
        let bundle: String = authorities.iter().map(|domain| domain.pem.as_str()).collect();
        self.write_file("svid_bundle.pem", &bundle, 0o644);
    }

    /// All of an update from the Workload API.
    fn write(&self, svid: &Svid, authorities: &[&Domain]) {
        self.write_svid(svid);
        self.write_key(svid);
        self.write_bundle(authorities);
    }

    /// The lines of the listener.
    fn configure(&self, mut setup: Setup) -> Setup {
        let file = |name: &str| self.directory.join(name);
        setup.callers = "authenticate = [\"mtls\"]";
        setup.listener(&format!(
            "tls = {{ certificate = {:?}, private_key = {:?}, client_ca = {:?} }}",
            file("svid.pem"),
            file("svid_key.pem"),
            file("svid_bundle.pem")
        ))
    }
}

/// Calls with an SVID a listener that one of `trusted` certified, and returns the status and the certificate of the
/// listener; an error if the handshake fails.
fn call(proxy: &Proxy, svid: &Svid, trusted: &[&Domain]) -> io::Result<(u16, CertificateDer<'static>)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for domain in trusted {
        roots.add(CertificateDer::from_pem_slice(domain.pem.as_bytes()).unwrap()).unwrap();
    }
    let key = PrivateKeyDer::from_pem_slice(svid.key.as_bytes()).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate(svid)], key)
        .unwrap();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(proxy.address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(&Draft::form(FORM).field("Connection", "close").bytes("localhost"))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no answer"))?;
    Ok((status, stream.conn.peer_certificates().unwrap()[0].clone().into_owned()))
}

fn certificate(svid: &Svid) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(svid.chain.as_bytes()).unwrap()
}

const REPORTING: &str = "spiffe://example.org/reporting";
const CLIENTS: &str = "[client.reporting]\nspiffe = \"spiffe://example.org/reporting\"\nallow = [\"*:*\"]\n\
    [client.partner]\nspiffe = \"spiffe://partner.example/jobs\"\nallow = [\"*:*\"]\n";

/// The status of a call that must get an answer.
#[track_caller]
fn status(proxy: &Proxy, svid: &Svid, trusted: &[&Domain]) -> u16 {
    call(proxy, svid, trusted).unwrap().0
}

#[test]
fn what_spiffe_helper_writes_is_used_once_it_is_whole_and_what_was_before_stays_in_use_until_then() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint).more(CLIENTS);
    let helper = Helper::beside(&setup, 0o600);
    let old = Domain::new("example.org");
    let first = old.of_listener();
    helper.write(&first, &[&old]);
    let proxy = helper.configure(setup).start();
    let client = old.svid(REPORTING);
    assert_eq!(call(&proxy, &client, &[&old]).unwrap(), (200, certificate(&first)));

    // between two of its writes: the certificate is new, and the key is not; then the key is empty, and the bundle
    let second = old.of_listener();
    helper.write_svid(&second);
    proxy.log.wait_for("a pair that does not fit", |line| line.contains("cannot be used together").then_some(()));
    assert_eq!(call(&proxy, &client, &[&old]).unwrap(), (200, certificate(&first)));
    helper.write_file("svid_key.pem", "", 0o600);
    helper.write_file("svid_bundle.pem", "", 0o644);
    assert_eq!(call(&proxy, &client, &[&old]).unwrap(), (200, certificate(&first)));
    helper.write_key(&second);
    helper.write_bundle(&[&old]);
    eventually("the new certificate", || {
        let (status, shown) = call(&proxy, &client, &[&old]).unwrap();
        assert_eq!(status, 200);
        (shown == certificate(&second)).then_some(())
    });

    // a new authority comes, is used, and replaces the old one
    let new = Domain::new("example.org");
    helper.write(&second, &[&old, &new]);
    let newer = new.svid(REPORTING);
    eventually("the new authority", || call(&proxy, &newer, &[&old]).ok().filter(|(status, _)| *status == 200));
    assert_eq!(status(&proxy, &client, &[&old]), 200, "that of the old one is not refused yet");
    let third = new.of_listener();
    helper.write(&third, &[&new]);
    eventually("the end of the old authority", || call(&proxy, &client, &[&old, &new]).err());
    assert_eq!(call(&proxy, &newer, &[&new]).unwrap(), (200, certificate(&third)));
}

#[test]
fn a_federated_domain_identifies_its_own_clients_and_can_issue_those_of_no_other_domain() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint).more(CLIENTS);
    let helper = Helper::beside(&setup, 0o600);
    let [own, partner, stranger] = ["example.org", "partner.example", "example.org"].map(Domain::new);
    // `include_federated_domains`: the bundles of all domains are one file
    helper.write(&own.of_listener(), &[&own, &partner]);
    let proxy = helper.configure(setup).start();
    let call_as = |domain: &Domain, id: &str| call(&proxy, &domain.svid(id), &[&own]).map(|(status, _)| status);
    assert_eq!(call_as(&own, REPORTING).unwrap(), 200);
    assert_eq!(call_as(&partner, "spiffe://partner.example/jobs").unwrap(), 200);
    assert_eq!(call_as(&partner, "spiffe://partner.example/others").unwrap(), 403, "no client has this ID");
    for (domain, id) in [(&partner, REPORTING), (&own, "spiffe://partner.example/jobs"), (&stranger, REPORTING)] {
        assert!(call_as(domain, id).is_err(), "{id}");
    }
    assert_eq!(endpoint.requests().len(), 2);
    let handshakes = r#"countersign_refused_handshakes_total{listener="local",reason="unknown_authority"}"#;
    eventually("three handshakes", || (proxy.metric(handshakes) == 3.0).then_some(()));
}

#[test]
fn a_key_that_spiffe_helper_lets_others_read_is_refused_with_the_mode_to_set() {
    let setup = Setup::to(&Endpoint::obliging()).more(CLIENTS);
    let helper = Helper::beside(&setup, 0o644);
    let domain = Domain::new("example.org");
    helper.write(&domain.of_listener(), &[&domain]);
    let outcome = Outcome::of(&mut helper.configure(setup).command("check"), "");
    assert_eq!(outcome.code, 77, "{outcome:?}");
    assert!(outcome.stderr.contains("chmod") && outcome.stderr.contains("svid_key.pem"), "{}", outcome.stderr);
}

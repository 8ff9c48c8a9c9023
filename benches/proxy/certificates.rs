//! The certificates: one authority, and one leaf that the endpoint, the proxies and the clients all use.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The TLS configurations of the benchmark's own endpoint and clients.
pub struct Tls {
    pub endpoint: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
}

/// Makes the certificates; the proxies find them in `ca.pem`, `leaf.pem` and `leaf.key`.
pub fn make(directory: &Path) -> Tls {
    let mut authority = CertificateParams::new([]).unwrap();
    // a name other than that of the leaf: OpenSSL takes a certificate for self-signed if its issuer has the same name
    authority.distinguished_name.push(DnType::CommonName, "Benchmark authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(directory.join("leaf.pem"), leaf.pem()).unwrap();
    write_secret(&directory.join("leaf.key"), &key.serialize_pem());

    let chain = vec![leaf.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = countersign::trust::provider();
    let endpoint = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.unwrap().with_root_certificates(roots);
    Tls {
        endpoint: Arc::new(
            endpoint.unwrap().with_no_client_auth().with_single_cert(chain.clone(), key.clone_key()).unwrap(),
        ),
        client: Arc::new(client.with_client_auth_cert(chain, key).unwrap()),
    }
}

/// Writes a file that only its owner may read: countersign refuses files with secrets that others may read.
pub fn write_secret(path: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

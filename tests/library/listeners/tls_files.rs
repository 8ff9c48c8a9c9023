//! The files of a TLS listener, made on the spot, and clients with certificates of every sort.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign::downstream::tls::{Clients, TlsSettings, Versions};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::harness::PATIENCE;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, both PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn issue(&self, serial: u64, purpose: ExtendedKeyUsagePurpose, names: Vec<SanType>) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names = names;
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    pub(crate) fn client(&self, serial: u64, uris: &[&str]) -> Identity {
        let mut names: Vec<SanType> = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        names.push(dns("client.example"));
        self.issue(serial, ExtendedKeyUsagePurpose::ClientAuth, names)
    }

    /// A revocation list that was good until the first of January of `expires`.
    pub(crate) fn revoke(&self, serials: &[u64], expires: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(expires, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A directory with the server's files, and the authorities behind them.
pub(crate) struct Site {
    directory: TempDir,
    pub(crate) servers: Authority,
    pub(crate) clients: Authority,
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self {
            directory: tempfile::tempdir().unwrap(),
            servers: Authority::named("servers"),
            clients: Authority::named("clients"),
        };
        site.renew("localhost");
        site.write("ca.pem", &site.clients.pem);
        site
    }

    /// Gives the server a new certificate, for `name`.
    pub(crate) fn renew(&self, name: &str) {
        let server = self.servers.issue(1, ExtendedKeyUsagePurpose::ServerAuth, vec![dns(name)]);
        self.write("tls.pem", &server.certificate);
        self.write("tls.key", &server.key);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn settings(&self, crls: &[&str]) -> TlsSettings {
        let crl_files = crls.iter().map(|name| self.path(name)).collect();
        TlsSettings {
            certificate_file: self.path("tls.pem"),
            key_file: self.path("tls.key"),
            clients: Clients::Verified { ca_file: self.path("ca.pem"), crl_files },
            versions: Versions::From12,
            session_lifetime: Duration::from_secs(60),
        }
    }

    /// A client of this site's servers, with `identity`.
    pub(crate) fn client(&self, identity: Option<&Identity>) -> Client {
        self.client_with(identity, &[&rustls::version::TLS13])
    }

    pub(crate) fn client_with(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.servers.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        Client(config)
    }
}

/// A client that would resume its sessions if it could.
pub(crate) struct Client(pub(crate) ClientConfig);

impl Client {
    /// Connects for `name`, and sends one request. In TLS 1.3 a client learns from its first read that it was refused.
    pub(crate) fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let connection = ClientConnection::new(Arc::new(self.0.clone()), name.to_owned().try_into().unwrap());
        let tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(connection.map_err(io::Error::other)?, tcp);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
        Ok(stream)
    }

    /// The answer to one request, and how the handshake went.
    pub(crate) fn ask(&self, address: SocketAddr) -> io::Result<(String, HandshakeKind)> {
        let mut stream = self.connect(address, "localhost")?;
        let mut answer = [0; 4096];
        let read = stream.read(&mut answer)?;
        let kind = stream.conn.handshake_kind().unwrap();
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((String::from_utf8_lossy(&answer[..read]).into_owned(), kind))
    }
}

//! The endpoint's TLS identity: read from files, or issued at start by an authority made for the purpose.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

/// How long certificates made here are valid: long enough for any test run, and less than the 825 days that some
/// platforms allow.
const VALIDITY: SignedDuration = SignedDuration::from_hours(365 * 24);

/// How far the clocks of clients may be behind.
const BACKDATED: SignedDuration = SignedDuration::from_hours(24);

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// No certificate could be made, most often because a name is not valid.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// A certificate in the file cannot be read.
    #[error("cannot read a PEM certificate")]
    Chain(#[source] rustls::pki_types::pem::Error),
    /// The file has no certificate.
    #[error("there is no PEM certificate")]
    NoCertificate,
    /// The private key in the file cannot be read.
    #[error("cannot read a PEM private key")]
    Key(#[source] rustls::pki_types::pem::Error),
    /// The certificate and the key cannot be used together.
    #[error("the certificate and its key cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// A certificate authority that exists as long as this value: its key is in no file.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    valid_at: Timestamp,
}

impl Authority {
    /// Makes an authority whose certificates are valid from a day before `now` to a year after.
    ///
    /// # Errors
    /// `CertificateError::Make`.
    pub fn generate(now: Timestamp) -> Result<Self, CertificateError> {
        let key = KeyPair::generate().map_err(CertificateError::Make)?;
        let mut params = params(&[], "countersign sandbox CA", now)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).map_err(CertificateError::Make)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem, valid_at: now })
    }

    /// The authority's certificate, for clients' `ca_file`.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a server certificate for `names`: host names and IP addresses.
    ///
    /// # Errors
    /// `CertificateError::Make` for a name that cannot be in a certificate.
    pub fn issue(&self, names: &[&str]) -> Result<Identity, CertificateError> {
        let key = KeyPair::generate().map_err(CertificateError::Make)?;
        let mut params = params(names, "countersign sandbox", self.valid_at)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(CertificateError::Make)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Identity::new(vec![certificate.der().clone()], key)
    }
}

/// A certificate chain with its private key, ready to serve.
#[derive(Clone)]
pub struct Identity(Arc<ServerConfig>);

impl Identity {
    /// Reads PEM: the chain, leaf first, and the key.
    ///
    /// # Errors
    /// The certificate or the key cannot be read, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(CertificateError::Chain)?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        Self::new(chain, PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, CertificateError> {
        // the provider is named, since another library could choose the default of the process
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(CertificateError::Unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

fn params(names: &[&str], common_name: &str, now: Timestamp) -> Result<CertificateParams, CertificateError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(CertificateError::Make)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let day = |instant: Timestamp| {
        let date = instant.to_zoned(TimeZone::UTC).date();
        let [month, day] = [date.month(), date.day()].map(|number| u8::try_from(number).unwrap_or(1));
        rcgen::date_time_ymd(i32::from(date.year()), month, day)
    };
    params.not_before = day(now.saturating_sub(BACKDATED).unwrap_or(now));
    params.not_after = day(now.saturating_add(VALIDITY).unwrap_or(now));
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_issues_for_names_and_addresses() {
        let authority = Authority::generate(crate::clock::now()).unwrap();
        assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(authority.issue(&["localhost", "127.0.0.1", "::1"]).is_ok());
        assert!(matches!(authority.issue(&["not a name é"]), Err(CertificateError::Make(_))));
    }

    #[test]
    fn a_key_that_belongs_to_another_certificate_is_refused() {
        let key = |_| KeyPair::generate().unwrap();
        let [one, other] = [0, 1].map(key);
        let certificate = params(&["localhost"], "test", crate::clock::now()).unwrap().self_signed(&one).unwrap().pem();
        let identity = |key: &KeyPair| Identity::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes());
        assert!(identity(&one).is_ok());
        assert!(matches!(identity(&other), Err(CertificateError::Unusable(_))));
        let empty = Identity::from_pem(b"", one.serialize_pem().as_bytes());
        assert!(matches!(empty, Err(CertificateError::NoCertificate)));
        assert!(matches!(Identity::from_pem(certificate.as_bytes(), b""), Err(CertificateError::Key(_))));
    }
}

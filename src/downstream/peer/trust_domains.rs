//! Authorities of SPIFFE trust domains vouch for SPIFFE IDs of their own domain alone.
//!
//! An authority may say which trust domain it is of: it has the SPIFFE ID of the domain, without a path (X509-SVID,
//! section 4.3). Helpers that write the bundles of several domains into one file, as spiffe-helper does with
//! `include_federated_domains`, leave nothing else to tell the domains apart. If every authority in such a file could
//! issue every name, each federated domain could issue certificates of the clients of all others.
//!
//! An authority that names no domain vouches for any name, as it does in a file without SPIFFE: a root above the
//! authorities of a domain has no SPIFFE ID.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::names;
use crate::x509::{Parts, der};

/// Verifies a certificate with the authorities that may vouch for its name.
#[derive(Debug)]
pub(super) struct TrustDomains {
    /// With all authorities: what is offered to clients, and for certificates whose names are refused anyway.
    all: Arc<dyn ClientCertVerifier>,
    /// With the authorities of one domain, and those that name none.
    of_domain: BTreeMap<String, Arc<dyn ClientCertVerifier>>,
    /// For SPIFFE IDs of a domain that no authority names: with those that name none, if there are any.
    of_no_domain: Option<Arc<dyn ClientCertVerifier>>,
}

impl TrustDomains {
    /// Makes the verifiers of `authorities`, each by `verifier` of some of them.
    ///
    /// # Errors
    /// Those of `verifier`.
    pub(super) fn new<E>(
        authorities: &[CertificateDer<'static>],
        verifier: impl Fn(&[&CertificateDer<'static>]) -> Result<Arc<dyn ClientCertVerifier>, E>,
    ) -> Result<Self, E> {
        let domains: Vec<Option<String>> = authorities.iter().map(|authority| trust_domain(authority)).collect();
        let those = |wanted: &dyn Fn(&Option<String>) -> bool| -> Vec<&CertificateDer<'static>> {
            authorities
                .iter()
                .zip(&domains)
                .filter(|(_, domain)| wanted(domain))
                .map(|(authority, _)| authority)
                .collect()
        };
        let mut of_domain = BTreeMap::new();
        for domain in domains.iter().flatten() {
            if !of_domain.contains_key(domain) {
                let own = those(&|other| other.as_ref().is_none_or(|other| other == domain));
                of_domain.insert(domain.clone(), verifier(&own)?);
            }
        }
        let unnamed = those(&Option::is_none);
        let of_no_domain = if unnamed.is_empty() { None } else { Some(verifier(&unnamed)?) };
        Ok(Self { all: verifier(&those(&|_| true))?, of_domain, of_no_domain })
    }

    /// The verifier for a certificate; `None` if no authority may vouch for it.
    fn for_names_of(&self, certificate: &CertificateDer<'_>) -> Option<&Arc<dyn ClientCertVerifier>> {
        let Ok(names) = names(certificate) else { return Some(&self.all) };
        match names.spiffe_id.as_deref().map(domain_of) {
            Some(domain) => self.of_domain.get(domain).or(self.of_no_domain.as_ref()),
            // somebody else is there: no domain vouches for names that are outside of it
            None if self.of_domain.len() > 1 || self.of_no_domain.is_some() => self.of_no_domain.as_ref(),
            None => Some(&self.all),
        }
    }
}

/// The trust domain that an authority is of, if it says so.
fn trust_domain(authority: &CertificateDer<'_>) -> Option<String> {
    let parts = Parts::of(authority)?;
    let names = der::all(parts.alternative_names)?;
    // `uniformResourceIdentifier` of `GeneralName`, RFC 5280 section 4.2.1.6
    let mut uris = names.into_iter().filter(|(tag, _)| *tag == 0x86);
    let id = uris.find_map(|(_, uri)| std::str::from_utf8(uri).ok().filter(|uri| uri.starts_with(SCHEME)))?;
    Some(domain_of(id).to_ascii_lowercase())
}

const SCHEME: &str = "spiffe://";

/// The trust domain of a SPIFFE ID.
fn domain_of(id: &str) -> &str {
    let rest = id.strip_prefix(SCHEME).unwrap_or_default();
    rest.split_once('/').map_or(rest, |(domain, _)| domain)
}

impl ClientCertVerifier for TrustDomains {
    fn offer_client_auth(&self) -> bool {
        self.all.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.all.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.all.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.for_names_of(end_entity) {
            Some(verifier) => verifier.verify_client_cert(end_entity, intermediates, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.all.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.all.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.all.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.all.requires_raw_public_keys()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType};
    use rustls::RootCertStore;
    use rustls::crypto::aws_lc_rs;
    use rustls::server::WebPkiClientVerifier;

    use super::*;

    struct Authority {
        certificate: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    /// An authority that names a domain, or none.
    fn authority(name: &str, domain: Option<&str>) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.subject_alt_names.extend(domain.map(|domain| uri(&format!("spiffe://{domain}"))));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    fn verify(authorities: &[&Authority], by: &Authority, name: SanType) -> Result<(), Error> {
        let trusted: Vec<_> = authorities.iter().map(|authority| authority.certificate.clone()).collect();
        let verifier = TrustDomains::new(&trusted, |some| {
            let mut roots = RootCertStore::empty();
            some.iter().for_each(|root| roots.add((*root).clone()).unwrap());
            let provider = Arc::new(aws_lc_rs::default_provider());
            let made = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            made.map(|made| -> Arc<dyn ClientCertVerifier> { made })
        });
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names.push(name);
        let leaf = params.signed_by(&KeyPair::generate().unwrap(), &by.issuer).unwrap();
        verifier.unwrap().verify_client_cert(leaf.der(), &[], UnixTime::now()).map(drop)
    }

    const REFUSED: Result<(), Error> = Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));

    #[test]
    fn an_authority_of_a_trust_domain_vouches_for_no_id_of_another() {
        let [one, other] = [authority("one", Some("one.example")), authority("other", Some("other.example"))];
        let both = [&one, &other];
        assert_eq!(verify(&both, &one, uri("spiffe://one.example/a")), Ok(()));
        assert_eq!(verify(&both, &other, uri("spiffe://other.example/a")), Ok(()));
        assert_eq!(verify(&both, &other, uri("spiffe://one.example/a")), REFUSED);
        assert_eq!(verify(&[&one], &one, uri("spiffe://third.example/a")), REFUSED);
    }

    #[test]
    fn two_authorities_of_a_domain_vouch_while_one_replaces_the_other() {
        let [old, new] = ["old", "new"].map(|name| authority(name, Some("one.example")));
        for by in [&old, &new] {
            assert_eq!(verify(&[&old, &new], by, uri("spiffe://one.example/a")), Ok(()));
        }
        assert_eq!(verify(&[&new], &old, uri("spiffe://one.example/a")), REFUSED);
    }

    #[test]
    fn an_authority_that_names_no_domain_vouches_for_any_name() {
        let [root, one] = [authority("root", None), authority("one", Some("one.example"))];
        for name in ["spiffe://one.example/a", "spiffe://other.example/a"] {
            assert_eq!(verify(&[&root, &one], &root, uri(name)), Ok(()), "{name}");
            assert_eq!(verify(&[&root], &root, uri(name)), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_name_outside_of_all_domains_is_vouched_for_by_an_authority_outside_or_by_the_only_domain() {
        let [root, one, other] =
            [authority("root", None), authority("one", Some("one")), authority("other", Some("other"))];
        let dns = || SanType::DnsName("a.example".try_into().unwrap());
        assert_eq!(verify(&[&one], &one, dns()), Ok(()));
        assert_eq!(verify(&[&one, &other], &one, dns()), REFUSED);
        assert_eq!(verify(&[&one, &root], &one, dns()), REFUSED);
        assert_eq!(verify(&[&one, &root], &root, dns()), Ok(()));
        assert_eq!(verify(&[&one, &other, &root], &other, dns()), REFUSED);
        assert_eq!(verify(&[&one, &other, &root], &root, dns()), Ok(()));
    }
}

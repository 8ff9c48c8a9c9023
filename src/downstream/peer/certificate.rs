//! The names in a verified client certificate: its SPIFFE ID and its DNS names.

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use webpki::EndEntityCert;

/// The names that a client certificate gives its holder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The one URI, if it is a SPIFFE ID.
    pub spiffe_id: Option<String>,
    /// In lower case, in the certificate's order. A wildcard names no client, so those are left out.
    pub dns_names: Vec<String>,
}

/// Why a certificate from a trusted authority identifies nobody.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CertificateError {
    /// It cannot be parsed, although it was verified: a bug.
    #[error("it cannot be read")]
    Unreadable,
    /// X509-SVID, section 2: an SVID must contain exactly one URI, and validators must reject those with more.
    #[error("it has a SPIFFE ID and {} more", if *.0 == 1 { "one URI".to_owned() } else { format!("{} URIs", .0) })]
    SeveralUris(usize),
    /// The scheme is `spiffe`, but the rest is not a SPIFFE ID.
    #[error("its URI begins like a SPIFFE ID and is not one")]
    Malformed,
}

/// The names in `certificate`. URIs that are not SPIFFE IDs are ignored, unless there is a SPIFFE ID beside them.
///
/// # Errors
/// [`CertificateError`]. The client must be refused, even if a DNS name in its certificate is known.
pub fn names(certificate: &CertificateDer<'_>) -> Result<Names, CertificateError> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::Unreadable)?;
    let uris: Vec<&str> = certificate.valid_uri_names().collect();
    let spiffe_id = match uris.as_slice() {
        [] => None,
        [uri] if !begins_like_spiffe(uri) => None,
        [uri] if is_spiffe_id(uri) => Some((*uri).to_owned()),
        [_] => return Err(CertificateError::Malformed),
        several if several.iter().any(|uri| begins_like_spiffe(uri)) => {
            return Err(CertificateError::SeveralUris(several.len().saturating_sub(1)));
        }
        _no_spiffe_id_among_them => None,
    };
    let dns_names = certificate.valid_dns_names().filter(|name| !name.starts_with('*'));
    Ok(Names { spiffe_id, dns_names: dns_names.map(str::to_ascii_lowercase).collect() })
}

fn begins_like_spiffe(uri: &str) -> bool {
    uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"))
}

/// `spiffe://trust-domain/path` as the SPIFFE-ID standard spells it. Strict, because a policy compares these byte for
/// byte: no upper case in the trust domain, no port, no escapes, no empty or dot segments. A workload has a path.
fn is_spiffe_id(uri: &str) -> bool {
    const LONGEST: usize = 2048;
    const LONGEST_TRUST_DOMAIN: usize = 255;
    let Some((trust_domain, path)) = uri.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let in_domain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.' | b'_');
    let in_path = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
    uri.len() <= LONGEST
        && (1..=LONGEST_TRUST_DOMAIN).contains(&trust_domain.len())
        && trust_domain.bytes().all(in_domain)
        && path
            .split('/')
            .all(|segment| !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(in_path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn names_of(uris: &[&str], dns: &[&str]) -> Result<Names, CertificateError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        params.subject_alt_names.extend(dns.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())));
        let key = KeyPair::generate().unwrap();
        names(params.self_signed(&key).unwrap().der())
    }

    #[test]
    fn one_spiffe_uri_is_the_spiffe_id() {
        let names = names_of(&["spiffe://example.org/ns/jobs/sa/loader"], &["Loader.example.org"]).unwrap();
        assert_eq!(names.spiffe_id.unwrap(), "spiffe://example.org/ns/jobs/sa/loader");
        assert_eq!(names.dns_names, ["loader.example.org"]);
    }

    #[test]
    fn a_spiffe_id_beside_another_uri_is_refused() {
        let other = "https://example.org/";
        let error = names_of(&["spiffe://example.org/a", other], &["a.example.org"]).unwrap_err();
        assert_eq!(error, CertificateError::SeveralUris(1));
        assert!(names_of(&[other, "spiffe://example.org/a", "spiffe://example.org/b"], &[]).is_err());
    }

    #[test]
    fn a_uri_that_is_no_spiffe_id_is_passed_over_and_a_false_one_refused() {
        assert_eq!(names_of(&["https://example.org/a"], &[]).unwrap(), Names::default());
        assert_eq!(names_of(&["spiffe://example.org:80/a"], &[]).unwrap_err(), CertificateError::Malformed);
    }

    #[test]
    fn a_wildcard_names_no_client() {
        assert_eq!(names_of(&[], &["*.example.org", "a.example.org"]).unwrap().dns_names, ["a.example.org"]);
    }

    #[test]
    fn spiffe_ids_are_taken_only_as_the_standard_spells_them() {
        for good in ["spiffe://example.org/a", "spiffe://td/ns/x-y/sa/Z_1.2", "spiffe://1_2.3/..a"] {
            assert!(is_spiffe_id(good), "{good}");
        }
        for bad in [
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe:///a",
            "spiffe://Example.org/a",
            "SPIFFE://example.org/a",
            "spiffe://example.org//a",
            "spiffe://example.org/a/",
            "spiffe://example.org/a/../b",
            "spiffe://example.org/./b",
            "spiffe://example.org/a%2fb",
            "spiffe://example.org/a?b",
            "spiffe://example.org/a#b",
            "spiffe://user@example.org/a",
            "spiffe://example.org:8443/a",
            "spiffe:example.org/a",
        ] {
            assert!(!is_spiffe_id(bad), "{bad}");
        }
    }
}

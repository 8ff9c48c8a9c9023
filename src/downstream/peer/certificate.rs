//! The names in a verified client certificate: its SPIFFE ID, its DNS names, and what else names its holder.

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use webpki::EndEntityCert;

use super::described::printable;
use crate::x509::{Parts, der};

/// The names that a client certificate gives its holder: every URI and every DNS name in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The one URI, if it is a SPIFFE ID.
    pub spiffe_id: Option<String>,
    /// In lower case, in the certificate's order.
    pub dns_names: Vec<String>,
    /// Names by which no client can be configured, escaped: wildcards, URIs that are not SPIFFE IDs, and DNS names that
    /// are not written as such. They are kept, because a certificate must not be judged by only some of its names.
    pub other_names: Vec<String>,
}

/// Why a certificate from a trusted authority identifies nobody.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CertificateError {
    /// It cannot be parsed, although it was verified.
    #[error("it cannot be read")]
    Unreadable,
    /// X509-SVID, section 2: an SVID must contain exactly one URI, and validators must reject those with more.
    #[error("it has a SPIFFE ID and {} more", if *.0 == 1 { "one URI".to_owned() } else { format!("{} URIs", .0) })]
    SeveralUris(usize),
    /// The scheme is `spiffe`, but the rest is not a SPIFFE ID.
    #[error("its URI begins like a SPIFFE ID and is not one")]
    Malformed,
}

/// The names in `certificate`. Other kinds of names (addresses, e-mail) identify no client, and are ignored.
///
/// # Errors
/// [`CertificateError`]. The client must be refused, even if a DNS name in its certificate is known.
pub fn names(certificate: &CertificateDer<'_>) -> Result<Names, CertificateError> {
    // the parser that verified it, and which refuses an extension that comes twice
    let _parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::Unreadable)?;
    let parts = Parts::of(certificate).ok_or(CertificateError::Unreadable)?;
    let mut names = Names::default();
    let mut uris = Vec::new();
    for (tag, value) in der::all(parts.alternative_names).ok_or(CertificateError::Unreadable)? {
        // `GeneralName`, RFC 5280 section 4.2.1.6
        match tag {
            0x82 => match dns_name(value) {
                Some(name) => names.dns_names.push(name),
                None => names.other_names.push(printable(value)),
            },
            0x86 => uris.push(value),
            _ => {}
        }
    }
    match uris.as_slice() {
        [uri] if begins_like_spiffe(uri) => names.spiffe_id = Some(spiffe_id(uri).ok_or(CertificateError::Malformed)?),
        several if several.iter().any(|uri| begins_like_spiffe(uri)) => {
            return Err(CertificateError::SeveralUris(several.len().saturating_sub(1)));
        }
        others => names.other_names.extend(others.iter().map(|uri| printable(uri))),
    }
    Ok(names)
}

/// A DNS name as a client can be configured with, in lower case: letters, digits, `-`, `_` and dots between labels.
fn dns_name(name: &[u8]) -> Option<String> {
    const LONGEST: usize = 253;
    let is_label = |label: &[u8]| {
        !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = name.len() <= LONGEST && name.split(|byte| *byte == b'.').all(is_label);
    is_name.then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

fn begins_like_spiffe(uri: &[u8]) -> bool {
    uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"spiffe:"))
}

fn spiffe_id(uri: &[u8]) -> Option<String> {
    std::str::from_utf8(uri).ok().filter(|uri| is_spiffe_id(uri)).map(ToOwned::to_owned)
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
    fn a_uri_that_is_no_spiffe_id_is_a_name_that_nobody_has_and_a_false_one_is_refused() {
        let names = names_of(&["https://example.org/a", "urn:x"], &["a.example"]).unwrap();
        assert_eq!((names.spiffe_id, names.dns_names), (None, vec!["a.example".to_owned()]));
        assert_eq!(names.other_names, ["https://example.org/a", "urn:x"]);
        assert_eq!(names_of(&["spiffe://example.org:80/a"], &[]).unwrap_err(), CertificateError::Malformed);
    }

    #[test]
    fn a_wildcard_names_no_client_and_is_not_forgotten() {
        let names = names_of(&[], &["*.example.org", "a.example.org", "my_host", "a..b", "a.example."]).unwrap();
        assert_eq!(names.dns_names, ["a.example.org", "my_host"]);
        assert_eq!(names.other_names, ["*.example.org", "a..b", "a.example."]);
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

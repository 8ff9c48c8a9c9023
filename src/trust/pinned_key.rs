//! A public key that a server must have, whoever vouches for its certificate.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use webpki::EndEntityCert;

/// The SHA-256 digest of a `subjectPublicKeyInfo` (RFC 7469 section 2.4, and curl's `--pinnedpubkey`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinnedKey([u8; 32]);

impl PinnedKey {
    /// Reads `sha256/BASE64`, and curl's `sha256//BASE64`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        /// The length of 32 bytes in Base64. Its first character may be a slash, too.
        const LENGTH: usize = 44;
        let digest = text.strip_prefix("sha256/")?;
        let digest = digest.strip_prefix('/').filter(|digest| digest.len() == LENGTH).unwrap_or(digest);
        STANDARD.decode(digest).ok()?.try_into().ok().map(Self)
    }

    /// That of a certificate. `None` when it cannot be read.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        Some(Self(Sha256::digest(certificate.subject_public_key_info()).into()))
    }
}

impl fmt::Display for PinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_key_is_written_with_one_slash_or_as_curl_writes_it() {
        let digests = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "/wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="];
        for digest in digests {
            let ours = PinnedKey::parse(&format!("sha256/{digest}")).unwrap();
            assert_eq!(ours.to_string(), format!("sha256/{digest}"));
            assert_eq!(PinnedKey::parse(&format!("sha256//{digest}")), Some(ours));
        }
        for bad in ["", "sha256/", "sha256/AAAA", "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAA=", digests[0]] {
            assert_eq!(PinnedKey::parse(bad), None, "{bad}");
        }
        assert_eq!(PinnedKey::parse(&format!("sha256///{}", digests[0])), None);
    }
}

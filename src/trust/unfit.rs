//! What makes a certificate unfit for a server, whoever signed it.

use std::fmt;

use crate::x509::Parts;

/// The shortest RSA key, in bits, with which webpki verifies a signature.
const SHORTEST_RSA_KEY: usize = 2048;

/// Why a certificate is not taken from any server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It has no extensions, so it cannot say for which names it is.
    NotVersion3,
    /// It names nobody where names are looked for.
    NoNames,
    /// Its RSA key has so few bits.
    ShortKey(usize),
    /// It is signed with a digest for which forgeries can be made.
    WeakDigest(&'static str),
}

impl Unfit {
    /// Everything that is wrong with a certificate.
    pub(super) fn all(parts: &Parts<'_>) -> Vec<Self> {
        let names = if !parts.is_version_3() {
            Some(Self::NotVersion3)
        } else if parts.alternative_names.is_empty() {
            Some(Self::NoNames)
        } else {
            None
        };
        let key = parts.rsa_bits().filter(|bits| *bits < SHORTEST_RSA_KEY).map(Self::ShortKey);
        let digest = weak_digest(parts.signature_algorithm).map(Self::WeakDigest);
        [names, key, digest].into_iter().flatten().collect()
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVersion3 => f.write_str(
                "is not of version 3, so it cannot say for which names it is: \
                 `openssl req -x509 -addext subjectAltName=DNS:NAME` makes one that can",
            ),
            Self::NoNames => f.write_str(
                "has no subjectAltName, and CN is not read: \
                 `openssl req -x509 -addext subjectAltName=DNS:NAME` (or `IP:ADDRESS`) makes one that has",
            ),
            Self::ShortKey(bits) => write!(
                f,
                "has an RSA key of {bits} bits, fewer than {SHORTEST_RSA_KEY}: \
                 `openssl req -newkey rsa:{SHORTEST_RSA_KEY}` makes a longer one"
            ),
            Self::WeakDigest(digest) => {
                write!(f, "is signed with {digest}, which can be forged: `openssl req -sha256` signs it with SHA-256")
            }
        }
    }
}

/// The digest of a signature algorithm, if it is a weak one.
const fn weak_digest(algorithm: &[u8]) -> Option<&'static str> {
    match algorithm {
        // 1.2.840.113549.1.1.5 and 1.3.14.3.2.29 (RSA), 1.2.840.10045.4.1 (ECDSA), 1.2.840.10040.4.3 (DSA)
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05]
        | [0x2b, 0x0e, 0x03, 0x02, 0x1d]
        | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01]
        | [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03] => Some("SHA-1"),
        // 1.2.840.113549.1.1.4 and .2 (RSA)
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04] => Some("MD5"),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x02] => Some("MD2"),
        _ => None,
    }
}

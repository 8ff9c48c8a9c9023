//! Digests of bearer tokens, compared in constant time. The tokens themselves are not kept.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// The SHA-256 of a token. It needs no salt: a token is random, and too long to be guessed from its digest.
#[derive(Clone)]
pub struct TokenDigest([u8; Self::LENGTH]);

impl TokenDigest {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// A digest that was computed elsewhere.
    #[must_use]
    pub const fn new(digest: [u8; Self::LENGTH]) -> Self {
        Self(digest)
    }

    /// The digest of a token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// The beginning of the digest.
    #[must_use]
    pub(super) const fn mark(&self) -> TokenMark {
        let [first, second, third, fourth, ..] = self.0;
        TokenMark([first, second, third, fourth])
    }

    /// Compares in constant time.
    pub(super) fn matches(&self, other: &Self) -> Choice {
        // eight bytes at a time, since `subtle` compares slices byte by byte
        let (ours, theirs) = (self.0.as_chunks().0, other.0.as_chunks().0);
        ours.iter().zip(theirs).fold(Choice::from(1), |same, (ours, theirs)| {
            same & u64::from_ne_bytes(*ours).ct_eq(&u64::from_ne_bytes(*theirs))
        })
    }
}

/// The first four bytes of a token's digest: enough to find its line in the configuration, too few to reveal the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenMark([u8; 4]);

impl fmt::Display for TokenMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{:08x}", u32::from_be_bytes(self.0))
    }
}

/// Which token of a client a request carries, as the audit names it. Never the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenName<'c> {
    /// A bearer token, by the beginning of its digest, which the configuration has in full.
    Bearer(TokenMark),
    /// A token of this service account.
    ServiceAccount(&'c str),
}

impl fmt::Display for TokenName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(mark) => mark.fmt(f),
            Self::ServiceAccount(name) => f.write_str(name),
        }
    }
}

impl PartialEq for TokenDigest {
    /// In constant time, as every comparison of digests.
    fn eq(&self, other: &Self) -> bool {
        self.matches(other).into()
    }
}

impl Eq for TokenDigest {}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_digest_and_no_other() {
        let known = TokenDigest::of(b"abc");
        assert_eq!(known.0[..4], [0xba, 0x78, 0x16, 0xbf], "FIPS 180-2, appendix B.1");
        assert!(bool::from(known.matches(&TokenDigest::of(b"abc"))));
        for other in [b"".as_slice(), b"ab", b"abcd", b"ABC"] {
            assert!(!bool::from(known.matches(&TokenDigest::of(other))));
        }
        for place in 0..TokenDigest::LENGTH {
            let mut other = known.clone();
            other.0[place] ^= 0x10;
            assert!(!bool::from(known.matches(&other)), "{place}");
        }
        assert_eq!(format!("{known:?}"), "TokenDigest(..)");
        assert_eq!(known.mark().to_string(), "sha256:ba7816bf");
    }
}

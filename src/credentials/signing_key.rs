//! The keyed HMAC state that signs: the only part of a secret access key that stays in memory.

use hmac::digest::{FixedOutputReset, Output};
use hmac::{HmacReset, KeyInit};
use secret_memory::{Protection, SecretBox};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::secret::SecretAccessKey;
use super::stack::{burn_frames, burn_stack};

/// The MACs of Signature Version 2 (AWS General Reference, "Signature Version 2 signing process", 2010).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureMethod {
    /// `HmacSHA256`.
    HmacSha256,
    /// `HmacSHA1`.
    HmacSha1,
}

impl SignatureMethod {
    /// Their names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] =
        [(Self::HmacSha256.as_str(), Self::HmacSha256), (Self::HmacSha1.as_str(), Self::HmacSha1)];

    /// The value of the `SignatureMethod` parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "HmacSHA256",
            Self::HmacSha1 => "HmacSHA1",
        }
    }
}

/// A computed MAC: 32 bytes for SHA-256, 20 for SHA-1.
pub enum Mac {
    /// HMAC-SHA256.
    Sha256([u8; 32]),
    /// HMAC-SHA1.
    Sha1([u8; 20]),
}

impl Mac {
    /// The MAC's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
        }
    }
}

/// Computes signatures with one secret access key. Derives nothing; its state is in memory that no other process can
/// read ([`SecretBox`]), and is wiped on drop.
pub struct SigningKey(SecretBox<States>);

/// Whoever has these states can sign, but cannot derive the secret.
struct States {
    sha256: HmacReset<Sha256>,
    sha1: HmacReset<Sha1>,
}

impl SigningKey {
    /// Absorbs the secret.
    #[must_use]
    pub fn new(secret: &SecretAccessKey) -> Self {
        let key = Self::absorb(secret);
        burn_stack();
        key
    }

    /// The MAC of `message`. Takes about 0.4 us for 400 bytes.
    #[must_use]
    pub fn mac(&self, method: SignatureMethod, message: &[u8]) -> Mac {
        let mac = self.0.expose_secret().mac(method, message);
        burn_frames();
        mac
    }

    /// Whether `tag` is the MAC of `message`, compared in constant time.
    #[must_use]
    pub fn verifies(&self, method: SignatureMethod, message: &[u8], tag: &[u8]) -> bool {
        self.mac(method, message).as_bytes().ct_eq(tag).into()
    }

    /// How well its memory is protected.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.0.protection()
    }

    #[inline(never)]
    fn absorb(secret: &SecretAccessKey) -> Self {
        let secret = secret.expose_secret();
        Self(SecretBox::new(States { sha256: scrubbed(secret), sha1: scrubbed(secret) }))
    }
}

impl States {
    /// Works on a copy of the state, which stays on the stack until the caller overwrites it: it is as valuable as the
    /// key, and a worker's stack is not locked.
    #[inline(never)]
    fn mac(&self, method: SignatureMethod, message: &[u8]) -> Mac {
        match method {
            SignatureMethod::HmacSha256 => Mac::Sha256(finish(self.sha256.clone(), message).into()),
            SignatureMethod::HmacSha1 => Mac::Sha1(finish(self.sha1.clone(), message).into()),
        }
    }
}

fn finish<M: hmac::Mac + FixedOutputReset>(mut state: M, message: &[u8]) -> Output<M> {
    hmac::Mac::update(&mut state, message);
    // not `finalize`, which moves the state and does not wipe its old place
    state.finalize_fixed_reset()
}

/// The state after `secret`, run once and reset. A fresh state has an uninitialised block buffer that may hold what its
/// constructor left on the stack, which is the key XOR opad; running it overwrites that block.
fn scrubbed<M: hmac::Mac + KeyInit + FixedOutputReset>(secret: &[u8]) -> M {
    #[allow(clippy::expect_used)] // HMAC takes keys of any length (RFC 2104 section 3); the Result is the trait's
    let mut state = <M as KeyInit>::new_from_slice(secret).expect("any key length");
    hmac::Mac::update(&mut state, &[0; 64]);
    let _overwritten = state.finalize_fixed_reset();
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &[u8]) -> SigningKey {
        SigningKey::new(&SecretAccessKey::new(secret).unwrap())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn macs_agree_with_the_published_test_cases() {
        // RFC 4231 and RFC 2202, test case 2
        let key = key(b"Jefe");
        let message = b"what do ya want for nothing?";
        let sha256 = key.mac(SignatureMethod::HmacSha256, message);
        assert_eq!(hex(sha256.as_bytes()), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let sha1 = key.mac(SignatureMethod::HmacSha1, message);
        assert_eq!(hex(sha1.as_bytes()), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }

    #[test]
    fn a_key_signs_the_same_every_time_it_is_used() {
        let key = key(b"Jefe");
        let first = key.mac(SignatureMethod::HmacSha256, b"a");
        assert!(key.verifies(SignatureMethod::HmacSha256, b"a", first.as_bytes()));
        assert!(!key.verifies(SignatureMethod::HmacSha256, b"b", first.as_bytes()));
        assert!(!key.verifies(SignatureMethod::HmacSha1, b"a", first.as_bytes()));
    }
}

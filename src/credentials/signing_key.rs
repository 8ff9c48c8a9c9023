//! The keyed HMAC state that signs: the only part of a secret access key that stays in memory.

use hmac::HmacReset;
use secret_memory::{Protection, SecretBox};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::derived_keys::{DerivedKey, DerivedKeys, mac_once};
use super::key_use::{Derivation, KeyScope, KeyUse};
use super::keyed_state::{finish, scrubbed};
use super::mac_key::{AWS4, SignatureMethod};
use super::secret::SecretAccessKey;
use super::stack::{burn_frames, burn_stack};

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

/// Computes signatures with one secret access key. Implements no trait that shows or copies it; its state is in memory
/// that no other process can read ([`SecretBox`]), and is wiped on drop.
pub struct SigningKey {
    states: SecretBox<States>,
    derived: DerivedKeys,
}

/// Whoever has these states can sign, but cannot find out the secret. All of them are kept, since a route of any
/// dialect may be added when the secret is gone.
struct States {
    sha256: HmacReset<Sha256>,
    sha1: HmacReset<Sha1>,
    /// After the secret and `&`.
    sha1_ampersand: HmacReset<Sha1>,
    /// After `AWS4` and the secret.
    sha256_aws4: HmacReset<Sha256>,
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
        self.mac_with(&KeyUse::Secret(method), message)
    }

    /// The MAC of `message` with another form of the secret. The first one of a day, region and service takes four
    /// more.
    #[must_use]
    pub fn mac_with(&self, key: &KeyUse, message: &[u8]) -> Mac {
        let states = self.states.expose_secret();
        let mac = match key {
            KeyUse::Secret(method) => states.mac(*method, message),
            KeyUse::SecretAndAmpersand => states.mac_with_ampersand(message),
            KeyUse::Derived(scope) => Mac::Sha256(self.derived.mac(scope, message).unwrap_or_else(|| {
                let key = states.derive(scope);
                burn_stack();
                self.derived.keep(key, message)
            })),
        };
        burn_frames();
        mac
    }

    /// Whether `tag` is the MAC of `message`, compared in constant time.
    #[must_use]
    pub fn verifies(&self, method: SignatureMethod, message: &[u8], tag: &[u8]) -> bool {
        self.mac(method, message).as_bytes().ct_eq(tag).into()
    }

    /// Whether `tag` is the MAC of `message` with the key derived for `scope`, compared in constant time. The derived
    /// key is not kept: whoever is verified chooses the scope, and must not decide what stays in memory.
    #[must_use]
    pub fn verifies_in(&self, scope: &KeyScope, message: &[u8], tag: &[u8]) -> bool {
        let mac = self.states.expose_secret().mac_in(scope, message);
        burn_stack();
        mac.as_bytes().ct_eq(tag).into()
    }

    /// How well its memory is protected.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.states.protection()
    }

    #[inline(never)]
    fn absorb(secret: &SecretAccessKey) -> Self {
        let secret = secret.expose_secret();
        // one copy, made at its full length: `AWS4`, the secret, `&`
        let mut longer = Zeroizing::new(Vec::with_capacity(secret.len().saturating_add(AWS4.len()).saturating_add(1)));
        longer.extend_from_slice(AWS4);
        longer.extend_from_slice(secret);
        let sha256_aws4 = scrubbed(&longer);
        longer.push(b'&');
        let sha1_ampersand = scrubbed(longer.get(AWS4.len()..).unwrap_or_default());
        let states = States { sha256: scrubbed(secret), sha1: scrubbed(secret), sha1_ampersand, sha256_aws4 };
        Self { states: SecretBox::new(states), derived: DerivedKeys::new() }
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

impl States {
    #[inline(never)]
    fn mac_with_ampersand(&self, message: &[u8]) -> Mac {
        Mac::Sha1(finish(self.sha1_ampersand.clone(), message).into())
    }

    /// Derives the key for `scope`. The keys between are on the stack, which the caller overwrites.
    #[inline(never)]
    fn derive(&self, scope: &KeyScope) -> DerivedKey {
        DerivedKey::after_first(&self.first(scope), scope)
    }

    /// The MAC of `message` with the key for `scope`, which is not kept. The keys between are on the stack, which the
    /// caller overwrites.
    #[inline(never)]
    fn mac_in(&self, scope: &KeyScope, message: &[u8]) -> Mac {
        Mac::Sha256(mac_once(&self.first(scope), scope, message))
    }

    /// The MAC of the day.
    fn first(&self, scope: &KeyScope) -> Zeroizing<[u8; 32]> {
        let first = match scope.derivation {
            Derivation::Aws4 => &self.sha256_aws4,
            Derivation::Volcengine => &self.sha256,
        };
        Zeroizing::new(finish(first.clone(), &scope.date).into())
    }
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
    fn a_derived_key_gives_the_signature_of_the_published_example() {
        // AWS General Reference 1.0, "Calculate the signature for AWS Signature Version 4"
        let key = key(b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let string_to_sign = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
            f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let scope = KeyScope {
            derivation: Derivation::Aws4,
            date: *b"20150830",
            region: "us-east-1".into(),
            service: "iam".into(),
        };
        let mac = key.mac_with(&KeyUse::Derived(Box::new(scope.clone())), string_to_sign.as_bytes());
        assert_eq!(hex(mac.as_bytes()), "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
        assert!(key.verifies_in(&scope, string_to_sign.as_bytes(), mac.as_bytes()));
        assert!(!key.verifies_in(&scope, b"another", mac.as_bytes()));
        let elsewhere = KeyScope { region: "eu-central-1".into(), ..scope };
        assert!(!key.verifies_in(&elsewhere, string_to_sign.as_bytes(), mac.as_bytes()));
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

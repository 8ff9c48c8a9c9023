//! The key with which an endpoint verifies: keyed states of a secret, apart from those that sign.

use hmac::{HmacReset, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secret_memory::SecretBox;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::credentials::stack::burn_stack;
use crate::credentials::{AccessKeyId, Credentials, SessionToken};

/// An access key as a server knows it.
pub struct VerifyingKey {
    id: AccessKeyId,
    token: Option<SessionToken>,
    expiration: Option<Timestamp>,
    states: SecretBox<States>,
}

struct States {
    secret_sha256: HmacReset<Sha256>,
    secret_sha1: HmacReset<Sha1>,
    ampersand_sha1: HmacReset<Sha1>,
    aws4_sha256: HmacReset<Sha256>,
}

/// What of the secret a dialect's MAC is computed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// The secret, HMAC-SHA256.
    Sha256,
    /// The secret, HMAC-SHA1.
    Sha1,
    /// The secret and `&`, HMAC-SHA1.
    AmpersandSha1,
    /// A chain of HMAC-SHA256 over these words, which begins with `AWS4` and the secret.
    Aws4([String; 4]),
    /// The same, which begins with the secret.
    Chain([String; 4]),
}

impl VerifyingKey {
    /// Absorbs the secret.
    #[must_use]
    pub fn new(credentials: &Credentials) -> Self {
        let states = Self::absorb(credentials.secret_access_key.expose_secret());
        burn_stack();
        Self {
            id: credentials.access_key_id.clone(),
            token: credentials.session_token.as_ref().and_then(|token| SessionToken::new(token.expose_secret())),
            expiration: credentials.expiration,
            states,
        }
    }

    /// The public id.
    #[must_use]
    pub const fn id(&self) -> &AccessKeyId {
        &self.id
    }

    /// Whether it may not be used any more.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expiration.is_some_and(|end| end <= now)
    }

    /// Whether a request has the token that belongs to this key.
    pub(super) fn has_token(&self, sent: Option<&str>) -> bool {
        match (&self.token, sent) {
            (None, None) => true,
            (Some(token), Some(sent)) => token.expose_secret().as_bytes().ct_eq(sent.as_bytes()).into(),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Whether `tag` is the MAC of `message`, compared in constant time.
    pub(super) fn verifies(&self, form: &KeyForm, message: &[u8], tag: &[u8]) -> bool {
        let mac = self.mac(form, message);
        burn_stack();
        mac.ct_eq(tag).into()
    }

    #[inline(never)]
    fn absorb(secret: &[u8]) -> SecretBox<States> {
        let with = |parts: [&[u8]; 2]| Zeroizing::new(parts.concat());
        SecretBox::new(States {
            secret_sha256: sha256(secret),
            secret_sha1: sha1(secret),
            ampersand_sha1: sha1(&with([secret, b"&"])),
            aws4_sha256: sha256(&with([b"AWS4", secret])),
        })
    }

    #[inline(never)]
    fn mac(&self, form: &KeyForm, message: &[u8]) -> Vec<u8> {
        let states = self.states.expose_secret();
        match form {
            KeyForm::Sha256 => finish(states.secret_sha256.clone(), message).to_vec(),
            KeyForm::Sha1 => finish_sha1(states.secret_sha1.clone(), message),
            KeyForm::AmpersandSha1 => finish_sha1(states.ampersand_sha1.clone(), message),
            KeyForm::Aws4(words) => chained(&states.aws4_sha256, words, message),
            KeyForm::Chain(words) => chained(&states.secret_sha256, words, message),
        }
    }
}

/// Each word's MAC is the key of the next, and the last one that of the message.
fn chained(first: &HmacReset<Sha256>, words: &[String; 4], message: &[u8]) -> Vec<u8> {
    let last = words.iter().fold(first.clone(), |state, word| sha256(&finish(state, word.as_bytes())[..]));
    finish(last, message).to_vec()
}

#[allow(clippy::expect_used)] // HMAC takes keys of any length (RFC 2104 section 3); the Result is the trait's
fn sha256(key: &[u8]) -> HmacReset<Sha256> {
    HmacReset::new_from_slice(key).expect("any key length")
}

#[allow(clippy::expect_used)] // likewise
fn sha1(key: &[u8]) -> HmacReset<Sha1> {
    HmacReset::new_from_slice(key).expect("any key length")
}

fn finish(mut state: HmacReset<Sha256>, message: &[u8]) -> Zeroizing<[u8; 32]> {
    state.update(message);
    Zeroizing::new(state.finalize().into_bytes().into())
}

fn finish_sha1(mut state: HmacReset<Sha1>, message: &[u8]) -> Vec<u8> {
    state.update(message);
    state.finalize().into_bytes().to_vec()
}

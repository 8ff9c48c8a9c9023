//! With what of a secret a MAC is computed: each dialect uses one form of it.

use std::sync::Arc;

use super::mac_key::{KeyForm, MacKey, SignatureMethod};

/// The form of a secret that a MAC is computed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyUse {
    /// The secret itself.
    Secret(SignatureMethod),
    /// The secret and `&` behind it, with HMAC-SHA1 (Alibaba Cloud's RPC style).
    SecretAndAmpersand,
    /// A key derived from the secret for one day, region and service, with HMAC-SHA256.
    Derived(Box<KeyScope>),
}

/// What a derived key is good for ("Create a signed AWS API request", AWS IAM user guide).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyScope {
    /// How it is derived.
    pub derivation: Derivation,
    /// The day in UTC: eight digits.
    pub date: [u8; 8],
    /// The region.
    pub region: Arc<str>,
    /// The service.
    pub service: Arc<str>,
}

/// A way to derive keys: date, region, service and a last word, each step with the key of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivation {
    /// AWS Signature Version 4: the first step's key is `AWS4` and the secret.
    Aws4,
    /// Volcengine: the first step's key is the secret.
    Volcengine,
}

impl Derivation {
    /// The last word, which also ends the scope as it is written.
    #[must_use]
    pub const fn last_word(self) -> &'static str {
        match self {
            Self::Aws4 => "aws4_request",
            Self::Volcengine => "request",
        }
    }

    /// What of the secret is the key of the first step.
    #[must_use]
    pub const fn form(self) -> KeyForm {
        match self {
            Self::Aws4 => KeyForm::Aws4AndSecret,
            Self::Volcengine => KeyForm::Secret,
        }
    }
}

impl KeyUse {
    /// What of the secret is needed, and the MAC.
    #[must_use]
    pub const fn mac_key(&self) -> MacKey {
        match self {
            Self::Secret(method) => MacKey { form: KeyForm::Secret, method: *method },
            Self::SecretAndAmpersand => MacKey { form: KeyForm::SecretAndAmpersand, method: SignatureMethod::HmacSha1 },
            Self::Derived(scope) => MacKey { form: scope.derivation.form(), method: SignatureMethod::HmacSha256 },
        }
    }
}

impl From<SignatureMethod> for KeyUse {
    fn from(method: SignatureMethod) -> Self {
        Self::Secret(method)
    }
}

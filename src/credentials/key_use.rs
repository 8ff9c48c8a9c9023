//! With what of a secret a MAC is computed: each dialect uses one form of it.

use std::sync::Arc;

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
}

impl KeyUse {
    /// The MAC.
    #[must_use]
    pub const fn method(&self) -> SignatureMethod {
        match self {
            Self::Secret(method) => *method,
            Self::SecretAndAmpersand => SignatureMethod::HmacSha1,
            Self::Derived(_) => SignatureMethod::HmacSha256,
        }
    }
}

impl From<SignatureMethod> for KeyUse {
    fn from(method: SignatureMethod) -> Self {
        Self::Secret(method)
    }
}

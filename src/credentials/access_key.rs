//! An access key: its id, its credentials, and the form that signs.

use std::fmt;

use jiff::Timestamp;
use secret_memory::Protection;

use super::key_use::KeyUse;
use super::secret::{SecretAccessKey, SessionToken};
use super::signer::{RemoteSigner, Signer, SigningError};
use super::signing_key::{Mac, SigningKey};

/// The public half of an access key: 1 to 256 bytes of text without control characters.
///
/// AWS's own ids are 16 to 128 characters of `A-Z a-z 0-9 _` (IAM reference), but other clouds let people choose them
/// freely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyId {
    text: String,
    /// Found out once, and not for each request.
    is_alphanumeric: bool,
}

impl AccessKeyId {
    /// Longest id, in bytes.
    pub const MAX_LENGTH: usize = 256;

    /// Parses an id; `None` when it breaks the rules above.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let printable = !text.chars().any(char::is_control);
        (printable && !text.is_empty() && text.len() <= Self::MAX_LENGTH).then(|| Self {
            text: text.to_owned(),
            is_alphanumeric: text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has only ASCII letters and digits, as nearly all ids do, so that no encoding changes it.
    #[must_use]
    pub const fn is_alphanumeric(&self) -> bool {
        self.is_alphanumeric
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a key store holds: the parts of an access key that change together.
pub struct Credentials {
    /// The public id.
    pub access_key_id: AccessKeyId,
    /// The secret.
    pub secret_access_key: SecretAccessKey,
    /// Present for temporary credentials.
    pub session_token: Option<SessionToken>,
    /// When the credentials stop working; `None` for long-lived ones.
    pub expiration: Option<Timestamp>,
}

/// An access key ready to sign: a store loads it, and a route signs with it, wherever its secret is kept.
pub struct ActiveKey<S = Signer> {
    id: AccessKeyId,
    session_token: Option<SessionToken>,
    expiration: Option<Timestamp>,
    signing_key: S,
}

/// An access key whose HMAC state is in this process, so that it verifies as well. The secret itself is not kept.
pub type HeldKey = ActiveKey<SigningKey>;

impl HeldKey {
    /// Takes credentials apart; the secret is wiped on the way.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        let Credentials { access_key_id, secret_access_key, session_token, expiration } = credentials;
        let signing_key = SigningKey::new(&secret_access_key);
        Self { id: access_key_id, session_token, expiration, signing_key }
    }
}

impl From<HeldKey> for ActiveKey {
    fn from(key: HeldKey) -> Self {
        let ActiveKey { id, session_token, expiration, signing_key } = key;
        Self { id, session_token, expiration, signing_key: Signer::Held(signing_key) }
    }
}

impl ActiveKey {
    /// A long-lived key whose secret is elsewhere.
    #[must_use]
    pub const fn remote(id: AccessKeyId, signer: RemoteSigner) -> Self {
        Self { id, session_token: None, expiration: None, signing_key: Signer::Remote(signer) }
    }

    /// The MAC of `message`: computed at once if the key is in this process.
    ///
    /// # Errors
    /// [`SigningError`].
    pub async fn mac(&self, key: &KeyUse, message: &[u8]) -> Result<Mac, SigningError> {
        self.signing_key.mac(key, message).await
    }

    /// How well the memory of key and session token is protected, the worse of the two; `None` if neither is in this
    /// process.
    #[must_use]
    pub fn protection(&self) -> Option<Protection> {
        let key = self.signing_key.held().map(SigningKey::protection);
        let token = self.session_token.as_ref().map(SessionToken::protection);
        key.max(token)
    }
}

impl<S> ActiveKey<S> {
    /// The public id, for `AWSAccessKeyId` and for logs.
    #[must_use]
    pub const fn id(&self) -> &AccessKeyId {
        &self.id
    }

    /// The token to send as `SecurityToken`.
    #[must_use]
    pub const fn session_token(&self) -> Option<&SessionToken> {
        self.session_token.as_ref()
    }

    /// When this key stops working.
    #[must_use]
    pub const fn expiration(&self) -> Option<Timestamp> {
        self.expiration
    }

    /// Whether the key has stopped working at `now`. An expired key is never used.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expiration.is_some_and(|expiration| expiration <= now)
    }

    /// What computes signatures.
    #[must_use]
    pub const fn signing_key(&self) -> &S {
        &self.signing_key
    }
}

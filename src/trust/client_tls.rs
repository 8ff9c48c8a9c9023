//! What we ask of TLS towards a server beyond a certificate that is trusted, and what we show of ourselves.

use rustls::SupportedProtocolVersion;

use super::identity::{Identity, IdentityError, IdentityFiles};
use super::pinned_key::PinnedKey;

/// The oldest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinimumTls {
    /// 1.2, with ephemeral keys and authenticated encryption.
    V12,
    /// Only 1.3.
    V13,
}

impl MinimumTls {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("1.2", Self::V12), ("1.3", Self::V13)];

    pub(super) fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::V12 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Self::V13 => vec![&rustls::version::TLS13],
        }
    }
}

/// What is asked and shown, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTlsSettings {
    /// The oldest version.
    pub minimum: MinimumTls,
    /// The server's key must be one of these; any, if there are none.
    pub pinned_keys: Vec<PinnedKey>,
    /// Our own certificate, if the server is to see one.
    pub identity: Option<IdentityFiles>,
}

impl ClientTlsSettings {
    /// Nothing beyond a certificate that is trusted.
    pub const PLAIN: Self = Self { minimum: MinimumTls::V12, pinned_keys: Vec::new(), identity: None };
}

/// What is asked and shown, with the files read.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientTls {
    pub(super) minimum: MinimumTls,
    pub(super) pinned_keys: Vec<PinnedKey>,
    pub(super) identity: Option<Identity>,
}

impl ClientTls {
    /// Nothing beyond a certificate that is trusted.
    pub const PLAIN: Self = Self { minimum: MinimumTls::V12, pinned_keys: Vec::new(), identity: None };

    /// Our own certificate, if the server is to see one.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Reads the files of `settings`.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(settings: &ClientTlsSettings) -> Result<Self, IdentityError> {
        let ClientTlsSettings { minimum, pinned_keys, identity } = settings;
        let identity = identity.as_ref().map(Identity::load).transpose()?;
        Ok(Self { minimum: *minimum, pinned_keys: pinned_keys.clone(), identity })
    }
}

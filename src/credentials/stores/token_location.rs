//! Where a key is: which library, which token, which object, and the PIN.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::{Deserialize, Serialize};

/// A key in a token, and how it is reached. Goes to the agent; holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKey {
    /// The token's PKCS#11 library.
    pub module: PathBuf,
    /// Which token, and which object in it.
    pub address: TokenAddress,
    /// The file with the user's PIN.
    pub pin: PathBuf,
    /// How many sessions sign at a time.
    pub sessions: usize,
    /// The longest message, in bytes.
    pub max_message: usize,
    /// What becomes of a key whose secret can be read.
    pub readable: ReadableSecret,
}

/// Which token and which object: the attributes of a PKCS#11 URI (RFC 7512) that choose them. Every one given must
/// agree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAddress {
    /// `token`: the token's label.
    pub token: Option<String>,
    /// `manufacturer` of the token.
    pub manufacturer: Option<String>,
    /// `model` of the token.
    pub model: Option<String>,
    /// `serial` number of the token.
    pub serial: Option<String>,
    /// `slot-id`.
    pub slot: Option<u64>,
    /// `object`: the key's label.
    pub object: Option<String>,
    /// `id` of the key (`CKA_ID`).
    pub id: Option<Vec<u8>>,
}

/// What becomes of a key whose token would tell its secret to whoever has the PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadableSecret {
    /// It is not used.
    Refuse,
    /// It is.
    DangerAllow,
}

/// Of which kind an imported key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// `CKK_GENERIC_SECRET`: any length, any MAC. What most tokens want for HMAC.
    GenericSecret,
    /// `CKK_SHA256_HMAC`, for tokens that bind a key to its MAC.
    Sha256Hmac,
    /// `CKK_SHA_1_HMAC`.
    Sha1Hmac,
}

impl TokenAddress {
    /// The URI that means this address.
    #[must_use]
    pub fn to_uri(&self) -> String {
        let texts = [
            ("token", &self.token),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("serial", &self.serial),
            ("object", &self.object),
        ];
        let mut parts: Vec<String> = texts
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={}", escape(value.as_bytes()))))
            .collect();
        parts.extend(self.slot.map(|slot| format!("slot-id={slot}")));
        parts.extend(self.id.as_deref().map(|id| format!("id={}", percent_encode(id, NON_ALPHANUMERIC))));
        format!("pkcs11:{}", parts.join(";"))
    }

    /// The token's part, in words.
    #[must_use]
    pub fn token_in_words(&self) -> String {
        let words = [
            ("label", self.token.as_deref()),
            ("manufacturer", self.manufacturer.as_deref()),
            ("model", self.model.as_deref()),
            ("serial number", self.serial.as_deref()),
        ];
        let mut parts: Vec<String> = words
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name} `{}`", value.escape_debug())))
            .collect();
        parts.extend(self.slot.map(|slot| format!("slot {slot}")));
        if parts.is_empty() { "any".to_owned() } else { parts.join(", ") }
    }

    /// The object's part, in words.
    #[must_use]
    pub fn object_in_words(&self) -> String {
        let label = self.object.as_deref().map(|label| format!("label `{}`", label.escape_debug()));
        let id = self.id.as_deref().map(|id| format!("id {}", hex(id)));
        [label, id].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for TokenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key with {} in the token with {}", self.object_in_words(), self.token_in_words())
    }
}

/// Everything but what a URI never has to escape (RFC 3986 section 2.3).
fn escape(text: &[u8]) -> impl fmt::Display {
    const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encode(text, UNRESERVED)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

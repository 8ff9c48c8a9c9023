//! A key: where it is kept, which one is current, and whether it can sign.

use serde::{Deserialize, Serialize};

/// A key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The kind of its store: `sealed`, `file`, `process`, `aws` or `pkcs11`.
    pub store: String,
    /// The access key ID of the key that was loaded last; absent before the first.
    pub id: Option<String>,
    /// How many keys have been current, this one included; 0: none was ever loaded.
    pub generation: u64,
    /// Whether it can sign.
    pub state: KeyState,
    /// Why it cannot sign, or why its store gives no newer one.
    pub trouble: Option<String>,
    /// When it stops working, or has stopped; absent if it does not expire.
    pub expires_at: Option<String>,
    /// The time until then; negative after it.
    pub expires_in_seconds: Option<i64>,
}

/// Whether a key can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It can, and its store is well.
    Usable,
    /// It can, and its store has trouble: the last good key is in use.
    Degraded,
    /// It cannot: requests are answered with 503.
    Unusable,
}

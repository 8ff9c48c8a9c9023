//! Access keys: secret types, key stores, which key is current, and how it is refreshed.

pub use secret_memory::Protection;

pub mod access_key;
pub mod agent;
#[cfg(feature = "aws")]
pub mod aws;
pub mod document;
pub mod file_source;
pub mod identity;
#[cfg(feature = "pkcs11")]
pub mod pkcs11;
pub mod plain;
pub mod plugin;
pub mod process;
pub mod proof;
mod schedule;
pub mod seal;
pub mod sealed;
pub mod secret;
pub mod signer;
pub mod signing_key;
pub mod slot;
pub mod stack;
pub mod store;
pub mod watch;

pub use access_key::{AccessKeyId, ActiveKey, Credentials, HeldKey};
pub use agent::{AgentError, AgentStore, Order};
pub use file_source::{FileSource, FileSourceError};
pub use identity::{Identities, Recipient};
pub use plain::PlainFile;
pub use proof::{Proof, Unproven};
pub use sealed::{SealedError, SealedFile};
pub use secret::{SecretAccessKey, SessionToken};
pub use signer::{AnswerSlot, RemoteLimits, RemoteSigner, Signer, SigningError, SigningQueue, SigningRequest};
pub use signing_key::{Mac, SignatureMethod, SigningKey};
pub use slot::{KeySlot, KeyUnavailable, RefreshOutcome, Waiting};
pub use store::{KeyStore, LoadError, LoadErrorKind, StoreError};
pub use watch::{Clock, KeyKeeper, KeyWatcher, Report, WatchError, WatchedKey};

//! Access keys: secret types, key stores, which key is current, and how it is refreshed.

pub use secret_memory::Protection;

pub mod access_key;
pub mod agent;
mod derived_keys;
pub mod document;
mod fit;
pub mod identity;
pub mod issued;
mod key_use;
mod keyed_state;
mod mac_key;
pub mod other_format;
mod program;
pub mod proof;
pub mod saved_text;
mod schedule;
pub mod seal;
pub mod secret;
pub mod signer;
pub mod signing_key;
pub mod slot;
pub mod stack;
pub mod store;
pub mod store_kind;
pub mod stores;
pub mod tool_output;
pub mod watch;

pub use access_key::{AccessKeyId, ActiveKey, Credentials, HeldKey};
pub use agent::{AgentError, AgentStore};
pub use fit::{IdPlace, MethodOrigin, Misfit, RouteNeeds, TokenPlace, misfits};
pub use identity::{Identities, Recipient};
pub use key_use::{Derivation, KeyScope, KeyUse};
pub use mac_key::{KeyForm, MacKey, SignatureMethod};
pub use proof::{Proof, Unproven};
pub use secret::{SecretAccessKey, SessionToken};
pub use signer::{
    AnswerSlot, RemoteKey, RemoteLimits, RemoteSigner, Signer, SigningError, SigningQueue, SigningRequest,
};
pub use signing_key::{Mac, SigningKey};
pub use slot::{KeySlot, KeyUnavailable, RefreshOutcome, Waiting};
pub use store::{KeyStore, LoadError, LoadErrorKind, StoreError};
pub use store_kind::StoreKind;
#[cfg(feature = "aws")]
pub use stores::aws;
pub use stores::aws_key::{AwsKey, AwsSource};
pub use stores::file_source::{FileSource, FileSourceError};
#[cfg(feature = "pkcs11")]
pub use stores::pkcs11;
pub use stores::plain::PlainFile;
pub use stores::sealed::{SealedError, SealedFile};
pub use stores::token_location::{ReadableSecret, TokenAddress};
pub use stores::{plugin, process, sealed};
pub use watch::{Clock, KeyKeeper, KeyWatcher, Report, WatchError, WatchedKey};

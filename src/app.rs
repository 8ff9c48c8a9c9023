//! Building and running the live program from [`crate::config::settings::Settings`]: the only place that names every module.
//!
//! `capacity` tells what the process may hold at once, `clients` puts the configured clients into the words of the policy, `graph`
//! turns settings into what all workers share (keys, TLS, counters; `keys` loads the keys and `key_stores` makes their stores,
//! `pkcs11_keys` those in tokens, `aws_keys` those of AWS's chain, `key_reports` says what becomes of them, `probe` proves new ones), `worker` makes one thread's part
//! of it (routes with connections of their own) and serves, `running` starts and drains them all; `listening` binds, `refresh` keeps
//! listeners' certificates fresh, `token_keys` fetches the keys of token issuers. `confinement` says what of the system they need.
//! `reload` builds the successor of a graph while it is served, unless `restart` knows better; `standing` holds what it exchanges.

#[cfg(feature = "aws")]
mod aws_keys;
#[cfg(not(feature = "aws"))]
#[path = "app/no_aws_keys.rs"]
mod aws_keys;
pub mod capacity;
pub mod clients;
pub mod confinement;
mod destination;
pub mod graph;
pub mod key_reports;
pub mod key_stores;
mod keys;
pub mod listening;
// its test, in a build that has no other use for it
#[cfg(all(test, feature = "aws"))]
mod no_aws_keys;
#[cfg(feature = "pkcs11")]
pub mod pkcs11_keys;
#[cfg(not(feature = "pkcs11"))]
#[path = "app/no_pkcs11_keys.rs"]
mod pkcs11_keys;
mod probe;
mod refresh;
pub mod reload;
pub mod restart;
pub mod running;
mod standing;
mod token_keys;
pub mod worker;

pub use confinement::confinement;
pub use graph::{BuildError, Graph};
pub use running::{Bound, Drained, Running, StartError};

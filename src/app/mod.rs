//! Building and running the live program from [`crate::config::settings::Settings`]: the only place that names every module.
//!
//! `capacity` tells what the process may hold at once, `clients` puts the configured clients into the words of the policy, `graph`
//! turns settings into what all workers share: `shared_route` one route with its `destination`, `listening` what listeners have,
//! `keys` loads the keys and `key_stores` makes their stores (`pkcs11_keys` those in tokens, `aws_keys` those of AWS's chain,
//! `agent_inputs` what their processes are told), `key_reports` says what becomes of them, `probe` proves new ones; `build_error`
//! is what may be wrong with all that. `worker` makes one thread's part of it (routes with connections of their own) and serves,
//! `running` binds, starts and drains them all, or says why not (`start_error`); `refresh` keeps listeners' certificates fresh,
//! `token_keys` fetches the keys of token issuers. `confinement` says what of the system they need. `reload` reads the
//! configuration from its `source` again and builds the successor of a graph while it is served, unless `restart` knows better;
//! `standing` holds what it exchanges.

mod agent_inputs;
#[cfg(feature = "aws")]
mod aws_keys;
#[cfg(not(feature = "aws"))]
#[path = "app/no_aws_keys.rs"]
mod aws_keys;
mod build_error;
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
pub mod shared_route;
pub mod source;
mod standing;
mod start_error;
mod token_keys;
pub mod worker;

pub use build_error::BuildError;
pub use confinement::confinement;
pub use graph::Graph;
pub use running::{Bound, Drained, Running};
pub use start_error::StartError;

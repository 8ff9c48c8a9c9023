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

pub(crate) mod build;
pub(crate) mod capacity;
pub(crate) mod confinement;
pub(crate) mod reload;
pub(crate) mod serve;

pub use build::error::BuildError;
pub use build::graph::Graph;
pub use serve::bound::Bound;
pub use serve::error::StartError;
pub use serve::running::{Drained, Running};

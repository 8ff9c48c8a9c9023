//! Builds, starts, reloads and drains the live program from [`crate::config::settings::Settings`].
//!
//! This is the only room that sees all others, beside the command line. `build` turns settings into a [`Graph`], which
//! all workers share; `serve` binds, starts and drains what serves it; `reload` replaces it while it is served.
//! `confinement` says which rights a configuration needs, `capacity` which descriptors and how much memory, `expiry`
//! what has to be renewed, `report` how all of it is.

pub(crate) mod build;
pub(crate) mod capacity;
pub(crate) mod confinement;
pub(crate) mod expiry;
pub(crate) mod reload;
pub(crate) mod report;
pub(crate) mod serve;

pub use build::error::BuildError;
pub use build::graph::Graph;
pub use serve::bound::Bound;
pub use serve::error::StartError;
pub use serve::running::{Drained, Running};

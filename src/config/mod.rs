//! Configuration: text (a TOML file, `COUNTERSIGN__...` variables) to [`settings::Settings`], strictly.
//!
//! [`load()`] parses the file and lays the variables over it (`tree`). Then one function per table (`tables`) reads
//! it through a cursor (`reading`) that notes which keys were asked for and collects every fault in a report, so that
//! an operator sees all of them at once, each with its place. `grammar` holds what single values look like,
//! `cross_checks` and `dialect_checks` the rules that concern more than one table. serde is not used: it stops at the
//! first fault.

mod admin_address;
#[cfg(test)]
mod corpus;
mod cross_checks;
mod dialect_checks;
pub mod error;
mod files;
mod grammar;
mod load;
mod proxy_variables;
mod reading;
#[cfg(test)]
mod sample;
pub mod schema;
mod scope;
pub mod settings;
mod tables;
mod tree;

pub use admin_address::admin_addresses;
pub use error::{ConfigError, Fault, Place};
pub use files::{Text, files_of, folder_of};
pub use grammar::token_uri;
pub use load::{load, parse, process_environment, writable_configuration};
pub use proxy_variables::unused_proxy;
pub use reading::quantity::duration_of_text;
pub use reading::stray::StrayVariable;
pub(crate) use tree::key_path::FILE_VARIABLE;

//! Configuration: text (a TOML file, `COUNTERSIGN__...` variables) to [`settings::Settings`], strictly.
//!
//! [`load()`] lays the environment over the file (`layers`), then one function per table (`listener`, `client`, `route`, `key`,
//! `process`) reads it through a cursor (`table`) that notes which keys were asked for and collects every fault in a
//! `report`, so that an operator sees all of them at once, each with its place. `whole` holds the rules that concern
//! more than one table. serde is not used: it stops at the first fault.

mod address;
mod callers;
mod client;
mod endpoint;
mod environment;
pub mod error;
mod hints;
mod identifier;
mod key;
mod layers;
mod listener;
mod listener_tls;
mod load;
mod path;
mod positions;
mod process;
mod quantity;
mod report;
mod route;
mod rules;
#[cfg(test)]
mod sample;
pub mod settings;
mod table;
pub mod token_uri;
mod value;
mod whole;
mod words;

pub use error::{ConfigError, Fault, Place};
pub use load::{Text, load, parse, process_environment};

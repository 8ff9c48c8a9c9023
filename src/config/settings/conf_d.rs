//! `[conf_d.NAME]`: what the file `conf.d/NAME.toml` may use, which belongs to somebody else than the main file.

use std::path::PathBuf;

use super::name::Name;

/// One `[conf_d.NAME]`. What it does not list, the file's clients and routes cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfDGrant {
    /// The file's name without `.toml`.
    pub name: Name,
    /// `keys`: the keys that its routes may sign with, and that its clients may be issued.
    pub keys: Vec<Name>,
    /// `hosts`: the `Host` values that its routes may have.
    pub hosts: Vec<String>,
    /// `routes`: the routes of other files that its clients may call.
    pub routes: Vec<Name>,
    /// `files`: the directories in which the files lie that its routes name.
    pub files: Vec<PathBuf>,
}

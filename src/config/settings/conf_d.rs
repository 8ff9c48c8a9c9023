//! `[conf_d.NAME]`: what the file `conf.d/NAME.toml` may use, which belongs to somebody else than the main file.

use std::ops::RangeInclusive;
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
    /// `identities`: what may identify its clients, beside issued keys; `None`: whatever identifies no other client.
    pub identities: Option<Vec<IdentityGrant>>,
    /// `files`: the directories in which the files lie that its routes name.
    pub files: Vec<PathBuf>,
}

/// What may identify the clients of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityGrant {
    /// `uid:2000-2999`
    Uids(RangeInclusive<u32>),
    /// `gid:2000-2999`
    Gids(RangeInclusive<u32>),
    /// `spiffe://example.org/team-a/*`
    Spiffe(NameGrant),
    /// `dns:*.team-a.example.org`
    Dns(NameGrant),
    /// `service_account:team-a/*`
    ServiceAccounts(NameGrant),
    /// `token`: bearer tokens. Nobody can claim the token of another by its digest without being refused for it.
    Tokens,
}

/// Names that are granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameGrant {
    /// This name.
    Exact(String),
    /// Those that begin so.
    Beginning(String),
    /// Those that end so.
    End(String),
}

impl NameGrant {
    /// Whether the name is one of them.
    #[must_use]
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::Exact(granted) => name == granted,
            Self::Beginning(beginning) => name.starts_with(beginning.as_str()),
            Self::End(end) => name.ends_with(end.as_str()),
        }
    }
}

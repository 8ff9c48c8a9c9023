//! The kinds of key store, listed once: configuration, agents, tests and documents go through this list.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of key store, as `kind` of a `[key.NAME]` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreKind {
    /// An age file, opened here by a native identity, or in an agent by an age plugin.
    Sealed,
    /// The key's JSON in a file, unencrypted.
    File,
    /// A program that prints the key.
    Process,
    /// The sources that AWS's own tools use.
    Aws,
    /// A key in a PKCS#11 token.
    Pkcs11,
}

/// Whether a kind of store needs a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentUse {
    /// Never: the store only reads files.
    NotApplicable,
    /// Only with an identity that an age plugin has.
    WithPlugin,
    /// Always.
    Always,
}

impl StoreKind {
    /// All of them, the default first.
    pub const ALL: [Self; 5] = [Self::Sealed, Self::File, Self::Process, Self::Aws, Self::Pkcs11];

    /// Its name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::File => "file",
            Self::Process => "process",
            Self::Aws => "aws",
            Self::Pkcs11 => "pkcs11",
        }
    }

    /// The feature of the build without which there is no such store; `None` for those that every build has.
    #[must_use]
    pub const fn feature(self) -> Option<&'static str> {
        match self {
            Self::Sealed | Self::File | Self::Process => None,
            Self::Aws => Some("aws"),
            Self::Pkcs11 => Some("pkcs11"),
        }
    }

    /// Whether a store of this kind runs in an agent.
    #[must_use]
    pub const fn agent(self) -> AgentUse {
        match self {
            Self::Sealed => AgentUse::WithPlugin,
            Self::File => AgentUse::NotApplicable,
            Self::Process | Self::Aws | Self::Pkcs11 => AgentUse::Always,
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

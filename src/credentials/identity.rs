//! age identities, which open sealed keys, and recipients, which keys are sealed to.
//!
//! Only native X25519 ones. SSH keys would bring in an `rsa` crate with an open advisory; passphrases cost 256 MiB and most of a
//! second each time; plugins are programs, which a process that holds keys does not start (and with `AGEDEBUG=plugin` in the
//! environment the age crate prints what it tells them, file keys included: never enable its `plugin` feature without
//! clearing that variable first).

use std::fmt;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519;
use jiff::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use super::store::{LoadErrorKind, StoreError};
use crate::secret_file::{self, GuardError};

/// Why an identity cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] GuardError),
    /// A line that is neither comment nor identity. The line is not shown: it may be half a secret.
    #[error("line {line} of {path} is not an age identity (AGE-SECRET-KEY-1...)")]
    NotAnIdentity {
        /// The identity file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// `age -p` was applied to it.
    #[error("{0} is protected by a passphrase, which nobody is there to type: give the identity itself, mode 600")]
    Passphrase(PathBuf),
    /// An SSH private key.
    #[error(
        "{0} is an SSH key: only age's own identities are supported, make one with `countersign keys new-identity`"
    )]
    Ssh(PathBuf),
    /// A plugin's identity.
    #[error("line {line} of {path} is an age plugin's identity: only age's own (AGE-SECRET-KEY-1...) are supported")]
    Plugin {
        /// The identity file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// Nothing but comments.
    #[error("{0} holds no identity: make one with `countersign keys new-identity`")]
    Empty(PathBuf),
}

impl StoreError for IdentityError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::NotAnIdentity { .. } | Self::Passphrase(_) | Self::Ssh(_) | Self::Plugin { .. } | Self::Empty(_) => {
                LoadErrorKind::Invalid
            }
        }
    }
}

/// Identities from one file, at least one; several while keys move from an old one to a new one.
pub struct Identities(Vec<x25519::Identity>);

impl Identities {
    /// Makes a new identity.
    #[must_use]
    pub fn generate() -> Self {
        Self(vec![x25519::Identity::generate()])
    }

    /// Reads an identity file as `age-keygen` writes it: one identity a line, empty lines and `#` comments apart.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        Self::parse(&secret_file::read(path)?, path)
    }

    fn parse(text: &[u8], path: &Path) -> Result<Self, IdentityError> {
        let mut identities = Vec::new();
        for (line, number) in text.split(|byte| *byte == b'\n').zip(1_usize..) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let identity = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok());
            identities.push(identity.ok_or_else(|| not_an_identity(line, path, number))?);
        }
        if identities.is_empty() { Err(IdentityError::Empty(path.to_owned())) } else { Ok(Self(identities)) }
    }

    /// Whom to seal to, for these identities to open it.
    #[must_use]
    pub fn recipients(&self) -> Vec<Recipient> {
        self.0.iter().map(|identity| Recipient(identity.to_public())).collect()
    }

    /// An identity file, as `age-keygen` writes it.
    #[must_use]
    pub fn to_file(&self, created: Timestamp) -> Zeroizing<Vec<u8>> {
        // reserved once: growing would leave copies. A line of either sort has less than 100 bytes.
        let mut file = Zeroizing::new(Vec::with_capacity(self.0.len().saturating_add(1).saturating_mul(256)));
        file.extend_from_slice(format!("# created: {created:.0}\n").as_bytes());
        for identity in &self.0 {
            file.extend_from_slice(format!("# public key: {}\n", identity.to_public()).as_bytes());
            file.extend_from_slice(identity.to_string().expose_secret().as_bytes());
            file.push(b'\n');
        }
        file
    }

    /// The identities as age wants them.
    pub(super) fn as_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

fn not_an_identity(line: &[u8], path: &Path, number: usize) -> IdentityError {
    let path = path.to_owned();
    if line.starts_with(b"-----BEGIN AGE ENCRYPTED FILE") || line.starts_with(b"age-encryption.org/") {
        IdentityError::Passphrase(path)
    } else if line.starts_with(b"-----BEGIN ") {
        IdentityError::Ssh(path)
    } else if line.starts_with(b"AGE-PLUGIN-") {
        IdentityError::Plugin { path, line: number }
    } else {
        IdentityError::NotAnIdentity { path, line: number }
    }
}

/// The public half of an identity: `age1...`.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    /// Parses `age1...`; `None` when it is not an X25519 recipient.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// The recipient as age wants it.
    pub(super) const fn as_age(&self) -> &dyn age::Recipient {
        &self.0
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Identities, IdentityError> {
        Identities::parse(text.as_bytes(), Path::new("id.txt"))
    }

    #[test]
    fn what_is_generated_is_read_back() {
        let identity = Identities::generate();
        let file = identity.to_file(Timestamp::UNIX_EPOCH);
        let text = std::str::from_utf8(&file).unwrap();
        assert!(text.starts_with("# created: 1970-01-01T00:00:00Z\n# public key: age1"), "{text}");
        let again = parse(text).map_err(|error| error.to_string()).unwrap();
        assert!(again.recipients() == identity.recipients());
    }

    #[test]
    fn every_other_sort_of_key_is_refused_with_what_it_is_and_without_its_text() {
        let cases = [
            ("# only a comment\n\n", "holds no identity"),
            ("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "passphrase"),
            ("age-encryption.org/v1\n-> scrypt", "passphrase"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "SSH key"),
            ("\nAGE-PLUGIN-YUBIKEY-1QQPQZ7Q\n", "line 2 of id.txt is an age plugin's identity"),
            ("# ok\nAGE-SECRET-KEY-1NOTONE\n", "line 2 of id.txt is not an age identity"),
        ];
        for (text, expected) in cases {
            let message = parse(text).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("NOTONE"), "{message}");
        }
    }
}

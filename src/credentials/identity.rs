//! age identities, which open sealed keys, and recipients, which keys are sealed to.
//!
//! Supported are native X25519 identities, and those of age plugins, which are programs that the network-facing process
//! does not start: see [`super::plugin`]. SSH keys would need the `rsa` crate, which has an open advisory; a passphrase
//! costs 256 MiB and most of a second each time.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use age::armor::ArmoredReader;
use age::secrecy::ExposeSecret;
use age::{plugin, x25519};
use jiff::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use super::saved_text::without_mark;
use super::store::{LoadErrorKind, StoreError};
use crate::guarded_file::{self, GuardError};

/// Why an identity cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] GuardError),
    /// A line that is neither comment nor identity. The line is not shown: it may be half a secret.
    #[error("line {line} of {path} is not an age identity (AGE-SECRET-KEY-1... or AGE-PLUGIN-...)")]
    NotAnIdentity {
        /// The identity file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// It is encrypted with a passphrase (`age -p`).
    #[error("{0} is protected by a passphrase, which nobody can type here: give the identity itself, mode 600")]
    Passphrase(PathBuf),
    /// It is sealed to recipients: a key, and not what opens it.
    #[error(
        "{0} is a sealed key, not an identity: give the file that opens it (AGE-SECRET-KEY-1... or AGE-PLUGIN-...)"
    )]
    SealedKey(PathBuf),
    /// It holds JSON.
    #[error("{0} holds JSON, as an access key that is not sealed does, and no age identity")]
    Json(PathBuf),
    /// An SSH private key.
    #[error(
        "{0} is an SSH key: only age's own identities and plugins' are supported, make one with \
         `countersign keys new-identity`"
    )]
    Ssh(PathBuf),
    /// It now names a plugin, and did not when countersign was started.
    #[error(
        "{0} names an age plugin now, whose process is started with countersign: restart countersign to have it opened"
    )]
    NewPlugin(PathBuf),
    /// It contains only comments.
    #[error("{0} holds no identity: make one with `countersign keys new-identity`")]
    Empty(PathBuf),
}

impl StoreError for IdentityError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::NotAnIdentity { .. }
            | Self::Passphrase(_)
            | Self::SealedKey(_)
            | Self::Json(_)
            | Self::Ssh(_)
            | Self::NewPlugin(_)
            | Self::Empty(_) => LoadErrorKind::Invalid,
        }
    }
}

/// The identities in one file: at least one, and several while keys move from an old identity to a new one.
pub struct Identities {
    native: Vec<x25519::Identity>,
    plugins: Vec<plugin::Identity>,
}

/// The prefix of a plugin's identity.
const PLUGIN: &[u8] = b"AGE-PLUGIN-";

/// Whether an identity file names an age plugin. `false` for a file that cannot be read: reading it next reports the
/// error.
#[must_use]
pub fn names_plugin(path: &Path) -> bool {
    guarded_file::read_secret(path).is_ok_and(|text| lines(&text).any(|(line, _)| line.starts_with(PLUGIN)))
}

impl Identities {
    /// Makes a new identity.
    #[must_use]
    pub fn generate() -> Self {
        Self { native: vec![x25519::Identity::generate()], plugins: Vec::new() }
    }

    /// Reads an identity file as `age-keygen` writes it: one identity a line, empty lines and `#` comments apart.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn read(path: &Path) -> Result<Self, IdentityError> {
        Self::parse(&guarded_file::read_secret(path)?, path)
    }

    /// The same, where no plugin can be started.
    ///
    /// # Errors
    /// [`IdentityError`]; one of a plugin's is [`IdentityError::NewPlugin`], and not looked at any further.
    pub fn read_native(path: &Path) -> Result<Self, IdentityError> {
        let text = guarded_file::read_secret(path)?;
        if lines(&text).any(|(line, _)| line.starts_with(PLUGIN)) {
            return Err(IdentityError::NewPlugin(path.to_owned()));
        }
        Self::parse(&text, path)
    }

    fn parse(text: &[u8], path: &Path) -> Result<Self, IdentityError> {
        let mut identities = Self { native: Vec::new(), plugins: Vec::new() };
        if is_sealed_to_recipients(text) {
            return Err(IdentityError::SealedKey(path.to_owned()));
        }
        for (line, number) in lines(text) {
            let refused = || not_an_identity(line, path, number);
            let text = std::str::from_utf8(line).map_err(|_binary| refused())?;
            if line.starts_with(PLUGIN) {
                identities.plugins.push(text.parse().map_err(|_why| refused())?);
            } else {
                identities.native.push(text.parse().map_err(|_why| refused())?);
            }
        }
        if identities.native.is_empty() && identities.plugins.is_empty() {
            return Err(IdentityError::Empty(path.to_owned()));
        }
        Ok(identities)
    }

    /// The recipients to seal to, so that these identities can open it.
    #[must_use]
    pub fn recipients(&self) -> Vec<Recipient> {
        let native = self.native.iter().map(|identity| Recipient::Native(identity.to_public()));
        native.chain(self.plugins.iter().cloned().map(Recipient::OfPluginIdentity)).collect()
    }

    /// An identity file as `age-keygen` writes it, for an identity that [`Self::generate`] has made.
    #[must_use]
    pub fn to_file(&self, created: Timestamp) -> Zeroizing<Vec<u8>> {
        // reserved once: growing would leave copies. A line of either sort has less than 100 bytes.
        let mut file = Zeroizing::new(Vec::with_capacity(self.native.len().saturating_add(1).saturating_mul(256)));
        file.extend_from_slice(format!("# created: {created:.0}\n").as_bytes());
        for identity in &self.native {
            file.extend_from_slice(format!("# public key: {}\n", identity.to_public()).as_bytes());
            file.extend_from_slice(identity.to_string().expose_secret().as_bytes());
            file.push(b'\n');
        }
        file
    }

    /// The native identities as age wants them.
    pub(super) fn as_age(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.native.iter().map(|identity| identity as &dyn age::Identity)
    }

    /// The identities of plugins.
    pub(super) fn of_plugins(&self) -> &[plugin::Identity] {
        &self.plugins
    }
}

/// The lines that are neither empty nor comments, with their numbers.
fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let lines = without_mark(text).split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1_usize..);
    lines.filter(|(line, _)| !line.is_empty() && !line.starts_with(b"#"))
}

/// Whether the text is an age file, binary or armored, for recipients and not for a passphrase.
fn is_sealed_to_recipients(text: &[u8]) -> bool {
    const VERSION: &[u8] = b"age-encryption.org/v1\n-> ";
    let mut head = [0; 64];
    let length = ArmoredReader::new(without_mark(text)).read(&mut head).unwrap_or_default();
    let head = head.get(..length).unwrap_or_default();
    head.strip_prefix(VERSION).is_some_and(|stanza| !stanza.is_empty() && !stanza.starts_with(b"scrypt"))
}

fn not_an_identity(line: &[u8], path: &Path, number: usize) -> IdentityError {
    let path = path.to_owned();
    if line.starts_with(b"-----BEGIN AGE ENCRYPTED FILE") || line.starts_with(b"age-encryption.org/") {
        IdentityError::Passphrase(path)
    } else if line.starts_with(b"-----BEGIN ") {
        IdentityError::Ssh(path)
    } else if line.starts_with(b"{") {
        IdentityError::Json(path)
    } else {
        IdentityError::NotAnIdentity { path, line: number }
    }
}

/// A recipient that a key is sealed to.
#[derive(Clone)]
pub enum Recipient {
    /// The public half of a native identity: `age1...`.
    Native(x25519::Recipient),
    /// The public name of a plugin's identity: `age1NAME1...`.
    Plugin(plugin::Recipient),
    /// A plugin's identity: the plugin knows its recipient.
    OfPluginIdentity(plugin::Identity),
}

impl Recipient {
    /// Parses `age1...`; `None` when it is neither an X25519 recipient nor a plugin's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().map(Self::Native).or_else(|_| text.parse().map(Self::Plugin)).ok()
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(recipient) => recipient.fmt(f),
            Self::Plugin(recipient) => recipient.fmt(f),
            // not itself: with some plugins it is a secret
            Self::OfPluginIdentity(identity) => write!(f, "an identity of age-plugin-{}", identity.plugin()),
        }
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
        assert_eq!(again.recipients()[0].to_string(), identity.recipients()[0].to_string());
    }

    #[test]
    fn every_other_sort_of_key_is_refused_with_what_it_is_and_without_its_text() {
        let cases = [
            ("# only a comment\n\n", "holds no identity"),
            ("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n", "passphrase"),
            ("age-encryption.org/v1\n-> scrypt", "passphrase"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "SSH key"),
            ("age-encryption.org/v1\n-> X25519 abc\n", "is a sealed key, not an identity"),
            (
                "-----BEGIN AGE ENCRYPTED FILE-----\n\
                 YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBhYmMK\n-----END AGE ENCRYPTED FILE-----\n",
                "is a sealed key, not an identity",
            ),
            ("{\"AccessKeyId\": \"a\"}", "holds JSON"),
            ("\nAGE-PLUGIN-NOTONE-1QQPQZ7Q\n", "line 2 of id.txt is not an age identity"),
            ("# ok\nAGE-SECRET-KEY-1NOTONE\n", "line 2 of id.txt is not an age identity"),
        ];
        for (text, expected) in cases {
            let message = parse(text).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("NOTONE"), "{message}");
        }
    }

    /// An identity and a recipient as the age crate's own tests have them.
    const OF_A_PLUGIN: &str = "AGE-PLUGIN-FOOBAR-1QVHULF";

    #[test]
    fn a_plugins_identity_is_one_beside_native_ones_where_plugins_can_be_started() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("id");
        let native = Identities::generate().to_file(Timestamp::UNIX_EPOCH);
        for (text, plugins) in [(&b""[..], 0), (OF_A_PLUGIN.as_bytes(), 1)] {
            let text = [&native[..], text].concat();
            crate::credentials::seal::write_secret_file(&path, &text, crate::credentials::seal::Existing::Replace)
                .unwrap();
            assert_eq!(names_plugin(&path), plugins == 1);
            let identities = Identities::read(&path).unwrap();
            assert_eq!((identities.native.len(), identities.of_plugins().len()), (1, plugins));
            match Identities::read_native(&path) {
                Ok(_) => assert_eq!(plugins, 0),
                Err(error) => assert!(plugins == 1 && error.to_string().contains("restart countersign"), "{error}"),
            }
        }
        assert!(!names_plugin(&directory.path().join("missing")));
    }

    #[test]
    fn whom_something_is_sealed_to_is_shown_but_for_a_plugins_identity() {
        let identities = parse(OF_A_PLUGIN).ok().unwrap();
        assert_eq!(identities.recipients()[0].to_string(), "an identity of age-plugin-foobar");
        for text in ["age1", "age1foobar1qqqqqq", OF_A_PLUGIN, "ssh-ed25519 AAAA"] {
            assert!(Recipient::parse(text).is_none(), "{text}");
        }
    }
}

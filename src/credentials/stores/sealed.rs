//! The usual key store: an access key in an age file, opened with an identity that is kept elsewhere.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::credentials::access_key::{ActiveKey, Credentials, HeldKey};
use crate::credentials::document::{self, DocumentError, MAX_DOCUMENT};
use crate::credentials::identity::{Identities, IdentityError};
use crate::credentials::saved_text::without_mark;
use crate::credentials::stack::burn_stack;
use crate::credentials::store::{FILE_POLL, KeyStore, LoadError, LoadErrorKind, StoreError};
use crate::guarded_file::{self, GuardError, read_bounded};

/// Why a sealed file gives no key.
#[derive(Debug, Error)]
pub enum SealedError {
    /// The sealed file itself.
    #[error("the sealed key cannot be used")]
    File(#[source] GuardError),
    /// The identity that would open it.
    #[error("the identity cannot be used")]
    Identity(#[from] IdentityError),
    /// The identity does not open the file.
    #[error("{path} cannot be opened")]
    Open {
        /// The sealed file.
        path: PathBuf,
        /// What is wrong with it.
        source: OpenError,
    },
    /// It was opened, and does not hold an access key.
    #[error("{path} opens, but does not hold an access key")]
    Document {
        /// The sealed file.
        path: PathBuf,
        /// What is wrong with it.
        source: DocumentError,
    },
}

impl StoreError for SealedError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Identity(error) => error.kind(),
            Self::Open { .. } | Self::Document { .. } => LoadErrorKind::Invalid,
        }
    }
}

/// Why an age file does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// It is not an age file.
    #[error("it is not an age file: make one with `countersign keys seal`")]
    NotAge,
    /// It holds JSON.
    #[error(
        "it is not sealed, it holds JSON: write kind = \"file\" to use it as it is, or seal it with `countersign keys \
         seal`"
    )]
    Unsealed,
    /// It is encrypted with a passphrase (`age -p`).
    #[error(
        "it is sealed with a passphrase, which nobody can type here: seal it to a recipient with `countersign \
         keys seal`"
    )]
    Passphrase,
    /// It is sealed to other recipients.
    #[error("the identity does not fit: it is sealed to other recipients")]
    OtherRecipient,
    /// It is cut short, half-written or altered.
    #[error("it is damaged: cut short, still being written, or altered since it was sealed")]
    Damaged,
    /// It is longer than any access key.
    #[error("it holds more than {MAX_DOCUMENT} bytes; no access key does")]
    TooLarge,
}

/// An access key in an age file (binary or armored), opened by native identities. For plugins see [`super::plugin`].
pub struct SealedFile {
    file: PathBuf,
    identity: PathBuf,
}

impl SealedFile {
    /// The store for `file`, which the identity file `identity` opens.
    #[must_use]
    pub const fn new(file: PathBuf, identity: PathBuf) -> Self {
        Self { file, identity }
    }

    /// Opens the file and reads the credentials, the secret included: for the command line. [`KeyStore::load`] keeps no
    /// secret.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn open(&self) -> Result<Credentials, SealedError> {
        document::parse(&self.open_document()?)
            .map_err(|source| SealedError::Document { path: self.file.clone(), source })
    }

    /// Opens the file and returns the JSON that was sealed.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn open_document(&self) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let sealed = guarded_file::read_secret(&self.file).map_err(SealedError::File)?;
        let identities = Identities::read_native(&self.identity)?;
        decrypt(&sealed, &identities).map_err(|source| SealedError::Open { path: self.file.clone(), source })
    }

    #[inline(never)]
    fn load_unburned(&self) -> Result<ActiveKey, SealedError> {
        self.open().map(|credentials| HeldKey::new(credentials).into())
    }
}

impl KeyStore for SealedFile {
    fn load(&self) -> Result<ActiveKey, LoadError> {
        let key = self.load_unburned();
        burn_stack();
        Ok(key?)
    }

    fn watched(&self) -> Vec<PathBuf> {
        vec![self.file.clone(), self.identity.clone()]
    }

    fn poll(&self) -> Duration {
        FILE_POLL
    }

    fn describe(&self) -> String {
        format!("{}, opened with {}", self.file.display(), self.identity.display())
    }
}

/// Whether the bytes begin like an age file, binary or armored.
#[must_use]
pub fn looks_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/")
        || without_mark(bytes).trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

/// Whether a file looks like an age file. It is read under the rules for every file that holds a secret.
///
/// # Errors
/// [`GuardError`].
pub fn is_sealed(path: &Path) -> Result<bool, GuardError> {
    guarded_file::read_secret(path).map(|bytes| looks_sealed(&bytes))
}

/// Decrypts with the native identities.
pub(super) fn decrypt(sealed: &[u8], identities: &Identities) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let plaintext = decryptor(sealed)?.decrypt(identities.as_age()).map_err(|error| explain(&error))?;
    open_stream(plaintext)
}

/// Reads the head of an age file that is sealed to recipients.
pub(super) fn decryptor(sealed: &[u8]) -> Result<Decryptor<impl BufRead>, OpenError> {
    let sealed = without_mark(sealed);
    if !looks_sealed(sealed) {
        let is_json = sealed.trim_ascii_start().starts_with(b"{");
        return Err(if is_json { OpenError::Unsealed } else { OpenError::NotAge });
    }
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed)).map_err(|error| explain(&error))?;
    if decryptor.is_scrypt() { Err(OpenError::Passphrase) } else { Ok(decryptor) }
}

/// Reads into a buffer of fixed size: `age::decrypt` returns a vector that grew, and so left copies behind.
pub(super) fn open_stream(plaintext: impl Read) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    // the source is memory, so an error means that authentication failed or that the last chunk is missing
    read_bounded(plaintext, MAX_DOCUMENT).map_err(|_damaged| OpenError::Damaged)?.ok_or(OpenError::TooLarge)
}

/// Translates age's error.
pub(super) fn explain(error: &DecryptError) -> OpenError {
    match error {
        DecryptError::NoMatchingKeys => OpenError::OtherRecipient,
        DecryptError::UnknownFormat => OpenError::NotAge,
        DecryptError::ExcessiveWork { .. } | DecryptError::KeyDecryptionFailed => OpenError::Passphrase,
        DecryptError::DecryptionFailed
        | DecryptError::InvalidHeader
        | DecryptError::InvalidMac
        | DecryptError::Io(_) => OpenError::Damaged,
        // reported where plugins are used
        DecryptError::Plugin(_) | DecryptError::PluginResolve(_) => OpenError::OtherRecipient,
        // the enum may grow; in any case the file cannot be opened
        _ => OpenError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use age::Encryptor;
    use age::scrypt;
    use age::secrecy::SecretString;
    use jiff::Timestamp;

    use super::*;
    use crate::credentials::document::DocumentError;
    use crate::credentials::identity::Recipient;
    use crate::credentials::mac_key::SignatureMethod;
    use crate::credentials::seal::{Existing, seal, write_secret_file};

    const DOCUMENT: &[u8] = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE",
        "SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;

    /// A directory with an identity in it.
    struct Place {
        directory: tempfile::TempDir,
        identities: Identities,
    }

    impl Place {
        fn new() -> Self {
            let place = Self { directory: tempfile::tempdir().unwrap(), identities: Identities::generate() };
            place.put("id", &place.identities.to_file(Timestamp::UNIX_EPOCH));
            place
        }

        fn put(&self, name: &str, contents: &[u8]) {
            write_secret_file(&self.path(name), contents, Existing::Replace).unwrap();
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn store(&self) -> SealedFile {
            SealedFile::new(self.path("key"), self.path("id"))
        }

        fn load(&self, sealed: &[u8]) -> Result<ActiveKey, LoadError> {
            self.put("key", sealed);
            self.store().load()
        }

        fn open_error(&self, sealed: &[u8]) -> OpenError {
            match self.load(sealed).err().as_ref().and_then(LoadError::store_error) {
                Some(SealedError::Open { source, .. }) => *source,
                other => panic!("{other:?}"),
            }
        }
    }

    fn binary(recipient: &dyn age::Recipient, plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        let mut stream =
            Encryptor::with_recipients(std::iter::once(recipient)).unwrap().wrap_output(&mut sealed).unwrap();
        stream.write_all(plaintext).unwrap();
        stream.finish().unwrap();
        sealed
    }

    fn native(identities: &Identities) -> age::x25519::Recipient {
        match identities.recipients().remove(0) {
            Recipient::Native(recipient) => recipient,
            Recipient::Plugin(_) | Recipient::OfPluginIdentity(_) => panic!("a native one"),
        }
    }

    #[test]
    fn what_is_sealed_is_loaded_armored_and_binary() {
        let place = Place::new();
        let armored = seal(DOCUMENT, &place.identities.recipients()).unwrap();
        assert!(armored.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----"));
        for sealed in [armored, binary(&native(&place.identities), DOCUMENT)] {
            let key = place.load(&sealed).unwrap();
            assert_eq!(key.id().as_str(), "AKIAIOSFODNN7EXAMPLE");
            assert!(key.session_token().is_none() && key.expiration().is_none());
            // RFC 2104, computed apart with `openssl dgst -sha256 -hmac`
            let mac = key.signing_key().held().unwrap().mac(SignatureMethod::HmacSha256, b"message");
            let hex: String = mac.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, "f4842618a36f1555e84a683f0aeba702c232a01a40a2c6551bfc6147e7be1a39");
        }
    }

    #[test]
    fn an_expired_key_is_loaded_all_the_same() {
        let place = Place::new();
        let document = String::from_utf8_lossy(DOCUMENT).replace('}', r#","Expiration":"2011-06-20T22:30:59Z"}"#);
        let key = place.load(&seal(document.as_bytes(), &place.identities.recipients()).unwrap()).unwrap();
        assert!(key.is_expired("2011-06-20T22:30:59Z".parse().unwrap()));
    }

    #[test]
    fn the_second_identity_of_a_file_opens_too() {
        let place = Place::new();
        let sealed = seal(DOCUMENT, &place.identities.recipients()).unwrap();
        let mut both = Identities::generate().to_file(Timestamp::UNIX_EPOCH);
        both.extend_from_slice(&place.identities.to_file(Timestamp::UNIX_EPOCH));
        place.put("id", &both);
        assert!(place.load(&sealed).is_ok());
    }

    #[test]
    fn a_file_altered_anywhere_or_cut_anywhere_does_not_open() {
        let place = Place::new();
        let sealed = binary(&native(&place.identities), DOCUMENT);
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert!(place.identities_refuse(&altered), "byte {position} altered");
            assert!(place.identities_refuse(&sealed[..position]), "cut at {position}");
        }
        assert_eq!(place.open_error(&sealed[..sealed.len() - 1]), OpenError::Damaged);
        let armored = seal(DOCUMENT, &place.identities.recipients()).unwrap();
        assert_eq!(place.open_error(&armored[..armored.len() / 2]), OpenError::Damaged);
    }

    impl Place {
        fn identities_refuse(&self, sealed: &[u8]) -> bool {
            decrypt(sealed, &self.identities).is_err()
        }
    }

    #[test]
    fn every_other_sort_of_file_is_refused_with_what_it_is() {
        let place = Place::new();
        let mut passphrase = scrypt::Recipient::new(SecretString::from("EXAMPLE"));
        passphrase.set_work_factor(2);
        let stranger = native(&Identities::generate());
        let huge = vec![b' '; MAX_DOCUMENT + 1];
        let cases = [
            (binary(&passphrase, DOCUMENT), OpenError::Passphrase),
            (binary(&stranger, DOCUMENT), OpenError::OtherRecipient),
            (binary(&native(&place.identities), &huge), OpenError::TooLarge),
            (DOCUMENT.to_vec(), OpenError::Unsealed),
            (b"text".to_vec(), OpenError::NotAge),
            (Vec::new(), OpenError::NotAge),
        ];
        for (sealed, expected) in cases {
            assert_eq!(place.open_error(&sealed), expected);
        }
    }

    #[test]
    fn a_file_that_opens_and_holds_no_key_is_refused() {
        let place = Place::new();
        let error = place.load(&binary(&native(&place.identities), b"not JSON")).err().unwrap();
        assert!(matches!(
            error.store_error().unwrap(),
            SealedError::Document { source: DocumentError::NotJson { line: 1, .. }, .. }
        ));
        assert_eq!(error.kind(), LoadErrorKind::Invalid);
        let error = place.load(&binary(&native(&place.identities), br#"{"Version":1}"#)).err().unwrap();
        assert!(matches!(
            error.store_error().unwrap(),
            SealedError::Document { source: DocumentError::Missing("AccessKeyId"), .. }
        ));
    }

    #[test]
    fn what_is_missing_is_named_and_unavailable() {
        let place = Place::new();
        let error = place.store().load().err().unwrap();
        assert!(matches!(error.store_error().unwrap(), SealedError::File(_)));
        assert_eq!(error.kind(), LoadErrorKind::Unavailable);
        std::fs::remove_file(place.path("id")).unwrap();
        let error = place.load(b"").err().unwrap();
        assert!(matches!(error.store_error().unwrap(), SealedError::Identity(_)));
        assert_eq!(error.kind(), LoadErrorKind::Unavailable);
    }
}

//! The errors of a token and its key, and how to react to them.

use std::fmt;
use std::path::PathBuf;

use cryptoki::error::{Error as CryptokiError, RvError};
use thiserror::Error;

use crate::credentials::mac_key::{KeyForm, SignatureMethod};
use crate::credentials::store::LoadErrorKind;
use crate::guarded_file::GuardError;

/// The error code of a token or its library.
#[derive(Debug)]
pub struct Said(CryptokiError);

impl From<CryptokiError> for Said {
    fn from(error: CryptokiError) -> Self {
        Self(error)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CryptokiError::Pkcs11(said, function) = &self.0 else { return self.0.fmt(f) };
        // the names of the specification can be looked up; cryptoki's own texts are whole paragraphs of the
        // specification
        let function = function.to_string();
        write!(f, "C_{} answers {said:?}", function.trim_start_matches("Function::"))
    }
}

impl std::error::Error for Said {}

/// Why a token does not sign.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The library cannot be loaded.
    #[error("{module} cannot be loaded as a PKCS#11 module")]
    Module {
        /// Its path.
        module: PathBuf,
        /// The error.
        source: Said,
    },
    /// Others can write or replace the library.
    #[error("the PKCS#11 module is not loaded")]
    GuardedModule(#[source] GuardError),
    /// There is no such token, or not yet.
    #[error("there is no token with {token} (the module has {present} tokens)")]
    NoToken {
        /// The address of the token or key.
        token: String,
        /// How many tokens the module has.
        present: usize,
    },
    /// More than one.
    #[error("{count} tokens have {token}: add `serial` to the URI")]
    ManyTokens {
        /// The address of the token or key.
        token: String,
        /// How many.
        count: usize,
    },
    /// The file of the PIN cannot be read.
    #[error("the PIN cannot be read")]
    PinFile(#[source] GuardError),
    /// The file does not hold a PIN.
    #[error("{0} does not hold a PIN: one line of 1 to 255 bytes of text is expected")]
    NotAPin(PathBuf),
    /// The token refused the PIN.
    #[error(
        "the token refuses the PIN in {pin}. It will not be tried again before countersign is started anew, because \
         tokens lock themselves after a few wrong PINs: correct the file first"
    )]
    WrongPin {
        /// The file of the PIN cannot be read.
        pin: PathBuf,
        /// The token's error code.
        source: Said,
    },
    /// A login failed in a way that may have counted as a wrong PIN.
    #[error(
        "the token does not let us log in. It will not be asked again before countersign is started anew, in case it \
         counts this as a wrong PIN"
    )]
    Login(#[source] Said),
    /// The PIN is locked.
    #[error("the token has locked its PIN after too many wrong ones: its security officer can unlock it")]
    PinLocked,
    /// One more wrong PIN would lock it.
    #[error(
        "the token would lock its PIN if it were wrong once more, so it is not tried: log in by hand once, for \
         example with pkcs11-tool --login --list-objects"
    )]
    LastTry,
    /// There is no such object.
    #[error("the token has no secret key with {object}: `countersign keys import-pkcs11` puts one there")]
    NoKey {
        /// The address of the token or key.
        object: String,
    },
    /// More than one.
    #[error("the token has {count} secret keys with {object}: say which by `id` or `object` in the URI, or remove one")]
    ManyKeys {
        /// The address of the token or key.
        object: String,
        /// How many.
        count: usize,
    },
    /// The secret of the key can be read.
    #[error(
        "the token tells the secret of the key with {object} to whoever has the PIN (CKA_SENSITIVE is false): import \
         it anew, or accept that with danger_readable_secret = true"
    )]
    Readable {
        /// The address of the token or key.
        object: String,
    },
    /// The key computes none of the MACs that it is for.
    #[error("the key with {object} does not compute {} for us", any_of(.form.methods()))]
    NoMac {
        /// The address of the token or key.
        object: String,
        /// What it is of the secret.
        form: KeyForm,
        /// The token's error code for the first of the MACs.
        source: Said,
    },
    /// The key is to sign what only a key of another form signs.
    #[error("the key with {object} is {}, and signs for no dialect that needs another key", .form.in_words())]
    OtherDialect {
        /// The address of the token or key.
        object: String,
        /// What it is of the secret.
        form: KeyForm,
    },
    /// An imported key computes another MAC than its dialect has.
    #[error("it does not compute {method}, which the dialect is signed with: choose another --key-type")]
    NotComputed {
        /// The MAC.
        method: &'static str,
    },
    /// The key computes wrong MACs.
    #[error("the token computes {method} wrongly: {what}")]
    WrongMac {
        /// The MAC.
        method: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// The secret is as long as secrets may be, and its dialect puts something before or behind it.
    #[error("the secret is too long for this dialect")]
    TooLong,
    /// There is a key with this label or id already.
    #[error("the token already has a secret key with {object}: choose another `object` and `id`, or remove it first")]
    Exists {
        /// The address of the token or key.
        object: String,
    },
    /// It stored the key, and computes other MACs with it.
    #[error("the token took the key, and does not sign with it as it should: the object was removed again")]
    Unfaithful(#[source] Box<TokenError>),
    /// Any other call failed.
    #[error("{what}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// The error.
        source: Said,
    },
}

impl TokenError {
    /// How to react.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
        match self {
            Self::PinFile(error) if error.is_permissions() => LoadErrorKind::Permissions,
            Self::GuardedModule(_) | Self::WrongPin { .. } | Self::Login(_) | Self::PinLocked | Self::LastTry => {
                LoadErrorKind::Permissions
            }
            Self::PinFile(_) | Self::NoToken { .. } | Self::Call { .. } => LoadErrorKind::Unavailable,
            Self::Module { .. }
            | Self::ManyTokens { .. }
            | Self::NotAPin(_)
            | Self::NoKey { .. }
            | Self::ManyKeys { .. }
            | Self::Readable { .. }
            | Self::NoMac { .. }
            | Self::OtherDialect { .. }
            | Self::NotComputed { .. }
            | Self::TooLong
            | Self::WrongMac { .. }
            | Self::Exists { .. }
            | Self::Unfaithful(_) => LoadErrorKind::Invalid,
        }
    }

    /// Whether this process must not try again: another attempt might lock the token.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::WrongPin { .. } | Self::Login(_) | Self::PinLocked | Self::LastTry => true,
            Self::Module { .. }
            | Self::GuardedModule(_)
            | Self::NoToken { .. }
            | Self::ManyTokens { .. }
            | Self::PinFile(_)
            | Self::NotAPin(_)
            | Self::NoKey { .. }
            | Self::ManyKeys { .. }
            | Self::Readable { .. }
            | Self::NoMac { .. }
            | Self::OtherDialect { .. }
            | Self::NotComputed { .. }
            | Self::TooLong
            | Self::WrongMac { .. }
            | Self::Exists { .. }
            | Self::Unfaithful(_)
            | Self::Call { .. } => false,
        }
    }
}

fn any_of(methods: &[SignatureMethod]) -> String {
    methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(" or ")
}

/// Names the call that failed, for `map_err`.
pub(super) fn call(what: &'static str) -> impl FnOnce(CryptokiError) -> TokenError {
    move |said| TokenError::Call { what, source: said.into() }
}

/// Whether a token's answer to a login means only that the token is away. Any other answer may have counted as a wrong
/// PIN.
pub(super) fn is_gone(error: &CryptokiError) -> bool {
    matches!(
        error,
        CryptokiError::Pkcs11(
            RvError::SessionHandleInvalid
                | RvError::SessionClosed
                | RvError::DeviceRemoved
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized,
            _
        )
    )
}

/// Whether the error means that the session, the login or the token is gone, and may come back.
pub(super) fn is_loss(error: &CryptokiError) -> bool {
    is_gone(error)
        || matches!(
            error,
            CryptokiError::Pkcs11(
                RvError::DeviceError
                    | RvError::SlotIdInvalid
                    | RvError::UserNotLoggedIn
                    | RvError::KeyHandleInvalid
                    | RvError::ObjectHandleInvalid
                    | RvError::CryptokiNotInitialized,
                _
            )
        )
}

/// Whether the token does not support this MAC, or not for this key.
pub(super) fn is_unsupported(error: &CryptokiError) -> bool {
    matches!(
        error,
        CryptokiError::Pkcs11(
            RvError::MechanismInvalid
                | RvError::MechanismParamInvalid
                | RvError::KeyTypeInconsistent
                | RvError::KeyFunctionNotPermitted
                | RvError::FunctionNotSupported,
            _
        )
    )
}

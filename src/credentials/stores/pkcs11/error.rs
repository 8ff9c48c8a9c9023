//! What can be wrong with a token and the key in it, and what follows from it.

use std::fmt;
use std::path::PathBuf;

use cryptoki::error::{Error as CryptokiError, RvError};
use thiserror::Error;

use crate::credentials::store::LoadErrorKind;
use crate::secret_file::GuardError;

/// What a token, or its library, said.
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
        // the names of the specification can be looked up; cryptoki's own texts are whole paragraphs of it
        let function = function.to_string();
        write!(f, "C_{} answers {said:?}", function.trim_start_matches("Function::"))
    }
}

impl std::error::Error for Said {}

/// Why a token does not sign.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The library.
    #[error("{module} cannot be loaded as a PKCS#11 module")]
    Module {
        /// Its path.
        module: PathBuf,
        /// What is the matter.
        source: Said,
    },
    /// Not there, or not yet.
    #[error("there is no token with {token} ({present} are there)")]
    NoToken {
        /// What was looked for.
        token: String,
        /// How many tokens the module has.
        present: usize,
    },
    /// More than one.
    #[error("{count} tokens have {token}: add `serial` to the URI")]
    ManyTokens {
        /// What was looked for.
        token: String,
        /// How many.
        count: usize,
    },
    /// The PIN's file.
    #[error("the PIN cannot be read")]
    PinFile(#[source] GuardError),
    /// What is in it.
    #[error("{0} does not hold a PIN: one line of 1 to 255 bytes of text is expected")]
    NotAPin(PathBuf),
    /// The token said no.
    #[error(
        "the token refuses the PIN in {pin}. It will not be tried again before countersign is started anew, because tokens \
         lock themselves after a few wrong PINs: correct the file first"
    )]
    WrongPin {
        /// The PIN's file.
        pin: PathBuf,
        /// The token's word.
        source: Said,
    },
    /// A login failed in a way that may have counted as a wrong PIN.
    #[error(
        "the token does not let us log in. It will not be asked again before countersign is started anew, in case it counts this \
         as a wrong PIN"
    )]
    Login(#[source] Said),
    /// Locked already.
    #[error("the token has locked its PIN after too many wrong ones: its security officer can unlock it")]
    PinLocked,
    /// One more wrong PIN locks it.
    #[error(
        "the token would lock its PIN if it were wrong once more, so it is not tried: log in by hand once, for example with \
         pkcs11-tool --login --list-objects"
    )]
    LastTry,
    /// No such object.
    #[error("the token has no secret key with {object}: `countersign keys import-pkcs11` puts one there")]
    NoKey {
        /// What was looked for.
        object: String,
    },
    /// More than one.
    #[error("the token has {count} secret keys with {object}: say which by `id` or `object` in the URI, or remove one")]
    ManyKeys {
        /// What was looked for.
        object: String,
        /// How many.
        count: usize,
    },
    /// The secret can be read.
    #[error(
        "the token tells the secret of the key with {object} to whoever has the PIN (CKA_SENSITIVE is false): import it anew, or \
         accept that with danger_readable_secret = true"
    )]
    Readable {
        /// What was looked for.
        object: String,
    },
    /// It signs, but not with any MAC of Signature Version 2.
    #[error("the key with {object} computes neither HMAC-SHA256 nor HMAC-SHA1 for us")]
    NoMac {
        /// What was looked for.
        object: String,
        /// What was said to HMAC-SHA256.
        source: Said,
    },
    /// It signs, and not rightly.
    #[error("the token computes {method} wrongly: {what}")]
    WrongMac {
        /// The MAC.
        method: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// There is a key with this label or id already.
    #[error("the token already has a secret key with {object}: choose another `object` and `id`, or remove it first")]
    Exists {
        /// What was looked for.
        object: String,
    },
    /// It took the key, and computes something else with it.
    #[error("the token took the key, and does not sign with it as it should: the object was removed again")]
    Unfaithful(#[source] Box<TokenError>),
    /// Any other call that failed.
    #[error("{what}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// What is the matter.
        source: Said,
    },
}

impl TokenError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
        match self {
            Self::PinFile(error) if error.is_permissions() => LoadErrorKind::Permissions,
            Self::WrongPin { .. } | Self::Login(_) | Self::PinLocked | Self::LastTry => LoadErrorKind::Permissions,
            Self::PinFile(_) | Self::NoToken { .. } | Self::Call { .. } => LoadErrorKind::Unavailable,
            Self::Module { .. }
            | Self::ManyTokens { .. }
            | Self::NotAPin(_)
            | Self::NoKey { .. }
            | Self::ManyKeys { .. }
            | Self::Readable { .. }
            | Self::NoMac { .. }
            | Self::WrongMac { .. }
            | Self::Exists { .. }
            | Self::Unfaithful(_) => LoadErrorKind::Invalid,
        }
    }

    /// Whether nothing is to be tried again in this process: another try might be the one that locks the token.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::WrongPin { .. } | Self::Login(_) | Self::PinLocked | Self::LastTry => true,
            Self::Module { .. }
            | Self::NoToken { .. }
            | Self::ManyTokens { .. }
            | Self::PinFile(_)
            | Self::NotAPin(_)
            | Self::NoKey { .. }
            | Self::ManyKeys { .. }
            | Self::Readable { .. }
            | Self::NoMac { .. }
            | Self::WrongMac { .. }
            | Self::Exists { .. }
            | Self::Unfaithful(_)
            | Self::Call { .. } => false,
        }
    }
}

/// Names the call that failed, for `map_err`.
pub(super) fn call(what: &'static str) -> impl FnOnce(CryptokiError) -> TokenError {
    move |said| TokenError::Call { what, source: said.into() }
}

/// Whether what a token said to a login means only that it is not there: anything else may have counted as a wrong PIN.
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

/// Whether what a token said means that session, login or token is gone, and may come back.
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

/// Whether the token knows nothing of this MAC, or not for this key.
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

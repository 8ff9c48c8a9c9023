//! The exit codes of errors about keys.

use std::io;

use crate::cli::exit::{ExitCode, Failure};
use crate::credentials::identity::IdentityError;
#[cfg(feature = "pkcs11")]
use crate::credentials::pkcs11::TokenError;
use crate::credentials::plugin::RecipientError;
use crate::credentials::seal::{SealError, WriteError};
use crate::credentials::{FileSourceError, LoadError, LoadErrorKind, SealedError};

const fn code(kind: LoadErrorKind) -> ExitCode {
    match kind {
        LoadErrorKind::Permissions => ExitCode::Permissions,
        LoadErrorKind::Unavailable => ExitCode::KeyStoreUnavailable,
        // as for `run` and `check`: nothing but an operator mends it
        LoadErrorKind::Invalid => ExitCode::Configuration,
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::because(code(error.kind()), &error)
    }
}

impl From<SealedError> for Failure {
    fn from(error: SealedError) -> Self {
        LoadError::from(error).into()
    }
}

impl From<FileSourceError> for Failure {
    fn from(error: FileSourceError) -> Self {
        LoadError::from(error).into()
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        SealedError::Identity(error).into()
    }
}

#[cfg(feature = "pkcs11")]
impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::because(code(error.kind()), &error)
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let code = match error {
            SealError::Recipients(RecipientError::Guarded { .. }) => ExitCode::Permissions,
            SealError::Recipients(RecipientError::NoPlugin(_) | RecipientError::Debugged) => ExitCode::Configuration,
            // as when it does not open: its device may come
            SealError::Plugin(_) => ExitCode::KeyStoreUnavailable,
            SealError::Document(_) | SealError::TooLarge | SealError::TooManyRecipients | SealError::Encrypt(_) => {
                ExitCode::Data
            }
        };
        Self::because(code, &error)
    }
}

/// Why a file could not be written; `advice` is what to do when it exists already.
pub(in crate::cli) fn not_written(error: &WriteError, advice: &str) -> Failure {
    match error {
        WriteError::Exists(_) => Failure::new(ExitCode::System, format!("{error}: {advice}")),
        WriteError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            Failure::because(ExitCode::Permissions, error)
        }
        WriteError::Io { .. } => Failure::because(ExitCode::System, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::AgentError;

    #[test]
    fn what_a_store_says_has_the_exit_code_that_run_and_check_have_for_it() {
        for (kind, expected) in [
            (LoadErrorKind::Permissions, ExitCode::Permissions),
            (LoadErrorKind::Unavailable, ExitCode::KeyStoreUnavailable),
            // a build without the feature of a store says it with this kind
            (LoadErrorKind::Invalid, ExitCode::Configuration),
        ] {
            let error = LoadError::from(AgentError::Store { kind, text: String::new() });
            assert_eq!(Failure::from(error).code, expected);
        }
    }
}

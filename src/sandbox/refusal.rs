//! Why the endpoint refuses a request, with the code and status the service gives for it.

use thiserror::Error;

use crate::query::FormError;
use crate::signing::verify::VerifyError;

/// A refusal. Messages name parameters and manifest fields, never their values.
///
/// The codes of the service itself end in `Exception`: that is what the SDKs' models compare with, although the developer
/// guide's prose drops the ending.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The signature or what belongs to it.
    #[error(transparent)]
    Authentication(#[from] VerifyError),
    /// The form cannot be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Neither 2010-06-03 (the API reference) nor 2010-06-01 (SDKs).
    #[error("Version must be 2010-06-03 or 2010-06-01")]
    Version,
    /// No operation has this name.
    #[error("the Action is not one of {known}", known = super::operations::Operation::NAMES.join(", "))]
    UnknownAction,
    /// Some SDKs repeat the Action as `?Operation=`; anything else does not belong there.
    #[error("the query string may only repeat the Action, as Operation")]
    QueryString,
    /// A parameter the operation needs.
    #[error("parameter {0} is required")]
    MissingParameter(&'static str),
    /// A parameter with a value it cannot have.
    #[error("parameter {name} must be {expected}")]
    InvalidParameter {
        /// Its name.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// No such job under this access key.
    #[error("no job with this JobId belongs to this access key")]
    UnknownJob,
    /// The job was cancelled.
    #[error("the job has been cancelled")]
    CanceledJob,
    /// A job cannot turn from import to export.
    #[error("the JobType of a job cannot be changed")]
    UnchangeableJobType,
    /// The manifest was made for another access key.
    #[error("the manifest's accessKeyId is not the access key id that signed the request")]
    ForeignManifest,
    /// Not the YAML that manifests are written in.
    #[error("the manifest is not well-formed: line {line}: {problem}")]
    MalformedManifest {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A field the manifest needs.
    #[error("the manifest has no {0}")]
    MissingManifestField(&'static str),
    /// A field with a value it cannot have.
    #[error("the manifest's {field} must be {expected}")]
    InvalidManifestField {
        /// Its name.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// An export names a file system that the service cannot write.
    #[error("the manifest's fileSystem must be NTFS or EXT4")]
    InvalidFileSystem,
    /// An address nothing can be sent to.
    #[error("the address is not valid: {field} must be {expected}")]
    InvalidAddress {
        /// The part at fault.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// Not POST.
    #[error("only POST is served here")]
    Method,
    /// Not a form.
    #[error("Content-Type must be application/x-www-form-urlencoded")]
    MediaType,
    /// Longer than [`super::exchange::BODY_LIMIT`].
    #[error("the form is longer than 1 MiB")]
    TooLarge,
    /// The body did not arrive in time.
    #[error("the form did not arrive within {} seconds", super::exchange::BODY_TIMEOUT.as_secs())]
    TooSlow,
    /// The body broke off.
    #[error("the form did not arrive whole")]
    BrokenBody,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Authentication(error) => authentication(error).0,
            Self::Method => 405,
            Self::MediaType => 415,
            Self::TooLarge => 413,
            Self::TooSlow => 408,
            Self::ForeignManifest => 403,
            Self::Form(_)
            | Self::Version
            | Self::UnknownAction
            | Self::QueryString
            | Self::MissingParameter(_)
            | Self::InvalidParameter { .. }
            | Self::UnknownJob
            | Self::CanceledJob
            | Self::UnchangeableJobType
            | Self::MalformedManifest { .. }
            | Self::MissingManifestField(_)
            | Self::InvalidManifestField { .. }
            | Self::InvalidFileSystem
            | Self::InvalidAddress { .. }
            | Self::BrokenBody => 400,
        }
    }

    /// The text of `<Code>`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Authentication(error) => authentication(error).1,
            Self::Form(error) => match error {
                FormError::BadEscape { .. } | FormError::NotUtf8 => "MalformedQueryString",
                FormError::TooMany { .. }
                | FormError::Duplicate(_)
                | FormError::ControlInName(_)
                | FormError::Disguised(_) => "InvalidQueryParameter",
                FormError::MissingAction => "MissingAction",
                FormError::InvalidAction => "InvalidAction",
            },
            Self::Version => "InvalidParameterValue",
            Self::UnknownAction => "InvalidAction",
            Self::QueryString => "InvalidQueryParameter",
            Self::MissingParameter(_) => "MissingParameterException",
            Self::InvalidParameter { .. } => "InvalidParameterException",
            Self::UnknownJob => "InvalidJobIdException",
            Self::CanceledJob => "CanceledJobIdException",
            Self::UnchangeableJobType => "UnableToUpdateJobIdException",
            Self::ForeignManifest => "InvalidAccessKeyIdException",
            Self::MalformedManifest { .. } => "MalformedManifestException",
            Self::MissingManifestField(_) => "MissingManifestFieldException",
            Self::InvalidManifestField { .. } => "InvalidManifestFieldException",
            Self::InvalidFileSystem => "InvalidFileSystemException",
            Self::InvalidAddress { .. } => "InvalidAddressException",
            Self::Method => "MethodNotAllowed",
            Self::MediaType => "UnsupportedMediaType",
            Self::TooLarge => "RequestEntityTooLarge",
            Self::TooSlow => "RequestTimeout",
            Self::BrokenBody => "IncompleteBody",
        }
    }

    /// Whether the rest of the request may still be on its way, so that the connection cannot be used again.
    #[must_use]
    pub const fn leaves_body_unread(&self) -> bool {
        matches!(self, Self::Method | Self::MediaType | Self::TooLarge | Self::TooSlow)
    }
}

/// Status and code of AWS's "Common Errors" page for each way a signature can fail.
const fn authentication(error: &VerifyError) -> (u16, &'static str) {
    match error {
        VerifyError::NotSigned => (403, "MissingAuthenticationToken"),
        VerifyError::Missing(_)
        | VerifyError::TwoTimes
        | VerifyError::Version
        | VerifyError::Method
        | VerifyError::NotATime(_)
        | VerifyError::NotBase64 => (400, "IncompleteSignature"),
        VerifyError::UnknownKey | VerifyError::WrongToken => (403, "InvalidClientTokenId"),
        VerifyError::Expired { .. } => (400, "RequestExpired"),
        VerifyError::Mismatch => (403, "SignatureDoesNotMatch"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authentication_errors_have_awss_codes_and_statuses() {
        let behind = jiff::SignedDuration::from_mins(16);
        for (error, status, code) in [
            (VerifyError::NotSigned, 403, "MissingAuthenticationToken"),
            (VerifyError::Missing("Timestamp"), 400, "IncompleteSignature"),
            (VerifyError::UnknownKey, 403, "InvalidClientTokenId"),
            (VerifyError::WrongToken, 403, "InvalidClientTokenId"),
            (VerifyError::Expired { behind }, 400, "RequestExpired"),
            (VerifyError::Mismatch, 403, "SignatureDoesNotMatch"),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!((refusal.status(), refusal.code()), (status, code));
        }
    }

    #[test]
    fn the_refusal_of_an_unknown_action_lists_those_there_are() {
        assert!(Refusal::UnknownAction.to_string().ends_with("CancelJob, GetStatus, ListJobs, GetShippingLabel"));
    }
}

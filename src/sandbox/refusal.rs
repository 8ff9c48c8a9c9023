//! Why the sandbox refuses a request; the row of [`crate::faults::sandbox`] gives the service's status and code for it.

use std::time::Duration;

use thiserror::Error;

use crate::faults::{self, FaultClass, sandbox};
use crate::query::FormError;
use crate::signing::verify::VerifyError;

/// How long a form may take to arrive.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A refusal. Messages name parameters and manifest fields, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The signature is refused.
    #[error(transparent)]
    Authentication(#[from] VerifyError),
    /// The form cannot be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Neither 2010-06-03 (the API reference) nor 2010-06-01 (SDKs).
    #[error("Version must be 2010-06-03 or 2010-06-01")]
    Version,
    /// No operation has this name.
    #[error("the Action is not one of {known}", known = super::operation::Operation::names().join(", "))]
    UnknownAction,
    /// Some SDKs repeat the Action as `?Operation=`; the query string may say nothing else.
    #[error("the query string may only repeat the Action, as Operation")]
    QueryString,
    /// A parameter that the operation needs is missing.
    #[error("parameter {0} is required")]
    MissingParameter(&'static str),
    /// A parameter has a value that it cannot have.
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
    /// A field that the manifest needs is missing.
    #[error("the manifest has no {0}")]
    MissingManifestField(&'static str),
    /// A field has a value that it cannot have.
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
    /// Nothing can be sent to the address.
    #[error("the address is not valid: {field} must be {expected}")]
    InvalidAddress {
        /// The part that is wrong.
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
    /// Longer than the service takes.
    #[error("the form is longer than {limit_in_mib} MiB")]
    TooLarge {
        /// How long it may be.
        limit_in_mib: usize,
    },
    /// The body did not arrive in time.
    #[error("the form did not arrive within {} seconds", BODY_TIMEOUT.as_secs())]
    TooSlow,
    /// The body broke off.
    #[error("the form did not arrive whole")]
    BrokenBody,
}

impl Refusal {
    /// The status of the response.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.class().status
    }

    /// The text of `<Code>`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.class().code
    }

    /// The row of this refusal.
    #[must_use]
    pub(super) const fn class(&self) -> FaultClass {
        match self {
            Self::Authentication(error) => authentication(error),
            Self::Form(error) => faults::form::class_of(error),
            Self::Version => sandbox::VERSION,
            Self::UnknownAction => sandbox::UNKNOWN_ACTION,
            Self::QueryString => sandbox::QUERY_STRING,
            Self::MissingParameter(_) => sandbox::MISSING_PARAMETER,
            Self::InvalidParameter { .. } => sandbox::INVALID_PARAMETER,
            Self::UnknownJob => sandbox::UNKNOWN_JOB,
            Self::CanceledJob => sandbox::CANCELED_JOB,
            Self::UnchangeableJobType => sandbox::UNCHANGEABLE_JOB_TYPE,
            Self::ForeignManifest => sandbox::FOREIGN_MANIFEST,
            Self::MalformedManifest { .. } => sandbox::MALFORMED_MANIFEST,
            Self::MissingManifestField(_) => sandbox::MISSING_MANIFEST_FIELD,
            Self::InvalidManifestField { .. } => sandbox::INVALID_MANIFEST_FIELD,
            Self::InvalidFileSystem => sandbox::INVALID_FILE_SYSTEM,
            Self::InvalidAddress { .. } => sandbox::INVALID_ADDRESS,
            Self::Method => sandbox::METHOD,
            Self::MediaType => sandbox::MEDIA_TYPE,
            Self::TooLarge { .. } => sandbox::TOO_LARGE,
            Self::TooSlow => sandbox::TOO_SLOW,
            Self::BrokenBody => sandbox::BROKEN_BODY,
        }
    }
}

const fn authentication(error: &VerifyError) -> FaultClass {
    match error {
        VerifyError::NotSigned => sandbox::NOT_SIGNED,
        VerifyError::Missing(_)
        | VerifyError::TwoTimes
        | VerifyError::Version
        | VerifyError::Method
        | VerifyError::NotATime(_)
        | VerifyError::NotBase64 => sandbox::INCOMPLETE_SIGNATURE,
        VerifyError::UnknownKey | VerifyError::WrongToken => sandbox::UNKNOWN_KEY,
        VerifyError::Expired { .. } => sandbox::REQUEST_EXPIRED,
        VerifyError::Mismatch => sandbox::SIGNATURE_MISMATCH,
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

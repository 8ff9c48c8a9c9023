//! Recognises the other forms in which AWS's tools and consoles hand out an access key, so that the refusal of such a
//! file names the form and the command that makes the JSON of [`super::document`] of it.
//!
//! None of them is read as a key. Each has names of its own for the same things: `Token` for `SessionToken`, an
//! expiration in milliseconds, a `Status` that says whether the key may be used. A reader that missed one of them would
//! sign without the token, or with a key that has ended.

use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

/// A form that is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OtherFormat {
    /// `aws sts assume-role`, `get-session-token` and their like: botocore's model of sts, `Credentials`.
    #[error(
        "the key is nested under Credentials, as `aws sts` prints it: make the form that is read here with \
         `jq '.Credentials + {{Version: 1}}'`"
    )]
    Sts,
    /// `aws iam create-access-key`: botocore's model of iam, `CreateAccessKeyResponse`.
    #[error(
        "the key is nested under AccessKey, as `aws iam create-access-key` prints it: make the form that is read here \
         with `jq '.AccessKey + {{Version: 1}}'`"
    )]
    Iam,
    /// `aws sso get-role-credentials`: botocore's model of sso, `GetRoleCredentialsResponse`.
    #[error(
        "the key is nested under roleCredentials, as `aws sso get-role-credentials` prints it: `aws configure \
         export-credentials --profile NAME` prints the form that is read here"
    )]
    Sso,
    /// `vault read -format=json aws/creds/ROLE`, or a secret of the key-value store.
    #[error(
        "the key is nested under data, as Vault and OpenBao print it: make the form that is read here with \
         `jq '.data | {{Version: 1, AccessKeyId: .access_key, SecretAccessKey: .secret_key, SessionToken: \
         .session_token}}'`"
    )]
    Vault,
    /// The metadata services of EC2, ECS and EKS.
    #[error(
        "the session token is called SessionToken here, and not Token as by the metadata services of EC2, ECS and \
         EKS: make the form that is read here with `jq '{{Version: 1, AccessKeyId, SecretAccessKey, SessionToken: \
         .Token, Expiration}}'`"
    )]
    Metadata,
    /// JSON with the fields in another spelling.
    #[error("{0} is not a field here: the fields are Version, AccessKeyId, SecretAccessKey, SessionToken, Expiration")]
    Spelling(&'static str),
    /// `~/.aws/credentials`.
    #[error(
        "it is a profile file of AWS's tools (aws_access_key_id = ...) and not JSON: `aws configure \
         export-credentials --profile NAME` prints the form that is read here"
    )]
    Profile,
    /// Assignments for a shell.
    #[error(
        "it has variables for a shell (AWS_ACCESS_KEY_ID=...) and not JSON: `aws configure export-credentials` \
         without --format prints the form that is read here"
    )]
    Shell,
    /// The file that the console offers when a key is made.
    #[error(
        "it is the CSV of AWS's console and not JSON: give the key to `countersign keys seal`, or write it as \
         {{\"Version\": 1, \"AccessKeyId\": \"...\", \"SecretAccessKey\": \"...\"}}"
    )]
    Csv,
}

/// The fields that tell the forms apart; `null` counts as absent. Their values are not looked at.
#[derive(Deserialize)]
struct Fields {
    #[serde(rename = "Credentials")]
    credentials: Option<IgnoredAny>,
    #[serde(rename = "AccessKey")]
    access_key: Option<IgnoredAny>,
    #[serde(rename = "roleCredentials")]
    role_credentials: Option<IgnoredAny>,
    data: Option<IgnoredAny>,
    #[serde(rename = "Token")]
    token: Option<IgnoredAny>,
    #[serde(rename = "accessKeyId")]
    lower: Option<IgnoredAny>,
    #[serde(rename = "aws_access_key_id")]
    snake: Option<IgnoredAny>,
    #[serde(rename = "AWS_ACCESS_KEY_ID")]
    variable: Option<IgnoredAny>,
}

impl OtherFormat {
    /// Every form.
    pub const ALL: [Self; 11] = [
        Self::Sts,
        Self::Iam,
        Self::Sso,
        Self::Vault,
        Self::Metadata,
        Self::Spelling("accessKeyId"),
        Self::Spelling("aws_access_key_id"),
        Self::Spelling("AWS_ACCESS_KEY_ID"),
        Self::Profile,
        Self::Shell,
        Self::Csv,
    ];

    /// The form of a JSON object that lacks a field of ours.
    #[must_use]
    pub(super) fn of_json(json: &[u8]) -> Option<Self> {
        let fields: Fields = serde_json::from_slice(json).ok()?;
        [
            (fields.credentials, Self::Sts),
            (fields.access_key, Self::Iam),
            (fields.role_credentials, Self::Sso),
            (fields.data, Self::Vault),
            (fields.token, Self::Metadata),
            (fields.lower, Self::Spelling("accessKeyId")),
            (fields.snake, Self::Spelling("aws_access_key_id")),
            (fields.variable, Self::Spelling("AWS_ACCESS_KEY_ID")),
        ]
        .into_iter()
        .find_map(|(field, format)| field.map(|_there| format))
    }

    /// The form of a text that is not JSON.
    #[must_use]
    pub(super) fn of_text(text: &[u8]) -> Option<Self> {
        let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if header.contains(&b',') && has(header, b"secret access key") {
            Some(Self::Csv)
        } else if text.windows(VARIABLE.len()).any(|window| window == VARIABLE) {
            Some(Self::Shell)
        } else {
            has(text, VARIABLE).then_some(Self::Profile)
        }
    }
}

/// A shell's variable; in small letters, the key of a profile.
const VARIABLE: &[u8] = b"AWS_ACCESS_KEY_ID";

/// Whether `word` is in `text`, in capitals or small letters.
fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

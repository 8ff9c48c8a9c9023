//! `countersign keys seal`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use jiff::Timestamp;

use super::failures::not_written;
use super::identity_option::IdentityOption;
use super::recipients;
use super::secret_input::{self, Parts, Wanted};
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::output::print;
use crate::cli::progress;
use crate::credentials::seal::{Existing, WriteError, seal, write_secret_file};
use crate::credentials::{Credentials, document};

const HOW_IT_IS_READ: &str = "\
The secret is asked for at a terminal, and not shown. Otherwise standard input holds the JSON that a \
credential_process prints, or that a cloud's tool prints for a new key; or, with --access-key-id, the \
bare secret on one line.

  aws iam create-access-key --user-name countersign |
    countersign keys seal -o main.age -i identity
  aws sts assume-role --role-arn ARN --role-session-name N |
    countersign keys seal -o main.age -i identity

The same with aws configure export-credentials, sts get-session-token, sso get-role-credentials and \
cognito-identity get-credentials-for-identity; aliyun, tccli, ve and osc-cli for a new key or an assumed \
role; openstack ec2 credentials create -f json, cmk get userkeys, and yc iam access-key create.";

/// An id is printed here, logged with each call and sent to endpoints.
const SWAPPED: &str = "the access key id has the form of a secret access key, which is never shown or sent: id and \
                       secret may have changed places";

/// Arguments of `countersign keys seal`.
#[derive(Debug, Args)]
#[command(after_help = HOW_IT_IS_READ)]
#[command(group(ArgGroup::new("to").required(true).multiple(true).args(["recipient"]).args(IdentityOption::NAMES)))]
pub(super) struct Arguments {
    /// The sealed file to write, mode 600
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Seal to this age public key; may be given more than once
    #[arg(short, long, value_name = "AGE1...")]
    recipient: Vec<String>,
    #[command(flatten)]
    identity: IdentityOption,
    /// The access key's id, when standard input is the bare secret
    #[arg(long, value_name = "ID")]
    access_key_id: Option<String>,
    /// A session token follows the secret, on a line (or at a prompt) of its own
    #[arg(long)]
    with_session_token: bool,
    /// When the key stops working, as 2026-11-22T21:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Replace the file when there is one
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    const ADVICE: &str = "give --force to replace it";
    let out = &arguments.out;
    let existing = if arguments.force { Existing::Replace } else { Existing::Refuse };
    if existing == Existing::Refuse && out.symlink_metadata().is_ok() {
        // before the user types a secret; the write checks it again
        return Err(not_written(&WriteError::Exists(out.clone()), ADVICE));
    }
    let mut recipients = recipients::parse(&arguments.recipient)?;
    if let Some(path) = arguments.identity.path()? {
        recipients.extend(recipients::of_identity(&path)?);
    }
    let document = secret_input::read_document(wanted(arguments)?)?;
    // `read_document` has parsed it already
    let key = document::parse(&document.text).ok();
    if key.as_ref().is_some_and(|key| secret_input::looks_like_a_secret(key.access_key_id.as_str())) {
        return Err(Failure::new(ExitCode::Data, SWAPPED));
    }
    let wait = format!("{} to be sealed", out.display());
    let sealed = progress::shown_for(wait, || seal(&document.text, &recipients))?;
    write_secret_file(out, &sealed, existing).map_err(|error| not_written(&error, ADVICE))?;
    let id = key.as_ref().map_or_else(String::new, |key| key.access_key_id.to_string());
    let read =
        document.tool.map_or_else(String::new, |tool| format!("read what {tool} prints: {}\n", kind_of(key.as_ref())));
    print(format!("{read}sealed {id} in {} to\n{}", out.display(), recipients::listing(&recipients)).as_bytes())
}

/// What a user may have to know of a key that they have not written themselves.
fn kind_of(key: Option<&Credentials>) -> String {
    let token = key.is_some_and(|key| key.session_token.is_some());
    let kind = if token { "a temporary key with its session token" } else { "a key" };
    match key.and_then(|key| key.expiration) {
        Some(end) => format!("{kind}, which ends at {end}"),
        None => format!("{kind} without an end"),
    }
}

fn wanted(arguments: &Arguments) -> Result<Wanted, Failure> {
    let access_key_id = secret_input::access_key_id(arguments.access_key_id.as_deref())?;
    let expiration = match arguments.expires.as_deref().map(str::parse::<Timestamp>) {
        None => None,
        Some(Ok(time)) => Some(time),
        Some(Err(_)) => {
            return Err(Failure::new(ExitCode::Data, "--expires is not a time like 2026-11-22T21:00:00Z"));
        }
    };
    let parts = if arguments.with_session_token { Parts::SecretAndToken } else { Parts::Secret };
    Ok(Wanted { access_key_id, parts, expiration })
}

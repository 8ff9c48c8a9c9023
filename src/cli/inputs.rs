//! What `sign`, `verify` and `explain` read beside their arguments: the form from standard input, secrets from the
//! environment.

use std::convert::Infallible;
use std::env::VarError;
use std::fmt;
use std::io::Read as _;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::exit::{ExitCode, Failure};
use crate::credentials::saved_text::Slip;
use crate::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SessionToken};

/// The most that is read from standard input, in bytes: the largest body a route can be configured to take.
const MAX_FORM: u64 = 16 * 1024 * 1024;

/// The variable that every AWS tool reads the secret from. Everybody who may list processes could read an argument.
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// The same for the token of temporary credentials.
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// Reads a form from standard input, without the line end that a shell adds.
pub(super) fn form() -> Result<Vec<u8>, Failure> {
    let mut form = Vec::new();
    std::io::stdin()
        .lock()
        .take(MAX_FORM.saturating_add(1))
        .read_to_end(&mut form)
        .map_err(|error| Failure::new(ExitCode::Data, format!("standard input cannot be read: {error}")))?;
    if u64::try_from(form.len()).is_ok_and(|length| length > MAX_FORM) {
        return Err(Failure::new(ExitCode::Data, "the form on standard input is longer than 16 MiB"));
    }
    if form.ends_with(b"\n") {
        form.pop();
        if form.ends_with(b"\r") {
            form.pop();
        }
    }
    if form.is_empty() {
        return Err(Failure::new(ExitCode::Data, "standard input is empty; a form is expected, e.g. Action=ListJobs"));
    }
    Ok(form)
}

/// A key whose secret is in the environment.
pub(super) fn key(access_key_id: AccessKeyId, token: Option<&TokenText>) -> Result<HeldKey, Failure> {
    credentials(access_key_id, token).map(HeldKey::new)
}

/// The same, of which no use is made yet.
pub(super) fn credentials(access_key_id: AccessKeyId, token: Option<&TokenText>) -> Result<Credentials, Failure> {
    Ok(Credentials {
        access_key_id,
        secret_access_key: secret_access_key()?,
        session_token: session_token(token)?,
        expiration: None,
    })
}

/// The same, or `None` when no secret is in the environment.
pub(super) fn optional_credentials(access_key_id: AccessKeyId) -> Result<Option<Credentials>, Failure> {
    match variable(SECRET)? {
        Some(_) => credentials(access_key_id, None).map(Some),
        None => Ok(None),
    }
}

fn secret_access_key() -> Result<SecretAccessKey, Failure> {
    let secret = variable(SECRET)?.ok_or_else(|| {
        let message =
            format!("the secret access key is expected in the environment variable {SECRET}, which is not set");
        Failure::new(ExitCode::Configuration, message)
    })?;
    refuse_slip(SECRET, &secret)?;
    SecretAccessKey::new(secret.as_bytes()).ok_or_else(|| unprintable(SECRET))
}

/// From the argument, else from the environment.
fn session_token(given: Option<&TokenText>) -> Result<Option<SessionToken>, Failure> {
    let (text, source) = match given {
        Some(TokenText(text)) => (Some(text.clone()), "--session-token"),
        None => (variable(TOKEN)?, TOKEN),
    };
    let read = |text: Zeroizing<String>| {
        refuse_slip(source, &text)?;
        SessionToken::new(&text).ok_or_else(|| unprintable(source))
    };
    text.map(read).transpose()
}

/// An environment variable. An empty one counts as not set, as for other AWS tools.
fn variable(name: &str) -> Result<Option<Zeroizing<String>>, Failure> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(Zeroizing::new(text)).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(unprintable(name)),
    }
}

/// Quotes are printable: a secret that has them around it would sign, and no endpoint would take the signature.
fn refuse_slip(source: &str, value: &str) -> Result<(), Failure> {
    Slip::of(value).map_or(Ok(()), |slip| Err(Failure::new(ExitCode::Configuration, format!("{source} {slip}"))))
}

fn unprintable(source: &str) -> Failure {
    let message = format!(
        "{source} has a character that no key has (a space or a line end is the usual accident), is empty or too long"
    );
    Failure::new(ExitCode::Configuration, message)
}

/// The text of `--session-token`. Any text parses, because clap repeats what it cannot parse; `Debug` does not show it.
#[derive(Clone)]
pub(super) struct TokenText(Zeroizing<String>);

impl FromStr for TokenText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(..)")
    }
}

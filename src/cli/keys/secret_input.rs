//! Reads an access key from the terminal or standard input.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::cli::exit::{ExitCode, Failure};
use crate::credentials::document::{self, DocumentError, MAX_DOCUMENT, Spelling};
use crate::credentials::saved_text::{Slip, without_mark};
use crate::credentials::tool_output;
use crate::credentials::{AccessKeyId, Credentials, SecretAccessKey, SessionToken};
use crate::guarded_file::read_bounded;

/// What is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// A long-lived key.
    Secret,
    /// Temporary credentials.
    SecretAndToken,
}

/// What the command line says about the key, all of it public.
pub(super) struct Wanted {
    /// The id. Without it, standard input has to be JSON, and at a terminal the user is asked.
    pub(super) access_key_id: Option<AccessKeyId>,
    pub(super) parts: Parts,
    /// When the key expires.
    pub(super) expiration: Option<Timestamp>,
}

/// The JSON to be sealed.
pub(super) struct Document {
    pub(super) text: Zeroizing<Vec<u8>>,
    /// The tool whose output it was made of, when it was not in this form already.
    pub(super) tool: Option<&'static str>,
}

/// Parses `--access-key-id`. A message about it does not repeat the value, which may be a secret in the wrong place.
///
/// # Errors
/// 65.
pub(super) fn access_key_id(given: Option<&str>) -> Result<Option<AccessKeyId>, Failure> {
    let bad = |message: &str| Failure::new(ExitCode::Data, message);
    match given.map(AccessKeyId::parse) {
        None => Ok(None),
        Some(Some(id)) if looks_like_a_secret(id.as_str()) => Err(bad(
            "--access-key-id has the form of a secret access key: give the id there, the secret on standard input",
        )),
        Some(Some(id)) => Ok(Some(id)),
        Some(None) => Err(bad("--access-key-id is not 1 to 256 bytes of text without control characters")),
    }
}

/// AWS's secrets are 40 characters of base64; its ids are shorter and upper case. Two swapped arguments are the usual
/// slip.
pub(super) fn looks_like_a_secret(id: &str) -> bool {
    id.len() == 40
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+'))
        && id.bytes().any(|b| b.is_ascii_lowercase())
        && id.bytes().any(|b| b.is_ascii_uppercase())
}

/// Reads the key, as the JSON to be sealed.
///
/// # Errors
/// 65: what was read is not an access key.
pub(super) fn read_document(wanted: Wanted) -> Result<Document, Failure> {
    let plain = |text| Document { text, tool: None };
    if io::stdin().is_terminal() {
        return ask(wanted).map(plain);
    }
    let input = read_input()?;
    let is_json = without_mark(&input).trim_ascii_start().starts_with(b"{");
    match wanted.access_key_id {
        Some(_) if is_json => Err(unusable("holds JSON, which has the id in it: leave out --access-key-id")),
        Some(id) => from_lines(id, wanted.parts, wanted.expiration, &input).map(plain),
        None if is_json && (wanted.parts != Parts::Secret || wanted.expiration.is_some()) => {
            Err(unusable("holds JSON, which has token and expiry in it: leave out --with-session-token and --expires"))
        }
        None => match document::read(&input) {
            Ok((_wiped, Spelling::Exact)) => Ok(plain(input)),
            // so that AWS's tools read what `age --decrypt` prints
            Ok((credentials, Spelling::Tolerated)) => Ok(plain(document::write(&credentials))),
            Err(error @ (DocumentError::Other(_) | DocumentError::Missing("Version"))) => {
                from_tool(&input).unwrap_or_else(|| Err(not_a_document(&error, is_json)))
            }
            Err(error) => Err(not_a_document(&error, is_json)),
        },
    }
}

/// The key in what a cloud's tool printed; `None` when it is in no form that is known.
fn from_tool(input: &[u8]) -> Option<Result<Document, Failure>> {
    let read = tool_output::read(input)?;
    Some(match read {
        Ok((credentials, tool)) => Ok(Document { text: document::write(&credentials), tool: Some(tool) }),
        Err(error) => Err(unusable(&format!("cannot be used: {error}"))),
    })
}

fn not_a_document(error: &DocumentError, is_json: bool) -> Failure {
    match error {
        DocumentError::NotJson { .. } if !is_json => {
            unusable("does not hold JSON: give --access-key-id when it is the bare secret")
        }
        DocumentError::NotJson { .. }
        | DocumentError::Empty
        | DocumentError::Utf16
        | DocumentError::Other(_)
        | DocumentError::NotAnObject { .. }
        | DocumentError::Missing(_)
        | DocumentError::NotAString(_)
        | DocumentError::Version
        | DocumentError::AccessKeyId
        | DocumentError::Secret(_)
        | DocumentError::Expiration => {
            unusable(&format!("does not hold an access key as credential_process prints it: {error}"))
        }
    }
}

fn unusable(what: &str) -> Failure {
    Failure::new(ExitCode::Data, format!("standard input {what}"))
}

/// Reads standard input without the standard library's buffer, which is not wiped.
fn read_input() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let read = io::stdin().as_fd().try_clone_to_owned().and_then(|stdin| read_bounded(File::from(stdin), MAX_DOCUMENT));
    match read {
        Ok(Some(input)) if input.trim_ascii().is_empty() => {
            Err(unusable("is empty: pipe the secret in, or run at a terminal"))
        }
        Ok(Some(input)) => Ok(input),
        Ok(None) => Err(unusable(&format!("has more than {MAX_DOCUMENT} bytes; no access key has"))),
        Err(error) => Err(Failure::new(ExitCode::System, format!("standard input cannot be read: {error}"))),
    }
}

fn from_lines(
    id: AccessKeyId,
    parts: Parts,
    expiration: Option<Timestamp>,
    input: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut lines = without_mark(input).trim_ascii_end().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let secret = lines.next().unwrap_or_default();
    let token = match parts {
        Parts::Secret => None,
        Parts::SecretAndToken => {
            Some(lines.next().ok_or_else(|| unusable("has no second line, for the session token"))?)
        }
    };
    if lines.next().is_some() {
        return Err(unusable(
            "has too many lines: the secret on the first, and with --with-session-token the token on the second",
        ));
    }
    assemble(id, secret, token, expiration)
}

fn assemble(
    access_key_id: AccessKeyId,
    secret: &[u8],
    token: Option<&[u8]>,
    expiration: Option<Timestamp>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bad = |what: &str| {
        Failure::new(
            ExitCode::Data,
            format!("the {what} is empty, too long, or has a character that is not printable ASCII"),
        )
    };
    let quoted = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| Slip::of(text) == Some(Slip::Quotes));
    if quoted(secret) || token.is_some_and(quoted) {
        let message = "the secret access key or the session token has quotes around it: remove them";
        return Err(Failure::new(ExitCode::Data, message));
    }
    let secret_access_key = SecretAccessKey::new(secret).ok_or_else(|| bad("secret access key"))?;
    let session_token = match token {
        None => None,
        Some(token) => {
            let token = std::str::from_utf8(token).ok().and_then(SessionToken::new);
            Some(token.ok_or_else(|| bad("session token"))?)
        }
    };
    Ok(document::write(&Credentials { access_key_id, secret_access_key, session_token, expiration }))
}

/// Asks the user. Secrets are not shown while they are typed.
fn ask(wanted: Wanted) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let id = match wanted.access_key_id {
        Some(id) => id,
        None => ask_for_id()
            .map_err(not_asked)?
            .ok_or_else(|| Failure::new(ExitCode::Data, "that is not an access key id"))?,
    };
    let secret = hidden("Secret access key (not shown): ")?;
    let token = match wanted.parts {
        Parts::Secret => None,
        Parts::SecretAndToken => Some(hidden("Session token (not shown): ")?),
    };
    assemble(id, secret.trim().as_bytes(), token.as_ref().map(|token| token.trim().as_bytes()), wanted.expiration)
}

fn ask_for_id() -> io::Result<Option<AccessKeyId>> {
    let mut line = String::new();
    io::stderr().write_all(b"Access key id: ")?;
    io::stdin().read_line(&mut line)?;
    Ok(AccessKeyId::parse(line.trim()))
}

fn hidden(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(not_asked)
}

// by value, as `map_err` passes it
#[allow(clippy::needless_pass_by_value)]
fn not_asked(error: io::Error) -> Failure {
    Failure::new(
        ExitCode::System,
        format!("the terminal cannot be read: {error}; pipe the secret into standard input instead"),
    )
}

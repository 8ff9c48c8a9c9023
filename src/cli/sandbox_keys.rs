//! The access keys that `countersign sandbox` accepts: from the environment, from files, or AWS's documented example.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::exit::{ExitCode, Failure};
use super::inputs;
use crate::credentials::document;
use crate::credentials::{AccessKeyId, Credentials, SecretAccessKey};

/// The example key of AWS's documentation, which no endpoint accepts.
pub(super) const EXAMPLE_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(super) const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The longest credentials file, in bytes: enough for the longest secret and token.
const FILE_LIMIT: u64 = 64 * 1024;

/// The keys, and a description of where they come from.
///
/// # Errors
/// [`ExitCode::Configuration`] when a key is incomplete or none, [`ExitCode::KeyStoreUnavailable`] when its file is not
/// there.
pub(super) fn gather(id: Option<&str>, files: &[PathBuf]) -> Result<(Vec<Credentials>, &'static str), Failure> {
    let mut keys = Vec::new();
    if let Some(id) = id {
        let bad = "--access-key-id is not 1 to 256 bytes of text without control characters";
        let id = AccessKeyId::parse(id).ok_or_else(|| Failure::new(ExitCode::Data, bad))?;
        keys.push(inputs::credentials(id, None)?);
    }
    for file in files {
        keys.push(from_file(file)?);
    }
    if keys.is_empty() {
        keys.push(example()?);
        return Ok((keys, "AWS's documented example; its secret is wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
    }
    Ok((keys, "as given"))
}

/// The error says which member of the JSON is wrong, never its value.
fn from_file(path: &Path) -> Result<Credentials, Failure> {
    let unreadable = |error: io::Error| unreadable(path, &error, ExitCode::KeyStoreUnavailable);
    let no_key = |why: &str| Failure::new(ExitCode::Configuration, format!("{}: {why}", path.display()));
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_LIMIT {
        return Err(no_key(&format!("is longer than {FILE_LIMIT} bytes, so it holds no access key")));
    }
    let json = Zeroizing::new(std::fs::read(path).map_err(unreadable)?);
    document::parse(&json).map_err(|error| no_key(&error.to_string()))
}

/// A file that cannot be read: 77 where permissions are the reason, else `otherwise`.
pub(super) fn unreadable(path: &Path, error: &io::Error, otherwise: ExitCode) -> Failure {
    let code = if error.kind() == io::ErrorKind::PermissionDenied { ExitCode::Permissions } else { otherwise };
    Failure::new(code, format!("{} cannot be read: {error}", path.display()))
}

fn example() -> Result<Credentials, Failure> {
    let parts = AccessKeyId::parse(EXAMPLE_ID).zip(SecretAccessKey::new(EXAMPLE_SECRET.as_bytes()));
    let (access_key_id, secret_access_key) =
        parts.ok_or_else(|| Failure::new(ExitCode::Bug, "the example key is not a key"))?;
    Ok(Credentials { access_key_id, secret_access_key, session_token: None, expiration: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_key_the_documented_example_is_accepted() {
        let (keys, source) = gather(None, &[]).unwrap();
        assert_eq!(keys.len(), 1);
        assert!(source.contains("example"), "{source}");
    }
}

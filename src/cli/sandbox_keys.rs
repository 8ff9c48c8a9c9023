//! The access keys that `countersign sandbox` accepts: from the environment, from files, or AWS's documented example.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::exit::{ExitCode, Failure};
use crate::credentials::document;
use crate::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SessionToken};

/// The example key of AWS's documentation, which no endpoint accepts.
pub(super) const EXAMPLE_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(super) const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The variables SDKs read.
const SECRET_VARIABLE: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN_VARIABLE: &str = "AWS_SESSION_TOKEN";

/// The longest credentials file, in bytes: enough for the longest secret and token.
const FILE_LIMIT: u64 = 64 * 1024;

/// The keys, and a description of where they come from.
///
/// # Errors
/// [`ExitCode::Data`] when a key is incomplete or cannot be read.
pub(super) fn gather(id: Option<&str>, files: &[PathBuf]) -> Result<(Vec<HeldKey>, &'static str), Failure> {
    let mut keys = Vec::new();
    if let Some(id) = id {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Zeroizing::new);
        let secret = variable(SECRET_VARIABLE)
            .ok_or_else(|| data(format!("--access-key-id needs the secret in {SECRET_VARIABLE}")))?;
        let token = variable(TOKEN_VARIABLE);
        keys.push(key(id, &secret, token.as_ref().map(|token| token.as_str())).map_err(data)?);
    }
    for file in files {
        keys.push(from_file(file).map_err(|problem| data(format!("{}: {problem}", file.display())))?);
    }
    if keys.is_empty() {
        keys.push(key(EXAMPLE_ID, EXAMPLE_SECRET, None).map_err(data)?);
        return Ok((keys, "AWS's documented example; its secret is wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
    }
    Ok((keys, "as given"))
}

fn data(message: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Data, message)
}

/// The error says which member of the JSON is wrong, never its value.
fn from_file(path: &Path) -> Result<HeldKey, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_LIMIT {
        return Err(format!("is longer than {FILE_LIMIT} bytes, so it holds no access key"));
    }
    let json = Zeroizing::new(std::fs::read(path).map_err(|error| error.to_string())?);
    document::parse(&json).map(HeldKey::new).map_err(|error| error.to_string())
}

fn key(id: &str, secret: &str, token: Option<&str>) -> Result<HeldKey, &'static str> {
    let session_token = match token {
        None => None,
        Some(token) => Some(SessionToken::new(token).ok_or("the session token is not printable ASCII")?),
    };
    Ok(HeldKey::new(Credentials {
        access_key_id: AccessKeyId::parse(id).ok_or("the access key id has a form that no cloud issues")?,
        secret_access_key: SecretAccessKey::new(secret.as_bytes()).ok_or("the secret is not printable ASCII")?,
        session_token,
        expiration: None,
    }))
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

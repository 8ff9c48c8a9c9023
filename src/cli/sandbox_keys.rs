//! The access keys `countersign sandbox` accepts: from the environment, from files, or AWS's documented example.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::exit::{ExitCode, Failure};
use crate::credentials::{AccessKeyId, ActiveKey, Credentials, SecretAccessKey, SessionToken};

/// The example key of AWS's own documentation: it opens nothing.
const EXAMPLE_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const EXAMPLE_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The variables SDKs read.
const SECRET_VARIABLE: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN_VARIABLE: &str = "AWS_SESSION_TOKEN";

/// Longest credentials file, in bytes: room for the longest secret and token.
const FILE_LIMIT: u64 = 64 * 1024;

/// The output of a `credential_process`, version 1.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessOutput {
    version: u32,
    access_key_id: String,
    #[serde(deserialize_with = "wiped")]
    secret_access_key: Zeroizing<String>,
    #[serde(default, deserialize_with = "some_wiped")]
    session_token: Option<Zeroizing<String>>,
    expiration: Option<String>,
}

fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

fn some_wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Zeroizing::new))
}

/// The keys, and where they come from in a few words.
///
/// # Errors
/// [`ExitCode::Data`] when a key is incomplete or cannot be read.
pub(super) fn gather(id: Option<&str>, files: &[PathBuf]) -> Result<(Vec<ActiveKey>, &'static str), Failure> {
    let mut keys = Vec::new();
    if let Some(id) = id {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Zeroizing::new);
        let secret = variable(SECRET_VARIABLE)
            .ok_or_else(|| data(format!("--access-key-id needs the secret in {SECRET_VARIABLE}")))?;
        let token = variable(TOKEN_VARIABLE);
        keys.push(key(id, &secret, token.as_ref().map(|token| token.as_str()), None).map_err(data)?);
    }
    for file in files {
        keys.push(from_file(file).map_err(|problem| data(format!("{}: {problem}", file.display())))?);
    }
    if keys.is_empty() {
        keys.push(key(EXAMPLE_ID, EXAMPLE_SECRET, None, None).map_err(data)?);
        return Ok((keys, "AWS's documented example; its secret is wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
    }
    Ok((keys, "as given"))
}

fn data(message: impl Into<String>) -> Failure {
    Failure::new(ExitCode::Data, message)
}

/// A problem's text says which member is wrong, never what it holds.
fn from_file(path: &Path) -> Result<ActiveKey, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > FILE_LIMIT {
        return Err(format!("is longer than {FILE_LIMIT} bytes, so it holds no access key"));
    }
    parse(&Zeroizing::new(std::fs::read(path).map_err(|error| error.to_string())?))
}

fn parse(json: &[u8]) -> Result<ActiveKey, String> {
    // serde's own message may quote what it stumbled on
    let output: ProcessOutput = serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("is not the JSON of a credential_process (line {line}, column {column}): Version, AccessKeyId, SecretAccessKey")
    })?;
    if output.version != 1 {
        return Err("its Version is not 1".to_owned());
    }
    let token = output.session_token.as_ref().map(|token| token.as_str());
    key(&output.access_key_id, &output.secret_access_key, token, output.expiration.as_deref()).map_err(str::to_owned)
}

fn key(id: &str, secret: &str, token: Option<&str>, expiration: Option<&str>) -> Result<ActiveKey, &'static str> {
    let session_token = match token {
        None => None,
        Some(token) => Some(SessionToken::new(token).ok_or("the session token is not printable ASCII")?),
    };
    let expiration = match expiration {
        None => None,
        Some(time) => Some(time.parse().map_err(|_| "the Expiration is not an ISO 8601 time with an offset")?),
    };
    Ok(ActiveKey::new(Credentials {
        access_key_id: AccessKeyId::parse(id).ok_or("the access key id has a form that no cloud issues")?,
        secret_access_key: SecretAccessKey::new(secret.as_bytes()).ok_or("the secret is not printable ASCII")?,
        session_token,
        expiration,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_credential_process_is_read() {
        let json =
            br#"{"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x", "SessionToken": "t",
            "Expiration": "2030-01-01T00:00:00Z", "More": []}"#;
        let key = parse(json).unwrap();
        assert_eq!(key.id().as_str(), "AKIAIOSFODNN7EXAMPLE");
        assert!(key.session_token().is_some() && key.expiration().is_some());
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_showing_it() {
        for json in [
            r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": 5432}"#,
            r#"{"Version": 2, "AccessKeyId": "A", "SecretAccessKey": "marker"}"#,
            r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "mar ker"}"#,
            r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "marker", "Expiration": "soon"}"#,
            "marker",
        ] {
            let problem = parse(json.as_bytes()).err().unwrap();
            assert!(!problem.contains("mar") && !problem.contains("5432"), "{problem}");
        }
    }

    #[test]
    fn without_any_key_the_documented_example_is_accepted() {
        let (keys, source) = gather(None, &[]).unwrap();
        assert_eq!(keys.len(), 1);
        assert!(source.contains("example"), "{source}");
    }
}

//! What is kept in files: the document inside a sealed key, and the manifest of a job in the sandbox.

use countersign::credentials::document::{self as credential, DocumentError, MAX_DOCUMENT};
use countersign::credentials::other_format::OtherFormat;
use countersign::credentials::saved_text::without_mark;
use countersign::credentials::{Credentials, SessionToken};
use countersign::sandbox::Refusal;
use countersign::sandbox::jobs::JobType;
use countersign::sandbox::manifest::Manifest;
use countersign::sandbox::manifest_text::ManifestText;

use super::keys::KEY_ID;

const FIELDS: [&str; 5] = ["Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];

/// A credential document that is read says the same to another JSON reader, and is read again after it was written;
/// what is refused is refused with a sentence that holds nothing of it.
pub fn document(input: &[u8]) {
    // what is read is read with a mark before it, too
    let input = without_mark(input);
    match credential::parse(input) {
        Ok(credentials) => {
            let Ok(value) = serde_json::from_slice::<serde_json::Value>(input) else {
                // in fields that are ignored, strings are skipped and not decoded
                assert!(serde_json::from_slice::<serde::de::IgnoredAny>(input).is_ok(), "it was read as JSON");
                return;
            };
            let text = |field: &str| value.get(field).and_then(serde_json::Value::as_str).map(str::to_owned);
            let version = value.get("Version");
            assert!(version == Some(&serde_json::Value::from(1)) || version == Some(&serde_json::Value::from("1")));
            let (id, secret, token, _) = parts(&credentials);
            assert_eq!((Some(id), text("SecretAccessKey")), (text("AccessKeyId"), Some(secret)));
            assert_eq!(token, text("SessionToken").filter(|token| !token.is_empty()));
            if input.len() <= MAX_DOCUMENT {
                for written in [credential::write(&credentials).to_vec(), with_escapes(&credentials)] {
                    let Ok(again) = credential::parse(&written) else { panic!("what was written is not read") };
                    assert_eq!(parts(&again), parts(&credentials));
                }
            }
        }
        Err(error) => {
            let shown = without_digits(&error.to_string());
            assert!(sentences().contains(&shown), "{shown} is no sentence of its own");
        }
    }
}

fn parts(credentials: &Credentials) -> (String, String, Option<String>, Option<jiff::Timestamp>) {
    (
        credentials.access_key_id.as_str().to_owned(),
        String::from_utf8(credentials.secret_access_key.expose_secret().to_vec()).expect("secrets are ASCII"),
        credentials.session_token.as_ref().map(SessionToken::expose_secret).map(str::to_owned),
        credentials.expiration,
    )
}

/// The document as another program may write it: last things first, and secrets in escapes alone.
fn with_escapes(credentials: &Credentials) -> Vec<u8> {
    let (id, secret, token, expiration) = parts(credentials);
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04X}")).collect::<String>();
    let optional = |field: &str, value: Option<String>| {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("\"{value}\""));
        format!(" \"{field}\" : {value} ,")
    };
    let id = serde_json::to_string(&id).expect("text is JSON");
    let (token, expiration) = (token.as_deref().map(escaped), expiration.map(|time| time.to_string()));
    let (token, expiration) = (optional("SessionToken", token), optional("Expiration", expiration));
    let secret = escaped(&secret);
    format!("{{{expiration}{token}\"SecretAccessKey\":\"{secret}\",\r\n\t\"AccessKeyId\":{id},\"Version\":1}}")
        .into_bytes()
}

/// Every error there is, as it is shown, but for the numbers.
fn sentences() -> Vec<String> {
    let (line, column) = (0, 0);
    let mut errors = vec![
        DocumentError::NotJson { line, column },
        DocumentError::NotAnObject { line, column },
        DocumentError::Utf16,
        DocumentError::Empty,
        DocumentError::Version,
        DocumentError::AccessKeyId,
        DocumentError::Expiration,
    ];
    errors.extend(OtherFormat::ALL.map(DocumentError::Other));
    for field in FIELDS {
        errors.extend([DocumentError::Missing(field), DocumentError::NotAString(field), DocumentError::Secret(field)]);
    }
    errors.iter().map(|error| without_digits(&error.to_string())).collect()
}

fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// A manifest is read with each name once or refused at a line it has; its check comes to an end whatever it says.
pub fn sandbox_manifest(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let read = ManifestText::parse(&text);
    match &read {
        Ok(manifest) => {
            let mut names: Vec<_> = manifest.names().collect();
            names.sort_unstable();
            assert!(!names.is_empty() && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
            assert!(names.iter().all(|name| manifest.get(name).is_some()));
        }
        Err(Refusal::MalformedManifest { line, .. }) => {
            assert!((1..=text.lines().count().max(1)).contains(line), "line {line}");
        }
        Err(other) => panic!("{other:?} is not about the text"),
    }
    for job_type in [JobType::Import, JobType::Export] {
        let checked = Manifest::check(&text, job_type, KEY_ID);
        assert!(read.is_ok() || checked.is_err());
        match checked {
            Ok(manifest) => {
                assert!(
                    text.contains(KEY_ID) && text.contains(&manifest.log_bucket) && text.contains(&manifest.log_prefix)
                );
                assert!(manifest.unknown.iter().all(|name| text.contains(name)));
            }
            Err(refusal) => assert!(!refusal.to_string().is_empty()),
        }
    }
}

//! The JSON of an access key, as an AWS `credential_process` prints it, so that `age -d` of a sealed key is one.
//!
//! <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>: `Version` (1), `AccessKeyId`,
//! `SecretAccessKey`, and for temporary credentials `SessionToken` and `Expiration` (RFC 3339). Fields beyond these are
//! ignored, as AWS's own tools do.
//!
//! What templates and editors make of it is read as well ([`Spelling::Tolerated`]): a byte order mark before it, the
//! version as a string, and an empty token or expiration, which a template renders for a key that has none.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use zeroize::Zeroizing;

use super::access_key::{AccessKeyId, Credentials};
use super::other_format::OtherFormat;
use super::saved_text::{is_utf16, without_mark};
use super::secret::{MAX_SECRET_LENGTH, SecretAccessKey, SessionToken};

/// The longest document, in bytes: two secrets of the greatest length, and the rest. Sealed, it is smaller than
/// [`crate::guarded_file::MAX_SIZE`], so that it can be read again.
pub const MAX_DOCUMENT: usize = 2 * MAX_SECRET_LENGTH + 4 * 1024;

/// Why a document is not an access key. Names fields, lines and columns, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// Text in UTF-16.
    #[error("it is UTF-16, as the `>` of Windows PowerShell writes text: save it as UTF-8")]
    Utf16,
    /// An access key in another form.
    #[error(transparent)]
    Other(#[from] OtherFormat),
    /// Nothing but white space.
    #[error("it is empty: a key is a JSON object with Version, AccessKeyId and SecretAccessKey")]
    Empty,
    /// Not JSON.
    #[error("not JSON (line {line}, column {column})")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON, but not an object, or one that has a field twice.
    #[error("not a JSON object with each field once (line {line}, column {column})")]
    NotAnObject {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field is a number, list or object.
    #[error("{0} is not a string")]
    NotAString(&'static str),
    /// Another version.
    #[error("Version is not 1, the only version there is")]
    Version,
    /// An id that no cloud would issue.
    #[error("AccessKeyId is not 1 to 256 bytes of text without control characters")]
    AccessKeyId,
    /// Empty, too long, or not printable ASCII.
    #[error(
        "{0} is empty, longer than {MAX_SECRET_LENGTH} bytes, or has a character that \
         is not printable ASCII (a stray newline?)"
    )]
    Secret(&'static str),
    /// The expiration is not a time.
    #[error("Expiration is not a time like 2026-11-22T21:00:00Z (RFC 3339)")]
    Expiration,
}

/// The fields as they are in the text. Raw, because serde_json decodes strings with escapes through a buffer that it
/// does not wipe, and because its messages about wrong types show the value.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fields<'a> {
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    access_key_id: Option<&'a RawValue>,
    #[serde(borrow)]
    secret_access_key: Option<&'a RawValue>,
    #[serde(borrow)]
    session_token: Option<&'a RawValue>,
    #[serde(borrow)]
    expiration: Option<&'a RawValue>,
}

/// Whether AWS's own tools read a document as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// They do.
    Exact,
    /// They may not: botocore wants the number 1, takes an empty expiration for a time, and reads no byte order mark.
    Tolerated,
}

/// Reads a document.
///
/// # Errors
/// [`DocumentError`].
pub fn parse(json: &[u8]) -> Result<Credentials, DocumentError> {
    read(json).map(|(credentials, _)| credentials)
}

/// The same, and how the document is spelled.
///
/// # Errors
/// [`DocumentError`].
pub fn read(json: &[u8]) -> Result<(Credentials, Spelling), DocumentError> {
    let text = without_mark(json);
    let fields = fields(text)?;
    let (token, expiration) = (fields.session_token.filter(is_given), fields.expiration.filter(is_given));
    let exact = text.len() == json.len()
        && fields.version.is_some_and(|version| version.get() == "1")
        && (token.is_some(), expiration.is_some()) == (fields.session_token.is_some(), fields.expiration.is_some());
    let credentials = credentials(&fields, token, expiration)?;
    Ok((credentials, if exact { Spelling::Exact } else { Spelling::Tolerated }))
}

fn fields(text: &[u8]) -> Result<Fields<'_>, DocumentError> {
    if is_utf16(text) {
        return Err(DocumentError::Utf16);
    }
    if text.trim_ascii().is_empty() {
        return Err(DocumentError::Empty);
    }
    let fields: Fields<'_> = serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        if error.is_data() {
            DocumentError::NotAnObject { line, column }
        } else {
            OtherFormat::of_text(text).map_or(DocumentError::NotJson { line, column }, DocumentError::Other)
        }
    })?;
    let complete = [fields.version, fields.access_key_id, fields.secret_access_key].iter().all(Option::is_some);
    match OtherFormat::of_json(text) {
        // without the token that goes with it, the key would sign and no endpoint would take it
        Some(OtherFormat::Metadata) if fields.session_token.is_some() => {}
        Some(OtherFormat::Metadata) => return Err(OtherFormat::Metadata.into()),
        Some(other) if !complete => return Err(other.into()),
        Some(_) | None => {}
    }
    Ok(fields)
}

/// Whether a field is more than the empty string that a template renders for a key that has no token or expiration.
fn is_given(raw: &&RawValue) -> bool {
    raw.get() != "\"\""
}

fn credentials(
    fields: &Fields<'_>,
    token: Option<&RawValue>,
    expiration: Option<&RawValue>,
) -> Result<Credentials, DocumentError> {
    let version = fields.version.ok_or(DocumentError::Missing("Version"))?;
    if !matches!(version.get(), "1" | "\"1\"") {
        return Err(DocumentError::Version);
    }
    let id = required("AccessKeyId", fields.access_key_id)?;
    let secret = required("SecretAccessKey", fields.secret_access_key)?;
    let token = token.map(|raw| string("SessionToken", raw)).transpose()?;
    let expiration = expiration.map(|raw| string("Expiration", raw)).transpose()?;
    Ok(Credentials {
        access_key_id: AccessKeyId::parse(&id).ok_or(DocumentError::AccessKeyId)?,
        secret_access_key: SecretAccessKey::new(secret.as_bytes()).ok_or(DocumentError::Secret("SecretAccessKey"))?,
        session_token: token
            .map(|token| SessionToken::new(&token).ok_or(DocumentError::Secret("SessionToken")))
            .transpose()?,
        expiration: expiration
            .map(|time| time.parse::<Timestamp>().map_err(|_echoes_the_value| DocumentError::Expiration))
            .transpose()?,
    })
}

/// Writes the document that [`parse`] reads.
#[must_use]
pub fn write(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let secret = credentials.secret_access_key.expose_secret();
    let token = credentials.session_token.as_ref().map(SessionToken::expose_secret);
    let longest = secret.len().saturating_add(token.map_or(0, str::len)).saturating_mul(2);
    // reserved once: growing would leave copies
    let mut json = Zeroizing::new(Vec::with_capacity(longest.saturating_add(1024)));
    json.extend_from_slice(b"{\"Version\":1,\"AccessKeyId\":");
    push_string(&mut json, credentials.access_key_id.as_str().as_bytes());
    json.extend_from_slice(b",\"SecretAccessKey\":");
    push_string(&mut json, secret);
    if let Some(token) = token {
        json.extend_from_slice(b",\"SessionToken\":");
        push_string(&mut json, token.as_bytes());
    }
    if let Some(expiration) = credentials.expiration {
        json.extend_from_slice(b",\"Expiration\":");
        push_string(&mut json, expiration.to_string().as_bytes());
    }
    json.extend_from_slice(b"}\n");
    json
}

/// Secrets are printable ASCII by construction: only these two need an escape.
fn push_string(json: &mut Vec<u8>, text: &[u8]) {
    json.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            json.push(b'\\');
        }
        json.push(*byte);
    }
    json.push(b'"');
}

fn required(field: &'static str, raw: Option<&RawValue>) -> Result<Zeroizing<String>, DocumentError> {
    string(field, raw.ok_or(DocumentError::Missing(field))?)
}

/// Decodes a JSON string (RFC 8259 section 7) into memory that is wiped.
pub(super) fn string(field: &'static str, raw: &RawValue) -> Result<Zeroizing<String>, DocumentError> {
    let quoted = raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = quoted.ok_or(DocumentError::NotAString(field))?;
    let mut decoded = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        // the text is valid JSON: a backslash is followed by one of eight characters, or by `u` and four digits
        let itself = if character == '\\' { unescape(&mut rest) } else { Some(character) };
        decoded.push(itself.ok_or(DocumentError::Secret(field))?);
    }
    Ok(decoded)
}

/// What an escape stands for; `None` for half a surrogate pair, as neither half is in any field's alphabet.
fn unescape(rest: &mut std::str::Chars<'_>) -> Option<char> {
    match rest.next()? {
        'u' => {
            let digits = rest.as_str().get(..4)?;
            *rest = rest.as_str().get(4..)?.chars();
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
        }
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        itself => Some(itself),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn with(field: &str, value: &str) -> String {
        let mut fields = vec![
            ("Version", "1".to_owned()),
            ("AccessKeyId", "\"AKIAIOSFODNN7EXAMPLE\"".to_owned()),
            ("SecretAccessKey", format!("\"{SECRET}\"")),
        ];
        fields.retain(|(name, _)| *name != field);
        if !value.is_empty() {
            fields.push((field, value.to_owned()));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{\n{}\n}}", fields.join(",\n"))
    }

    fn error(json: &str) -> DocumentError {
        parse(json.as_bytes()).err().unwrap()
    }

    #[test]
    fn a_document_with_all_fields_and_some_unknown_ones_is_read() {
        let json = format!(
            r#"{{"Version":1,"A":"1","AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"{SECRET}",
                "SessionToken":"token/with+all=of it".."#
        );
        assert!(matches!(error(&json), DocumentError::NotJson { line: 2, .. }));
        let json = json.replace(" it\"..", "it\",\"Expiration\":\"2026-11-22T21:00:00+01:00\",\"More\":{\"a\":[1]}}");
        let credentials = parse(json.as_bytes()).ok().unwrap();
        assert_eq!(credentials.access_key_id.as_str(), "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(credentials.secret_access_key.expose_secret(), SECRET.as_bytes());
        assert_eq!(credentials.session_token.unwrap().expose_secret(), "token/with+all=ofit");
        assert_eq!(credentials.expiration.unwrap().to_string(), "2026-11-22T20:00:00Z");
    }

    #[test]
    fn escapes_that_other_languages_write_are_understood() {
        for escaped in [SECRET.replace('/', "\\/"), SECRET.replace('/', "\\u002f"), SECRET.replace('w', "\\u0077")] {
            let json = with("SecretAccessKey", &format!("\"{escaped}\""));
            assert_eq!(parse(json.as_bytes()).ok().unwrap().secret_access_key.expose_secret(), SECRET.as_bytes());
        }
    }

    #[test]
    fn null_stands_for_a_field_that_is_not_there() {
        let json = with("SessionToken", "null");
        assert!(parse(json.as_bytes()).ok().unwrap().session_token.is_none());
        assert_eq!(error(&with("AccessKeyId", "null")), DocumentError::Missing("AccessKeyId"));
    }

    #[test]
    fn what_templates_and_editors_make_of_a_document_is_read() {
        for (json, tolerated) in [
            (with("SessionToken", "\"\""), true),
            (with("Expiration", "\"\""), true),
            (with("Version", "\"1\""), true),
            (format!("\u{feff}{}", with("More", "1")), true),
            (with("More", "1").replace('\n', "\r\n"), false),
            (with("SessionToken", "null"), false),
        ] {
            let (credentials, spelling) = read(json.as_bytes()).ok().unwrap();
            assert_eq!(credentials.secret_access_key.expose_secret(), SECRET.as_bytes(), "{json}");
            assert!(credentials.session_token.is_none() && credentials.expiration.is_none(), "{json}");
            assert_eq!(spelling == Spelling::Tolerated, tolerated, "{json}");
        }
    }

    #[test]
    fn a_key_in_another_form_is_refused_with_its_name_and_never_a_value() {
        let key = with("More", "1").replace("\"Version\": 1,\n", "");
        let cases = [
            (format!("{{\"Credentials\": {key}, \"AssumedRoleUser\": {{\"Arn\": \"MARKER\"}}}}"), "under Credentials"),
            (format!("{{\"AccessKey\": {key}}}"), "under AccessKey, as `aws iam create-access-key`"),
            (format!("{{\"Version\": 1, \"AccessKey\": {key}}}"), "jq '.AccessKey + {Version: 1}'"),
            (format!("{{\"roleCredentials\": {}, \"x\": 1}}", key.replace('A', "a")), "under roleCredentials"),
            (format!("{{\"request_id\": \"MARKER\", \"data\": {key}}}"), "under data, as Vault"),
            (with("Token", "\"MARKER\""), "called SessionToken here, and not Token"),
            ("{\"Version\": 1, \"accessKeyId\": \"MARKER\"}".to_owned(), "accessKeyId is not a field here"),
            ("[default]\naws_access_key_id = MARKER\n".to_owned(), "it is a profile file"),
            ("export AWS_ACCESS_KEY_ID=MARKER\n".to_owned(), "variables for a shell"),
            ("\u{feff}Access key ID,Secret access key\r\nMARKER,MARKER\r\n".to_owned(), "the CSV of AWS's console"),
        ];
        for (json, expected) in cases {
            let message = error(&json).to_string();
            assert!(message.contains(expected), "{message} for {json}");
            assert!(!message.contains("MARKER") && !message.contains(SECRET), "{message}");
        }
        assert_eq!(parse(b"\xff\xfe{\0}\0").err(), Some(DocumentError::Utf16));
        // fields beyond ours are ignored in a document that is complete
        assert!(parse(with("Credentials", "{}").as_bytes()).is_ok());
        let both = with("Token", "\"t\"").replace('}', ",\"SessionToken\":\"t\"}");
        assert!(parse(both.as_bytes()).is_ok());
    }

    #[test]
    fn every_error_names_the_field_and_never_a_value() {
        let cases = [
            (with("Version", ""), "Version is missing"),
            (with("Version", "2"), "Version is not 1"),
            (with("Version", "\"2\""), "Version is not 1"),
            (with("Version", "1.0"), "Version is not 1"),
            (with("AccessKeyId", ""), "AccessKeyId is missing"),
            (with("AccessKeyId", "\"AKIA\\nMARKER\""), "AccessKeyId is not 1 to 256"),
            (with("SecretAccessKey", ""), "SecretAccessKey is missing"),
            (with("SecretAccessKey", "[\"MARKER\"]"), "SecretAccessKey is not a string"),
            (with("SecretAccessKey", "\"MARKER\\n\""), "SecretAccessKey is empty, longer"),
            (with("SecretAccessKey", "\"MARKER\\ud83d\\ude00\""), "SecretAccessKey is empty, longer"),
            (with("SecretAccessKey", "\"\""), "SecretAccessKey is empty"),
            (with("SessionToken", "\" \""), "SessionToken is empty"),
            (with("Expiration", "\" \""), "Expiration is not a time"),
            (with("Expiration", "\"MARKER\""), "Expiration is not a time"),
            (with("Expiration", "1700000000"), "Expiration is not a string"),
            ("\"MARKER\"".to_owned(), "not a JSON object"),
            ("{\"Version\":1,\"Version\":1}".to_owned(), "each field once"),
            ("{\"Version\": MARKER".to_owned(), "not JSON (line 1"),
            (String::new(), "it is empty"),
            (" \r\n".to_owned(), "it is empty"),
        ];
        for (json, expected) in cases {
            let message = error(&json).to_string();
            assert!(message.contains(expected), "{message} for {json}");
            assert!(!message.contains("MARKER"), "{message}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let awkward = "quote\"back\\slash/";
        let credentials = Credentials {
            access_key_id: AccessKeyId::parse("AKIAI44QH8DHBEXAMPLE").unwrap(),
            secret_access_key: SecretAccessKey::new(awkward.as_bytes()).unwrap(),
            session_token: SessionToken::new("t"),
            expiration: Some(Timestamp::UNIX_EPOCH),
        };
        let again = parse(&write(&credentials)).ok().unwrap();
        assert_eq!(again.secret_access_key.expose_secret(), awkward.as_bytes());
        assert_eq!(again.session_token.unwrap().expose_secret(), "t");
        assert_eq!(again.expiration, Some(Timestamp::UNIX_EPOCH));
    }
}

//! A POST beside the exchanges, bounded in size and time, with header fields from a file that holds a secret.
//!
//! The fields are read anew for each request: who issues them replaces them while we run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Response};
use http_body_util::Full;
use thiserror::Error;
use tokio::time::timeout;

use super::client::RequestError;
use super::server::{Server, ServerError, ServerLocation};
use crate::guarded_file::{self, GuardError};

/// The longest response taken, in bytes. All of it that counts is a number and a sentence.
const MAX_RESPONSE: usize = 64 * 1024;
/// The most fields in a file.
const MOST_FIELDS: usize = 16;
/// Fields that are written here, or belong to the connection.
const OURS: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Where something is sent, again and again.
#[derive(Debug)]
pub struct Upload {
    server: Server,
    headers_file: Option<PathBuf>,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub enum UploadError {
    /// What there is to say of the server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The file of the fields.
    #[error("the header fields to send cannot be read")]
    Headers(#[from] GuardError),
    /// What the file holds. A line may be a secret, and is not shown.
    #[error("line {line} of {} is not a header field: it wants `name: value`, a field in each line", .path.display())]
    NotAField {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A field that is written by countersign.
    #[error("line {line} of {} sets `{name}`, which countersign writes itself: remove it", .path.display())]
    OurField {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The field.
        name: &'static str,
    },
    /// Too many of them.
    #[error("{} has more than {MOST_FIELDS} header fields", .0.display())]
    TooMany(PathBuf),
    /// TLS, the response, or its end.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// All of it took too long.
    #[error("no response came within {} ms", .0.as_millis())]
    Late(Duration),
}

impl UploadError {
    /// Whether somebody has to change the owner or permissions of a file.
    #[must_use]
    pub const fn is_permissions(&self) -> bool {
        match self {
            Self::Server(error) => error.is_permissions(),
            Self::Headers(error) => error.is_permissions(),
            Self::NotAField { .. } | Self::OurField { .. } | Self::TooMany(_) | Self::Request(_) | Self::Late(_) => {
                false
            }
        }
    }
}

impl Upload {
    /// Looks at everything there is to look at without asking the server.
    ///
    /// # Errors
    /// [`UploadError`], of what is configured.
    pub fn new(location: ServerLocation, headers_file: Option<PathBuf>) -> Result<Self, UploadError> {
        headers_file.as_deref().map(fields).transpose()?;
        Self::without_looking_at_headers(location, headers_file)
    }

    /// The same, and the file of the fields is not opened: it holds a secret.
    ///
    /// # Errors
    /// [`UploadError::Server`].
    pub fn without_looking_at_headers(
        location: ServerLocation,
        headers_file: Option<PathBuf>,
    ) -> Result<Self, UploadError> {
        Ok(Self { server: Server::new(location)?, headers_file })
    }

    /// Sends `body` and reads the response, whatever its status, within `limit`. It may block on files.
    ///
    /// # Errors
    /// [`UploadError`].
    pub async fn post(
        &self,
        media_type: HeaderValue,
        body: Bytes,
        limit: Duration,
    ) -> Result<Response<Bytes>, UploadError> {
        let whole = async {
            let length = body.len();
            let mut request = self.server.request(Full::new(body));
            *request.method_mut() = Method::POST;
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, media_type);
            // hyper leaves it out for an empty body, which RFC 9110 section 8.6 does not recommend
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            for (name, value) in self.headers_file.as_deref().map(fields).transpose()?.unwrap_or_default() {
                headers.append(name, value);
            }
            let pending = self.server.connect().await?.send(request).await?;
            Ok(pending.read(MAX_RESPONSE).await?)
        };
        timeout(limit, whole).await.unwrap_or(Err(UploadError::Late(limit)))
    }
}

/// The fields in a file: `name: value`, one in each line; empty lines, and those that begin with `#`, are none. hyper's
/// buffers, through which they go, are not wiped: let a token be a short-lived one.
fn fields(path: &Path) -> Result<Vec<(HeaderName, HeaderValue)>, UploadError> {
    let text = guarded_file::read_secret(path)?;
    let mut fields = Vec::new();
    for (line, written) in (1_usize..).zip(text.split(|byte| *byte == b'\n')) {
        let written = written.trim_ascii();
        if written.is_empty() || written.starts_with(b"#") {
            continue;
        }
        let field = field(written).ok_or_else(|| UploadError::NotAField { path: path.to_owned(), line })?;
        if let Some(name) = OURS.into_iter().find(|ours| field.0 == *ours) {
            return Err(UploadError::OurField { path: path.to_owned(), line, name });
        }
        fields.push(field);
    }
    if fields.len() > MOST_FIELDS {
        return Err(UploadError::TooMany(path.to_owned()));
    }
    Ok(fields)
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?.trim_ascii();
    let mut value = HeaderValue::from_bytes(value).ok().filter(|value| !value.is_empty())?;
    value.set_sensitive(true);
    Some((HeaderName::from_bytes(name).ok()?, value))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("headers");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let shown = |(name, value): (HeaderName, HeaderValue)| {
            assert!(value.is_sensitive());
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let fields = fields(&path).map(|fields| fields.into_iter().map(shown).collect());
        fields.map_err(|error| error.to_string().replace(&path.display().to_string(), "F"))
    }

    #[test]
    fn a_file_has_a_field_in_each_line() {
        let fields = read("# for the collector\n\nAuthorization: Bearer marker\r\nx-scope : \n").unwrap_err();
        assert!(fields.starts_with("line 4 of F is not a header field"), "{fields}");
        let fields = read("# for the collector\n\nAuthorization: Bearer marker\r\nX-Scope:a:b\n").unwrap();
        let expected = [("authorization", "Bearer marker"), ("x-scope", "a:b")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_field_or_ours_is_refused_and_not_shown() {
        for (text, told) in [
            ("marker", "line 1 of F is not a header field"),
            ("a b: marker", "line 1 of F"),
            ("\n: marker", "line 2 of F"),
            ("a: mark\u{1}er", "line 1 of F"),
            ("Host: marker", "sets `host`, which countersign writes itself"),
            ("content-type: marker", "sets `content-type`"),
            (&"a: marker\n".repeat(17), "more than 16 header fields"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told) && !error.contains("mark"), "{error}");
        }
    }
}

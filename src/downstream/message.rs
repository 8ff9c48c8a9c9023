//! A request's head and an answer, as they pass between a connection and whoever handles its requests.

use std::ops::Range;

use http::request::Parts;
use http::{Response, StatusCode};
use smol_str::SmolStr;

use super::head_line::Version;
use crate::fields::{Fields, Place};

/// What a request says before its body.
pub struct RequestHead {
    method: SmolStr,
    target: SmolStr,
    version: Version,
    fields: Fields,
}

impl RequestHead {
    /// The head of a POST of HTTP/1.1 with this text, which has been read.
    pub(super) fn of_post(text: &[u8], target: Range<usize>, fields: Vec<Place>) -> Self {
        // by the grammar of the request line, the target is ASCII
        let target = text.get(target).and_then(|target| std::str::from_utf8(target).ok()).unwrap_or_default().into();
        let method = SmolStr::new_static("POST");
        Self { method, target, version: Version::Http11, fields: Fields::of(text, fields) }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// What is called: a path, and a query if there is one.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path, without a query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _query)| path)
    }

    /// Whether a `?` stands behind the path.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.target.contains('?')
    }

    /// The header fields.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether the client speaks HTTP/1.1, and not 1.0.
    #[must_use]
    pub fn is_http_11(&self) -> bool {
        self.version == Version::Http11
    }
}

impl From<&Parts> for RequestHead {
    fn from(parts: &Parts) -> Self {
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let version = if parts.version == http::Version::HTTP_10 { Version::Http10 } else { Version::Http11 };
        Self {
            method: parts.method.as_str().into(),
            target: target.into(),
            version,
            fields: Fields::from(&parts.headers),
        }
    }
}

/// An answer to a client.
pub struct Reply<B> {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields; how its body is framed is for the connection to say.
    pub fields: Fields,
    /// Its body.
    pub body: B,
}

impl<B> From<Reply<B>> for Response<B> {
    fn from(reply: Reply<B>) -> Self {
        let mut response = Self::new(reply.body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.fields.to_map();
        response
    }
}

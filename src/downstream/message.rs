//! A request's head and an answer, as they pass between a connection and whoever handles its requests.

use std::ops::Range;

use http::request::Parts;
use http::{Response, StatusCode};

use super::head_line::{RequestLine, Version};
use crate::fields::{Fields, Place};

/// What a request says before its body.
pub struct RequestHead {
    /// Behind the text of the request line.
    fields: Fields,
    line: RequestLine,
}

impl RequestHead {
    /// The head with this text, which has been read.
    pub(super) fn of(text: &[u8], line: RequestLine, fields: Vec<Place>) -> Self {
        Self { fields: Fields::of(text, fields), line }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.ascii(&self.line.method)
    }

    /// What is called: a path, and a query if there is one.
    #[must_use]
    pub fn target(&self) -> &str {
        self.ascii(&self.line.target)
    }

    /// The path, without a query.
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _query)| path)
    }

    /// Whether a `?` stands behind the path.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.target().contains('?')
    }

    /// The header fields.
    #[must_use]
    pub const fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether the client speaks HTTP/1.1, and not 1.0.
    #[must_use]
    pub fn is_http_11(&self) -> bool {
        self.line.version == Version::Http11
    }

    fn ascii(&self, range: &Range<usize>) -> &str {
        // as the grammar of the request line has it
        std::str::from_utf8(self.fields.text(range)).unwrap_or_default()
    }
}

impl From<&Parts> for RequestHead {
    fn from(parts: &Parts) -> Self {
        let method = parts.method.as_str();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        let mut fields = Fields::of([method, target].concat().as_bytes(), Vec::new());
        for (name, value) in &parts.headers {
            fields.push(name.as_str(), value.as_bytes());
        }
        let end = method.len().saturating_add(target.len());
        let version = if parts.version == http::Version::HTTP_10 { Version::Http10 } else { Version::Http11 };
        Self { fields, line: RequestLine { method: 0..method.len(), target: method.len()..end, version } }
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

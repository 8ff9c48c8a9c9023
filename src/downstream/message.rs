//! A request's head and a response, as they pass between a connection and whoever handles its requests.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::http1::{Fields, RequestHead, RequestHeadReader};

/// The head that hyper has read, which has been judged before.
pub(super) fn head_of(parts: &Parts) -> Option<RequestHead> {
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let mut text = format!("{} {target} {:?}\r\n", parts.method, parts.version).into_bytes();
    for (name, value) in &parts.headers {
        text.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    RequestHeadReader::default().read(&text).ok().flatten().map(|request| request.head)
}

fn to_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.count());
    for (name, value) in fields.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
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
        *response.headers_mut() = to_map(&reply.fields);
        response
    }
}

//! Which requests are served without hyper: those that nearly all are like.
//!
//! A POST of HTTP/1.1 whose body has a length, and which asks for nothing of the connection. Everything else is hyper's, and so is
//! every head that was refused: this is not a second parser of HTTP. It is given heads that [`super::request_head`] has judged to
//! the letter, and only takes them apart.

use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, HeaderName, TE, TRAILER, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

/// The request that begins with `head`, unless hyper is to read it.
pub(super) fn usual(head: &Bytes) -> Option<Request<()>> {
    let lines = head.strip_prefix(b"\r\n").unwrap_or(head);
    let (request_line, fields) = split_line(lines)?;
    let target = request_line.strip_prefix(b"POST ")?.strip_suffix(b" HTTP/1.1")?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_maybe_shared(head.slice_ref(target)).ok()?;
    *request.headers_mut() = read_fields(head, fields)?;
    Some(request)
}

/// Fields that most requests do not exceed.
const ORDINARY: usize = 10;

fn read_fields(head: &Bytes, mut fields: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(ORDINARY);
    loop {
        let (line, rest) = split_line(fields)?;
        if line.is_empty() {
            return Some(headers);
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = value.get(1..)?.trim_ascii();
        if is_hypers(&name, value) {
            return None;
        }
        headers.append(name, HeaderValue::from_maybe_shared(head.slice_ref(value)).ok()?);
        fields = rest;
    }
}

/// Whether a field asks for what only hyper gives.
fn is_hypers(name: &HeaderName, value: &[u8]) -> bool {
    match *name {
        CONNECTION => !value.eq_ignore_ascii_case(b"keep-alive"),
        EXPECT | TE | TRAILER | UPGRADE => true,
        _ => false,
    }
}

/// The first line without its CRLF, and what follows.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\r')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.strip_prefix(b"\r\n")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &'static str) -> Option<Request<()>> {
        usual(&Bytes::from_static(head.as_bytes()))
    }

    #[test]
    fn a_usual_head_is_taken_apart() {
        let request = read(
            "POST /a?b HTTP/1.1\r\nHost: a\r\nX:\r\nx: \t b c \r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\n",
        );
        let request = request.unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::POST, "/a?b".to_owned()));
        assert_eq!(request.headers()["host"], "a");
        assert_eq!(request.headers().get_all("x").iter().collect::<Vec<_>>(), ["", "b c"]);
        assert_eq!(request.headers().len(), 5);
        assert!(read("\r\nPOST / HTTP/1.1\r\n\r\n").is_some(), "an empty line before it means nothing");
    }

    #[test]
    fn what_is_not_usual_is_left_to_hyper() {
        for head in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
            "post / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nConnection: close\r\n\r\n",
            "POST / HTTP/1.1\r\nConnection: keep-alive, x-a\r\n\r\n",
            "POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            "POST / HTTP/1.1\r\nTE: trailers\r\n\r\n",
            "POST / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            "POST / HTTP/1.1\r\nTrailer: a\r\n\r\n",
        ] {
            assert!(read(head).is_none(), "{head}");
        }
    }
}

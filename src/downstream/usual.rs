//! Which requests are served without hyper: those that nearly all are like.
//!
//! A POST of HTTP/1.1 whose body has a length, and which asks for nothing of the connection. Everything else is hyper's, and so is
//! every head that was refused.

use super::head_line::Version;
use super::message::RequestHead;
use super::request_head::{Framing, Head};

/// What only hyper gives.
const HYPERS: [&str; 4] = ["expect", "te", "trailer", "upgrade"];

/// The request that begins with `text`, and the length of its body, unless hyper is to read it.
pub(super) fn usual(text: &[u8], head: Head) -> Option<(RequestHead, usize)> {
    let Head { length: _, framing: Framing::Length(body), line, fields } = head else { return None };
    if text.get(line.method)? != b"POST" || line.version != Version::Http11 {
        return None;
    }
    let request = RequestHead::of_post(text, line.target, fields);
    let is_kept = |value: &[u8]| value.eq_ignore_ascii_case(b"keep-alive");
    let fields = request.fields();
    let usual = fields.all("connection").all(is_kept) && !HYPERS.iter().any(|name| fields.contain(name));
    usual.then_some((request, usize::try_from(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::request_head::{HeadReader, Progress};
    use super::*;

    fn read(text: &str) -> Option<RequestHead> {
        let Ok(Progress::Complete(head)) = HeadReader::default().read(text.as_bytes()) else { panic!("{text}") };
        usual(text.as_bytes(), head).map(|(request, _)| request)
    }

    #[test]
    fn a_usual_head_is_taken_apart() {
        let head =
            "POST /a?b HTTP/1.1\r\nHost: a\r\nX:\r\nx: \t b c \r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\n";
        for head in [head.to_owned(), format!("\r\n{head}")] {
            let request = read(&head).unwrap();
            assert_eq!((request.method(), request.path(), request.has_query()), ("POST", "/a", true));
            assert_eq!(request.fields().only("host"), Some(&b"a"[..]));
            assert_eq!(request.fields().all("x").collect::<Vec<_>>(), [&b""[..], b"b c"]);
            assert_eq!(request.fields().count(), 5);
        }
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
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            "POST / HTTP/1.1\r\nTE: trailers\r\n\r\n",
            "POST / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            "POST / HTTP/1.1\r\nTrailer: a\r\n\r\n",
        ] {
            assert!(read(head).is_none(), "{head}");
        }
    }
}

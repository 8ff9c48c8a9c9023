//! Which requests are served without hyper: those that nearly all are like.
//!
//! A POST of HTTP/1.1 whose body has a length, and which asks for nothing of the connection. Everything else is hyper's, and so is
//! every head that was refused.

use crate::http1::{Framing, Persistence, ReceivedRequest, RequestHead, Version};

/// What only hyper gives.
const HYPERS: [&str; 4] = ["expect", "te", "trailer", "upgrade"];

/// The request and the length of its body, unless hyper is to read it.
pub(super) fn usual(request: ReceivedRequest) -> Option<(RequestHead, usize)> {
    let ReceivedRequest { head, length: _, framing: Framing::Length(body), expectation: _ } = request else {
        return None;
    };
    if head.method() != "POST" || head.version() != Version::Http11 || head.persistence() == Persistence::Close {
        return None;
    }
    let is_kept = |value: &[u8]| value.eq_ignore_ascii_case(b"keep-alive");
    let fields = head.fields();
    let usual = fields.all("connection").all(is_kept) && !HYPERS.iter().any(|name| fields.contain(name));
    usual.then_some((head, usize::try_from(body).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::RequestHeadReader;

    fn read(text: &str) -> Option<RequestHead> {
        let Ok(Some(request)) = RequestHeadReader::default().read(text.as_bytes()) else { panic!("{text}") };
        usual(request).map(|(head, _)| head)
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

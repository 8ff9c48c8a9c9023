//! CONNECT, as a client of a proxy sends it (RFC 9110 section 9.3.6): the head of the request, and what the proxy's
//! response says.

use http::StatusCode;
use thiserror::Error;
use zeroize::Zeroizing;

use super::fields::Fields;
use super::response_head::{MOST_INFORMATIONAL, NotHttp, Parsed, has_empty_line, parse};

/// The largest head of a proxy's response to CONNECT, in bytes, informational responses before it included. Such a head
/// has a few hundred.
pub const MAX_CONNECT_RESPONSE: usize = 16 * 1024;

/// The schemes of authentication that are told apart (RFC 9110 section 16.4.1 and what proxies use beside it).
const SCHEMES: [&str; 5] = ["Basic", "Digest", "NTLM", "Negotiate", "Bearer"];

/// What a proxy responds to CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectResponse {
    /// The bytes that follow come from the server.
    Open,
    /// There is no tunnel.
    Refused {
        /// The status.
        status: StatusCode,
        /// The schemes in which the proxy asks for authentication, of those that are told apart.
        schemes: Vec<&'static str>,
    },
}

/// The proxy's response to CONNECT is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadConnectResponse {
    /// It is not HTTP/1.1.
    #[error(transparent)]
    NotHttp(#[from] NotHttp),
    /// Its head does not end.
    #[error("its head is longer than {MAX_CONNECT_RESPONSE} bytes")]
    TooLarge,
    /// Informational responses come without end, or one that switches protocols.
    #[error("it sends informational responses that were not asked for")]
    Informational,
    /// In a tunnel for TLS the client speaks first, so these bytes are not the server's.
    #[error("bytes follow its head, although nothing was sent through the tunnel yet")]
    BytesBehindHead,
}

/// The head of a request for a tunnel to `authority`, which is `host:port`. `authorization` is the whole value of
/// `Proxy-Authorization`; nothing else of it is kept outside memory that is wiped.
#[must_use]
pub fn connect_request(authority: &str, user_agent: &str, authorization: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    const CREDENTIALS: &[u8] = b"\r\nproxy-authorization: ";
    let credentials = authorization.map_or([b"".as_slice(), b""], |value| [CREDENTIALS, value]);
    let parts = [
        b"CONNECT ",
        authority.as_bytes(),
        b" HTTP/1.1\r\nhost: ",
        authority.as_bytes(),
        b"\r\nuser-agent: ",
        user_agent.as_bytes(),
        credentials[0],
        credentials[1],
        b"\r\n\r\n",
    ];
    // in one piece from the start: memory that is outgrown is not wiped
    let size = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    let mut head = Zeroizing::new(Vec::with_capacity(size));
    parts.iter().for_each(|part| head.extend_from_slice(part));
    head
}

/// Reads the response to one CONNECT, piece by piece as it is received.
#[derive(Debug, Default)]
pub struct ConnectResponseReader {
    /// Where the head begins that is being read: behind the informational responses.
    start: usize,
    /// How many bytes have been searched without finding the end of that head.
    searched: usize,
    informational: usize,
}

impl ConnectResponseReader {
    /// What the response in `received` says, once its head is complete. `received` is everything that has come, each
    /// time.
    ///
    /// # Errors
    /// [`BadConnectResponse`].
    pub fn read(&mut self, received: &[u8]) -> Result<Option<ConnectResponse>, BadConnectResponse> {
        loop {
            let bytes = received.get(self.start..).unwrap_or_default();
            // the rest of something else need not be waited for
            if !b"HTTP/1.".iter().zip(bytes).all(|(expected, byte)| expected == byte) {
                return Err(NotHttp::Syntax(httparse::Error::Version).into());
            }
            let searched = std::mem::replace(&mut self.searched, received.len()).saturating_sub(self.start);
            let head = if has_empty_line(bytes, searched) { parse(bytes)? } else { None };
            let Some(head) = head else {
                let is_too_large = received.len() >= MAX_CONNECT_RESPONSE;
                return if is_too_large { Err(BadConnectResponse::TooLarge) } else { Ok(None) };
            };
            if !head.status.is_informational() {
                return final_response(&head, bytes.get(head.length..).unwrap_or_default()).map(Some);
            }
            self.informational = self.informational.saturating_add(1);
            if head.status == StatusCode::SWITCHING_PROTOCOLS || self.informational > MOST_INFORMATIONAL {
                return Err(BadConnectResponse::Informational);
            }
            self.start = self.start.saturating_add(head.length);
            self.searched = self.start;
        }
    }
}

/// RFC 9110 section 9.3.6: "any 2xx response" opens the tunnel, and "a client MUST ignore any Content-Length or
/// Transfer-Encoding header fields" of it.
fn final_response(head: &Parsed, rest: &[u8]) -> Result<ConnectResponse, BadConnectResponse> {
    match (head.status.is_success(), rest) {
        (true, []) => Ok(ConnectResponse::Open),
        (true, _) => Err(BadConnectResponse::BytesBehindHead),
        (false, _) => Ok(ConnectResponse::Refused { status: head.status, schemes: schemes(&head.fields) }),
    }
}

/// The schemes of `Proxy-Authenticate`, in our own words: the proxy's text goes no further.
fn schemes(fields: &Fields) -> Vec<&'static str> {
    let values = fields.all("proxy-authenticate").filter_map(|value| std::str::from_utf8(value).ok());
    let first_words = values.flat_map(|value| value.split(',')).filter_map(|part| part.split_whitespace().next());
    let mut found = Vec::new();
    for word in first_words {
        let known = SCHEMES.iter().find(|scheme| scheme.eq_ignore_ascii_case(word));
        found.extend(known.filter(|scheme| !found.contains(*scheme)));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Option<ConnectResponse>, BadConnectResponse> {
        ConnectResponseReader::default().read(text.as_bytes())
    }

    fn refused(status: u16, schemes: &[&'static str]) -> Result<Option<ConnectResponse>, BadConnectResponse> {
        let status = StatusCode::from_u16(status).unwrap();
        Ok(Some(ConnectResponse::Refused { status, schemes: schemes.to_vec() }))
    }

    #[test]
    fn the_request_names_the_endpoint_and_nothing_else_of_a_call() {
        assert_eq!(
            connect_request("sdb.example:443", "countersign/1", None).as_slice(),
            b"CONNECT sdb.example:443 HTTP/1.1\r\nhost: sdb.example:443\r\nuser-agent: countersign/1\r\n\r\n"
        );
        let with = connect_request("[::1]:8443", "c/1", Some(b"Basic dTpw"));
        let expected = "CONNECT [::1]:8443 HTTP/1.1\r\nhost: [::1]:8443\r\nuser-agent: c/1\r\n\
                        proxy-authorization: Basic dTpw\r\n\r\n";
        assert_eq!(with.as_slice(), expected.as_bytes());
        assert_eq!(with.capacity(), with.len(), "it was never moved");
    }

    #[test]
    fn every_2xx_opens_the_tunnel_whatever_length_it_claims() {
        for head in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 200 Connection established\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(read(head), Ok(Some(ConnectResponse::Open)), "{head}");
            let mut reader = ConnectResponseReader::default();
            for end in 0..head.len() {
                assert_eq!(reader.read(&head.as_bytes()[..end]), Ok(None), "{}", &head[..end]);
            }
            assert_eq!(reader.read(head.as_bytes()), Ok(Some(ConnectResponse::Open)));
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_status_and_the_schemes_it_asks_for() {
        assert_eq!(read("HTTP/1.1 503 Service Unavailable\r\n\r\n<html>"), refused(503, &[]));
        assert_eq!(read("HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\n\r\n"), refused(301, &[]));
        let fields =
            "Proxy-Authenticate: NTLM\r\nproxy-authenticate: basic realm=\"a, Digest\", Digest nonce=\"x\"\r\n";
        let answer = format!("HTTP/1.1 407 Proxy Authentication Required\r\n{fields}\r\n");
        assert_eq!(read(&answer), refused(407, &["NTLM", "Basic", "Digest"]));
        assert_eq!(read("HTTP/1.1 407 x\r\nProxy-Authenticate: <script>\r\n\r\n"), refused(407, &[]));
    }

    #[test]
    fn bytes_behind_the_head_of_a_tunnel_are_a_fault() {
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"), Err(BadConnectResponse::BytesBehindHead));
        assert_eq!(read("HTTP/1.1 200 OK\r\n\r\n\r\n"), Err(BadConnectResponse::BytesBehindHead));
    }

    #[test]
    fn what_is_not_http_is_refused_at_its_first_byte() {
        for text in
            ["S", "\x15\x03\x01\x00\x02", "HTTP/2 200\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\r\nHTTP/1.1 200 OK\r\n"]
        {
            assert!(matches!(read(text), Err(BadConnectResponse::NotHttp(_))), "{text:?}");
        }
        for text in ["HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.9 200 OK\r\n\r\n"] {
            assert!(matches!(read(text), Err(BadConnectResponse::NotHttp(_))), "{text:?}");
        }
    }

    #[test]
    fn an_endless_head_is_given_up() {
        let mut endless = "HTTP/1.1 200 OK\r\n".to_owned();
        while endless.len() < MAX_CONNECT_RESPONSE {
            endless.push_str("x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        }
        let one_less = &endless[..MAX_CONNECT_RESPONSE - 1];
        assert_eq!(read(one_less), Ok(None));
        assert_eq!(read(&endless), Err(BadConnectResponse::TooLarge));
    }

    proptest! {
        #[test]
        fn what_a_response_says_does_not_depend_on_how_it_is_cut(
            tail in concat!(
                r"(HTTP/1\.[01] (100|200|407|503)( OK)?\r\n|Proxy-Authenticate: Basic\r\n|[a-z: ]{0,9}|",
                r"\r|\n|\r\n){0,9}"
            ),
            arbitrary in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            for bytes in [tail.into_bytes(), arbitrary] {
                let mut reader = ConnectResponseReader::default();
                let ends = 0..=bytes.len();
                let by_bytes = ends.map(|end| (end, reader.read(&bytes[..end]))).find(|(_, read)| *read != Ok(None));
                if let Some((end, read)) = by_bytes {
                    prop_assert_eq!(ConnectResponseReader::default().read(&bytes[..end]), read);
                } else {
                    prop_assert_eq!(ConnectResponseReader::default().read(&bytes), Ok(None));
                }
            }
        }
    }

    #[test]
    fn informational_responses_come_to_an_end() {
        let many = "HTTP/1.1 100 Continue\r\n\r\n".repeat(MOST_INFORMATIONAL + 1);
        assert_eq!(read(&many), Err(BadConnectResponse::Informational));
        assert_eq!(read("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(BadConnectResponse::Informational));
    }
}

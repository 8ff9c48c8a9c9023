//! The head of the requests to one endpoint, which is written here and nowhere else.

use http::{HeaderValue, Uri};

use super::fields::Fields;

/// The type of every form that is sent. A dialect that signs fields of the head signs it too.
pub const FORM_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// The head of every request to one endpoint: they differ in their length and in the fields that a route passes on.
pub struct RequestTemplate {
    before_length: Vec<u8>,
    behind_length: Vec<u8>,
    /// The line that says which program this is, unless the client's own is passed on.
    user_agent: Vec<u8>,
}

impl RequestTemplate {
    /// For form POSTs to `path` at `host`, sent by the proxy `via`, a program called `user_agent`. `None` when one of
    /// them is not allowed in a head.
    #[must_use]
    pub fn new(host: &str, path: &str, via: &str, user_agent: &str) -> Option<Self> {
        let user_agent = HeaderValue::from_str(user_agent).ok()?;
        let (host, via) = (HeaderValue::from_str(host).ok()?, HeaderValue::from_str(via).ok()?);
        let path = Uri::try_from(path).ok()?;
        let request_line = format!("POST {path} HTTP/1.1\r\nhost: ");
        let before_length = [
            request_line.as_bytes(),
            host.as_bytes(),
            b"\r\ncontent-type: ",
            FORM_TYPE.as_bytes(),
            b"\r\ncontent-length: ",
        ];
        let behind_length = [b"\r\nvia: ", via.as_bytes(), b"\r\n"].concat();
        let user_agent = [b"user-agent: ", user_agent.as_bytes(), b"\r\n"].concat();
        Some(Self { before_length: before_length.concat(), behind_length, user_agent })
    }

    /// The head before a body of `length` bytes, with memory for `more` bytes after it: what the signer wrote into it,
    /// then what the route passes on.
    #[must_use]
    pub fn head<'s>(
        &self,
        length: usize,
        more: usize,
        signed: impl Iterator<Item = (&'static str, &'s [u8])> + Clone,
        forwarded: &Fields,
    ) -> Vec<u8> {
        const LENGTH_AND_END: usize = 24;
        let fields = signed.map(|(name, value)| (name.as_bytes(), value)).chain(forwarded.iter());
        let lengths = fields.clone().map(|(name, value)| [name.len(), value.len(), b": \r\n".len()]);
        let sizes = [self.before_length.len(), self.behind_length.len(), self.user_agent.len(), LENGTH_AND_END, more];
        let size = lengths.flatten().chain(sizes).fold(0, usize::saturating_add);

        let mut head = Vec::with_capacity(size);
        head.extend_from_slice(&self.before_length);
        head.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
        head.extend_from_slice(&self.behind_length);
        if !forwarded.contain("user-agent") {
            head.extend_from_slice(&self.user_agent);
        }
        for (name, value) in fields {
            for part in [name, b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_or_path_that_would_break_the_head_is_refused() {
        for (host, path) in [("a\r\nb", "/"), ("a", "/ b"), ("a", "/\r\n"), ("a", "")] {
            assert!(RequestTemplate::new(host, path, "1.1 a", "a/1").is_none(), "{host:?} {path:?}");
        }
    }
}

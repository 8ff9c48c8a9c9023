//! The endpoint's own ID of a request, for questions to the endpoint's operator.

/// An ID that an endpoint gave: short, printable ASCII without quotes. Kept in place, since every exchange has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndpointRequestId {
    text: [u8; Self::LONGEST],
    length: usize,
}

impl EndpointRequestId {
    /// The longest ID that is kept. AWS and OpenStack use UUIDs, OpenStack with four letters before.
    const LONGEST: usize = 64;

    /// Takes an ID, unless it is empty, too long, or has characters that no ID needs.
    #[must_use]
    pub(crate) fn new(id: &[u8]) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=~".contains(byte);
        let mut text = [0; Self::LONGEST];
        text.get_mut(..id.len()).filter(|_| !id.is_empty() && id.iter().all(is_plain))?.copy_from_slice(id);
        Some(Self { text, length: id.len() })
    }

    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        // never empty in fact: the bytes are ASCII
        self.text.get(..self.length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_as_it_is_or_not_at_all() {
        for id in ["req-3f5c2a1e-5d0b-4c58-9c3a-0c3f6a0c1b2d", "656c76696e6727", "a/b+c=", &"x".repeat(64)] {
            assert_eq!(EndpointRequestId::new(id.as_bytes()).unwrap().as_str(), id);
        }
        for id in ["", "a b", "a\nb", "a\"b", "a<b", "é", &"x".repeat(65)] {
            assert_eq!(EndpointRequestId::new(id.as_bytes()), None, "{id}");
        }
    }
}

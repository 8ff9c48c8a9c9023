//! Which bytes are allowed where in a head: RFC 9110 section 5, RFC 9112 section 3 and RFC 3986.

/// A set of bytes, as a bit of [`CLASSES`].
#[derive(Clone, Copy)]
pub(super) struct ByteClass(u8);

/// RFC 9110 section 5.6.2: what methods and field names consist of.
pub(super) const TOKEN: ByteClass = ByteClass(1);
/// RFC 3986: `pchar`, `/` and `?`.
pub(super) const PATH: ByteClass = ByteClass(2);
/// The characters of host names and IPv4 addresses, a part of what RFC 3986 section 3.2.2 allows.
pub(super) const HOST: ByteClass = ByteClass(8);
/// Visible ASCII.
pub(super) const GRAPHIC: ByteClass = ByteClass(4);

/// The classes of each byte.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // the compiler computes it, and checks
    while byte < classes.len() {
        let character = byte as u8;
        if character.is_ascii_alphanumeric() {
            classes[byte] = TOKEN.0 | PATH.0 | HOST.0;
        }
        if character.is_ascii_graphic() {
            classes[byte] |= GRAPHIC.0;
        }
        byte += 1;
    }
    let more: [(&[u8], u8); 3] = [(b"!#$%&'*+-.^_`|~", TOKEN.0), (b"/-._~%!$&'()*+,;=:@?", PATH.0), (b"-._", HOST.0)];
    let mut class = 0;
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // as above
    while class < more.len() {
        let mut at = 0;
        while at < more[class].0.len() {
            classes[more[class].0[at] as usize] |= more[class].1;
            at += 1;
        }
        class += 1;
    }
    classes
};

impl ByteClass {
    pub(super) fn has(self, byte: &u8) -> bool {
        CLASSES.get(usize::from(*byte)).is_some_and(|classes| classes & self.0 != 0)
    }

    /// The leading bytes of this class, and the rest.
    pub(super) fn split(self, bytes: &[u8]) -> (&[u8], &[u8]) {
        bytes.split_at_checked(self.count(bytes)).unwrap_or((bytes, &[]))
    }

    /// How many leading bytes are of this class. Not inlined: on its own, the loop is half as long as where it is used.
    #[inline(never)]
    fn count(self, bytes: &[u8]) -> usize {
        bytes.iter().position(|byte| !self.has(byte)).unwrap_or(bytes.len())
    }
}

/// Whether a field's value may have this byte: RFC 9110 section 5.5, the obsolete bytes beyond ASCII included.
pub(super) const fn is_value_byte(byte: &u8) -> bool {
    (*byte == b'\t') | ((*byte >= b' ') & (*byte != 0x7f))
}

/// Whether a field's value may be this. Every byte is looked at, without an early return, so that the compiler can look
/// at sixteen at once.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |good, byte| good & is_value_byte(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_length_are_looked_at_to_their_last_byte() {
        for length in 0..40 {
            let value = vec![b'a'; length];
            assert!(is_value(&value), "{length}");
            for (at, bad) in (0..length).flat_map(|at| [b'\n', b'\r', 0, 0x7f].map(|bad| (at, bad))) {
                let mut other = value.clone();
                other[at] = bad;
                assert!(!is_value(&other), "{length}, {at}");
            }
        }
    }

    #[test]
    fn classes_are_those_of_the_specifications() {
        for byte in 0..=u8::MAX {
            let character = char::from(byte);
            let letter = byte.is_ascii_alphanumeric();
            assert_eq!(TOKEN.has(&byte), letter || "!#$%&'*+-.^_`|~".contains(character), "{character:?}");
            assert_eq!(PATH.has(&byte), letter || "-._~%!$&'()*+,;=:@/?".contains(character), "{character:?}");
            assert_eq!(GRAPHIC.has(&byte), byte.is_ascii_graphic(), "{character:?}");
        }
    }
}

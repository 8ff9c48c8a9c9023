//! As much of DER as certificates need: elements one after the other.

/// An element: its tag and its contents.
pub(crate) type Element<'a> = (u8, &'a [u8]);

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Takes the first element off `rest`. `None` when there is none, or when its length is not as DER writes it.
pub(crate) fn take<'a>(rest: &mut &'a [u8]) -> Option<Element<'a>> {
    let (&tag, behind) = rest.split_first()?;
    // tags of more than one byte occur in no certificate
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, behind) = behind.split_first()?;
    let (length, behind) = if first < 0x80 {
        (usize::from(first), behind)
    } else {
        // X.690 section 8.1.3.5; three bytes are more than a TLS handshake carries
        let count = usize::from(first & 0x7f);
        let (bytes, behind) = behind.split_at_checked(count).filter(|_| (1..=3).contains(&count))?;
        (bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), behind)
    };
    let (contents, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some((tag, contents))
}

/// Takes the first element off `rest`, which must have this tag, and returns its contents.
pub(crate) fn take_tagged<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    take(rest).filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
}

/// All elements of `contents`. `None` if what lies behind the last is not an element.
pub(crate) fn all(mut contents: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while !contents.is_empty() {
        elements.push(take(&mut contents)?);
    }
    Some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_each_of_their_forms() {
        let long = [&[0x04, 0x81, 0x80][..], &[7; 128]].concat();
        for (bytes, length) in [(&[0x04, 0x00][..], 0), (&[0x04, 0x01, 7], 1), (&long, 128)] {
            let mut rest = bytes;
            assert_eq!(take(&mut rest).map(|(tag, contents)| (tag, contents.len())), Some((0x04, length)));
            assert!(rest.is_empty());
        }
        for cut in [&[][..], &[0x04], &[0x04, 0x02, 7], &[0x04, 0x80], &[0x04, 0x84, 0, 0, 0, 0], &[0x1f, 0x01, 7]] {
            assert_eq!(take(&mut &*cut), None, "{cut:?}");
        }
    }
}

//! As much of DER as the names in a certificate need: elements one after the other, and the way to an extension.

/// An element: its tag and its contents.
pub(super) type Element<'a> = (u8, &'a [u8]);

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `version` and `extensions` of a certificate, RFC 5280 section 4.1.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

/// Takes the first element off `rest`. `None` when there is none, or when its length is not as DER writes it.
pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<Element<'a>> {
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
pub(super) fn take_tagged<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    take(rest).filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
}

/// All elements of `contents`. `None` if what lies behind the last is not an element.
pub(super) fn all(mut contents: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while !contents.is_empty() {
        elements.push(take(&mut contents)?);
    }
    Some(elements)
}

/// What countersign shows and reads of a certificate.
pub(super) struct Parts<'a> {
    pub(super) serial: &'a [u8],
    /// The contents of `subject`.
    pub(super) subject: &'a [u8],
    /// The contents of the subject alternative names; empty without that extension.
    pub(super) alternative_names: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Finds the parts in a whole certificate, whoever signed it.
    pub(super) fn of(mut certificate: &'a [u8]) -> Option<Self> {
        let mut certificate = take_tagged(&mut certificate, SEQUENCE)?;
        let mut fields = take_tagged(&mut certificate, SEQUENCE)?;
        let mut first = take(&mut fields)?;
        if first.0 == VERSION {
            first = take(&mut fields)?;
        }
        let (INTEGER, serial) = first else { return None };
        let [_signature, _issuer, _validity] = [take(&mut fields)?, take(&mut fields)?, take(&mut fields)?];
        let subject = take_tagged(&mut fields, SEQUENCE)?;
        let mut alternative_names: &[u8] = &[];
        for (tag, contents) in all(fields)? {
            if tag == EXTENSIONS {
                alternative_names = alternative_names_in(contents)?;
            }
        }
        Some(Self { serial, subject, alternative_names })
    }
}

/// The subject alternative names among extensions; empty if there are none.
fn alternative_names_in(mut contents: &[u8]) -> Option<&[u8]> {
    /// 2.5.29.17
    const SUBJECT_ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
    for (tag, mut extension) in all(take_tagged(&mut contents, SEQUENCE)?)? {
        if tag != SEQUENCE {
            return None;
        }
        if take_tagged(&mut extension, OBJECT_IDENTIFIER)? == SUBJECT_ALTERNATIVE_NAMES {
            // a flag may stand between: whether the extension is critical
            let (_, mut value) = all(extension)?.into_iter().find(|(tag, _)| *tag == OCTET_STRING)?;
            return take_tagged(&mut value, SEQUENCE);
        }
    }
    Some(&[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        /// A stranger chooses every byte of the certificate that is described in the log.
        #[test]
        fn no_bytes_cause_a_panic(bytes in any::<Vec<u8>>(), place in 0_usize..400, byte in any::<u8>()) {
            let _any = Parts::of(&bytes).is_some();
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let mut certificate = params.self_signed(&key).unwrap().der().to_vec();
            prop_assert!(Parts::of(&certificate).is_some_and(|parts| !parts.alternative_names.is_empty()));
            if let Some(changed) = certificate.get_mut(place) {
                *changed = byte;
            }
            let _any = Parts::of(&certificate).is_some();
        }
    }
}

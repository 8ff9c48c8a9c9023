//! The parts of a certificate, RFC 5280 section 4.1, whoever signed it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::der::{
    BIT_STRING, BOOLEAN, Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, all, take, take_tagged,
};

/// `version` and `extensions` of a certificate, RFC 5280 section 4.1.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// 2.5.29.17
const SUBJECT_ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
/// 2.5.29.19
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// 2.5.29.37
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// What countersign shows and reads of a certificate.
pub(crate) struct Parts<'a> {
    version: Option<&'a [u8]>,
    pub(crate) serial: &'a [u8],
    /// The object identifier of the algorithm that the certificate is signed with.
    pub(crate) signature_algorithm: &'a [u8],
    /// The contents of `issuer`.
    pub(crate) issuer: &'a [u8],
    validity: &'a [u8],
    /// The contents of `subject`.
    pub(crate) subject: &'a [u8],
    /// The contents of `subjectPublicKeyInfo`.
    key: &'a [u8],
    /// The contents of the subject alternative names; empty without that extension.
    pub(crate) alternative_names: &'a [u8],
    basic_constraints: Option<&'a [u8]>,
    /// The purposes that the key is for, as object identifiers; `None` without that extension: any.
    purposes: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Finds the parts in a whole certificate.
    pub(crate) fn of(mut certificate: &'a [u8]) -> Option<Self> {
        let mut certificate = take_tagged(&mut certificate, SEQUENCE)?;
        let mut fields = take_tagged(&mut certificate, SEQUENCE)?;
        let mut first = take(&mut fields)?;
        let mut version = None;
        if first.0 == VERSION {
            version = Some(first.1);
            first = take(&mut fields)?;
        }
        let (INTEGER, serial) = first else { return None };
        let mut signature = take_tagged(&mut fields, SEQUENCE)?;
        let issuer = take_tagged(&mut fields, SEQUENCE)?;
        let validity = take_tagged(&mut fields, SEQUENCE)?;
        let subject = take_tagged(&mut fields, SEQUENCE)?;
        let key = take_tagged(&mut fields, SEQUENCE)?;
        let mut extensions = Vec::new();
        for (tag, contents) in all(fields)? {
            if tag == EXTENSIONS {
                extensions = extensions_in(contents)?;
            }
        }
        let extension =
            |wanted| extensions.iter().find(|(identifier, _)| *identifier == wanted).map(|(_, value)| *value);
        let sequence_in = |mut value: &'a [u8]| take_tagged(&mut value, SEQUENCE);
        Some(Self {
            version,
            serial,
            signature_algorithm: take_tagged(&mut signature, OBJECT_IDENTIFIER)?,
            issuer,
            validity,
            subject,
            key,
            alternative_names: extension(SUBJECT_ALTERNATIVE_NAMES).map_or(Some(&[][..]), sequence_in)?,
            basic_constraints: extension(BASIC_CONSTRAINTS),
            purposes: extension(EXTENDED_KEY_USAGE),
        })
    }

    /// Whether it is of version 3, the only one that has extensions.
    pub(crate) fn is_version_3(&self) -> bool {
        self.version.is_some_and(|mut version| take_tagged(&mut version, INTEGER) == Some(&[2]))
    }

    /// Whether it says that it is an authority, which may sign others: `CA:TRUE` in its basic constraints.
    pub(crate) fn is_authority(&self) -> bool {
        let constraints = self.basic_constraints.and_then(|mut value| take_tagged(&mut value, SEQUENCE));
        let flag = constraints.and_then(|mut constraints| take_tagged(&mut constraints, BOOLEAN));
        self.is_version_3() && flag == Some(&[0xff])
    }

    /// Whether its issuer has its own name: it may have signed itself.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether its key may be used for `purpose`, an object identifier.
    pub(crate) fn is_for(&self, purpose: &[u8]) -> bool {
        let Some(mut value) = self.purposes else { return true };
        let listed = take_tagged(&mut value, SEQUENCE).and_then(all).unwrap_or_default();
        listed.contains(&(OBJECT_IDENTIFIER, purpose))
    }

    /// How many bits the modulus of an RSA key has; `None` for keys of another kind.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        let mut key = self.key;
        let mut algorithm = take_tagged(&mut key, SEQUENCE)?;
        let mut bits = take_tagged(&mut key, BIT_STRING)
            .filter(|_| take_tagged(&mut algorithm, OBJECT_IDENTIFIER) == Some(RSA))?
            .split_first()?
            .1;
        let modulus = take_tagged(&mut bits, SEQUENCE).and_then(|mut numbers| take_tagged(&mut numbers, INTEGER))?;
        let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
        let first = modulus.iter().find(|byte| **byte != 0)?;
        significant.checked_mul(8)?.checked_sub(usize::try_from(first.leading_zeros()).ok()?)
    }

    /// From when it is valid.
    pub(crate) fn not_before(&self) -> Option<Timestamp> {
        time(all(self.validity)?.first()?)
    }

    /// Until when it is valid.
    pub(crate) fn not_after(&self) -> Option<Timestamp> {
        time(all(self.validity)?.get(1)?)
    }
}

/// The identifier and the value of each extension.
fn extensions_in(mut contents: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut found = Vec::new();
    for (tag, mut extension) in all(take_tagged(&mut contents, SEQUENCE)?)? {
        let identifier = take_tagged(&mut extension, OBJECT_IDENTIFIER).filter(|_| tag == SEQUENCE)?;
        // a flag may stand between: whether the extension is critical
        let (_, value) = all(extension)?.into_iter().find(|(tag, _)| *tag == OCTET_STRING)?;
        found.push((identifier, value));
    }
    Some(found)
}

/// A point in time, RFC 5280 section 4.1.2.5: `UTCTime` until 2049, then `GeneralizedTime`, always in UTC.
pub(super) fn time((tag, digits): &Element<'_>) -> Option<Timestamp> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let text = std::str::from_utf8(digits).ok()?;
    let (century, text) = match (*tag, text.get(..2)?) {
        (UTC_TIME, year) => (if year < "50" { "20" } else { "19" }, text),
        (GENERALIZED_TIME, century) => (century, text.get(2..)?),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", format!("{century}{text}")).ok()?;
    // 99991231235959Z, "no well-defined expiration date", is beyond what a `Timestamp` can be
    Some(Offset::UTC.to_timestamp(time).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd};

    use super::*;

    /// 1.3.6.1.5.5.7.3.1
    const SERVER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn an_authority_is_what_says_so() {
        let is_authority = |is_ca| Parts::of(&certificate(|params| params.is_ca = is_ca)).unwrap().is_authority();
        assert!(is_authority(IsCa::Ca(BasicConstraints::Unconstrained)));
        assert!(is_authority(IsCa::Ca(BasicConstraints::Constrained(0))));
        assert!(!is_authority(IsCa::ExplicitNoCa));
        assert!(!is_authority(IsCa::NoCa));
    }

    #[test]
    fn a_certificate_without_purposes_is_for_any_and_with_them_for_these() {
        let is_for_servers = |purposes: &[ExtendedKeyUsagePurpose]| {
            let der = certificate(|params| params.extended_key_usages = purposes.to_vec());
            Parts::of(&der).unwrap().is_for(SERVER)
        };
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        assert!(is_for_servers(&[]));
        assert!(is_for_servers(&[ClientAuth, ServerAuth]));
        assert!(!is_for_servers(&[ClientAuth]));
    }

    #[test]
    fn the_times_of_a_certificate_are_read_in_both_of_their_forms() {
        let der = certificate(|params| {
            params.not_before = date_time_ymd(1999, 12, 31);
            params.not_after = date_time_ymd(2050, 1, 2);
        });
        let parts = Parts::of(&der).unwrap();
        assert_eq!(parts.not_before().unwrap().to_string(), "1999-12-31T00:00:00Z");
        assert_eq!(parts.not_after().unwrap().to_string(), "2050-01-02T00:00:00Z");
        assert_eq!(time(&(0x18, b"99991231235959Z")), Some(Timestamp::MAX));
        for bad in [(0x17, "500101000000"), (0x17, "501301000000Z"), (0x18, "x"), (0x02, "500101000000Z"), (0x17, "")] {
            assert_eq!(time(&(bad.0, bad.1.as_bytes())), None, "{bad:?}");
        }
    }

    #[test]
    fn the_version_the_issuer_and_the_kind_of_key_are_told() {
        let der = certificate(|_| {});
        let parts = Parts::of(&der).unwrap();
        assert!(parts.is_version_3() && parts.is_self_issued() && parts.rsa_bits().is_none());
    }

    proptest! {
        /// A stranger chooses every byte of the certificate that is described in the log.
        #[test]
        fn no_bytes_cause_a_panic(bytes in any::<Vec<u8>>(), place in 0_usize..400, byte in any::<u8>()) {
            fn read(der: &[u8]) {
                if let Some(parts) = Parts::of(der) {
                    let _any = (parts.is_authority(), parts.is_for(SERVER), parts.rsa_bits());
                    let _any = (parts.not_before(), parts.not_after());
                }
            }
            read(&bytes);
            let mut der = certificate(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)));
            prop_assert!(Parts::of(&der).is_some_and(|parts| !parts.alternative_names.is_empty()));
            if let Some(changed) = der.get_mut(place) {
                *changed = byte;
            }
            read(&der);
        }
    }
}

//! When a certificate or a revocation list holds.

use jiff::Timestamp;

use super::der::{self, INTEGER, SEQUENCE};
use super::parts::{Parts, time};

/// The time in which a document holds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    /// `notBefore`, or `thisUpdate`.
    pub(crate) begins: Timestamp,
    /// `notAfter`, or `nextUpdate`.
    pub(crate) ends: Timestamp,
}

/// Where a moment lies in a [`Validity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has not begun.
    NotYet,
    /// It holds.
    Valid,
    /// It has ended.
    Ended,
}

impl Validity {
    /// That of a certificate. `None` when it cannot be read.
    #[must_use]
    pub(crate) fn of_certificate(certificate: &[u8]) -> Option<Self> {
        let parts = Parts::of(certificate)?;
        Some(Self { begins: parts.not_before()?, ends: parts.not_after()? })
    }

    /// That of a revocation list, RFC 5280 section 5.1. `None` when it cannot be read, or does not say when it ends.
    #[must_use]
    pub(crate) fn of_revocation_list(mut list: &[u8]) -> Option<Self> {
        let mut list = der::take_tagged(&mut list, SEQUENCE)?;
        let mut fields = der::take_tagged(&mut list, SEQUENCE)?;
        let mut first = der::take(&mut fields)?;
        if first.0 == INTEGER {
            first = der::take(&mut fields)?;
        }
        let (SEQUENCE, _signature) = first else { return None };
        let _issuer = der::take_tagged(&mut fields, SEQUENCE)?;
        Some(Self { begins: time(&der::take(&mut fields)?)?, ends: time(&der::take(&mut fields)?)? })
    }

    /// The time in which both hold.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self { begins: self.begins.max(other.begins), ends: self.ends.min(other.ends) }
    }

    /// Where `now` lies.
    #[must_use]
    pub(crate) fn at(self, now: Timestamp) -> Standing {
        if now < self.begins {
            Standing::NotYet
        } else if now > self.ends {
            Standing::Ended
        } else {
            Standing::Valid
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_certificate_and_a_list_hold_from_their_beginning_to_their_end() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 2), rcgen::date_time_ymd(2051, 3, 4));
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let validity = Validity::of_certificate(made.der()).unwrap();
        assert_eq!(validity, Validity { begins: at("2026-01-02T00:00:00Z"), ends: at("2051-03-04T00:00:00Z") });
        assert_eq!(validity.at(at("2026-01-01T23:59:59Z")), Standing::NotYet);
        assert_eq!([validity.begins, validity.ends].map(|time| validity.at(time)), [Standing::Valid; 2]);
        assert_eq!(validity.at(at("2051-03-04T00:00:01Z")), Standing::Ended);

        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 1, 2),
            next_update: rcgen::date_time_ymd(2026, 1, 9),
            crl_number: rcgen::SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&rcgen::Issuer::new(params, key)).unwrap();
        let validity = Validity::of_revocation_list(list.der()).unwrap();
        assert_eq!(validity.ends, at("2026-01-09T00:00:00Z"));
        assert_eq!(Validity::of_certificate(list.der()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes in any::<Vec<u8>>(), tag in any::<u8>()) {
            let _any = (Validity::of_certificate(&bytes), Validity::of_revocation_list(&bytes), time(&(tag, &bytes)));
        }
    }
}

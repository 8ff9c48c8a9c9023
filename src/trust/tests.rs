//! What is trusted and what is not, beyond authorities and what they sign: attacks on certificates that stand for
//! themselves.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::verifier::Verifier;
use super::{Anchors, provider, server_name};

const NAME: &str = "heat.example";

/// Somebody with a key, and what their certificates say.
struct Holder {
    key: KeyPair,
    params: CertificateParams,
}

impl Holder {
    fn new(is_ca: IsCa) -> Self {
        let mut params = CertificateParams::new(vec![NAME.to_owned(), "192.0.2.1".to_owned()]).unwrap();
        params.is_ca = is_ca;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
        Self { key: KeyPair::generate().unwrap(), params }
    }

    fn own() -> Self {
        Self::new(IsCa::ExplicitNoCa)
    }

    fn authority() -> Self {
        Self::new(IsCa::Ca(BasicConstraints::Unconstrained))
    }

    fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    /// Every call makes another certificate for the same key.
    fn self_signed(&self) -> CertificateDer<'static> {
        self.params.self_signed(&self.key).unwrap().der().clone()
    }

    /// Signs a certificate for the same name, whether it may or not.
    fn signs(&self, other: &Self) -> CertificateDer<'static> {
        let issuer = Issuer::from_params(&self.params, &self.key);
        other.params.signed_by(&other.key, &issuer).unwrap().der().clone()
    }
}

/// In the year `year`, with `trusted` in the file, a server presents `chain`. Empty when it is trusted.
fn in_year(year: i64, trusted: &[&CertificateDer<'static>], chain: &[&CertificateDer<'static>], name: &str) -> String {
    let anchors = Anchors::usable(trusted.iter().map(|certificate| (*certificate).clone()));
    let verifier = Verifier::new(Arc::new(anchors), Vec::new(), &provider());
    let chain: Vec<_> = chain.iter().map(|certificate| (*certificate).clone()).collect();
    let since_epoch = jiff::civil::date(i16::try_from(year).unwrap(), 6, 1).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    let seconds = u64::try_from(since_epoch.timestamp().as_second()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let verdict = verifier.verify_server_cert(&chain[0], &chain[1..], &server_name(name).unwrap(), &[], now);
    match verdict {
        Ok(_) => String::new(),
        Err(error) => super::told(std::io::Error::other(error)).to_string(),
    }
}

fn verdict(trusted: &[&CertificateDer<'static>], chain: &[&CertificateDer<'static>]) -> String {
    in_year(2025, trusted, chain, NAME)
}

#[test]
fn a_certificate_that_stands_in_the_file_is_trusted_for_itself_authority_or_not() {
    for holder in [Holder::own(), Holder::authority(), Holder::new(IsCa::NoCa)] {
        let own = holder.self_signed();
        assert_eq!(verdict(&[&own], &[&own]), "");
        assert_eq!(in_year(2025, &[&own], &[&own], "192.0.2.1"), "");
        let stranger = Holder::own().self_signed();
        assert_eq!(verdict(&[&stranger, &own], &[&own, &stranger]), "", "what stands beside it changes nothing");
    }
}

#[test]
fn a_certificate_is_trusted_for_itself_whoever_signed_it() {
    let (authority, server) = (Holder::authority(), Holder::own());
    let signed = authority.signs(&server);
    assert_eq!(verdict(&[&signed], &[&signed]), "");
    assert_eq!(verdict(&[&signed], &[&signed, &authority.self_signed()]), "");
    let expired = Holder { key: authority.key, params: authority.params }.with(|params| {
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    assert_eq!(verdict(&[&signed], &[&signed, &expired.self_signed()]), "", "who signed it does not count");
    let other = expired.signs(&Holder::own());
    assert!(verdict(&[&signed], &[&other]).contains("UnknownIssuer"), "its issuer is not trusted with it");
}

#[test]
fn a_certificate_that_is_trusted_for_itself_is_for_its_names_only() {
    for holder in [Holder::own(), Holder::authority()] {
        let own = holder.self_signed();
        for name in ["sdb.example", "a.heat.example", "192.0.2.2"] {
            let refused = in_year(2025, &[&own], &[&own], name);
            assert!(refused.contains("not valid for name"), "{name}: {refused}");
        }
    }
}

#[test]
fn a_certificate_that_is_trusted_for_itself_is_so_in_its_time_only() {
    for holder in [Holder::own(), Holder::authority()] {
        let own = holder.self_signed();
        assert!(in_year(2031, &[&own], &[&own], NAME).contains("expired"));
        assert!(in_year(2019, &[&own], &[&own], NAME).contains("not valid yet"));
    }
}

#[test]
fn a_certificate_for_clients_is_not_taken_from_a_server() {
    for holder in [Holder::own(), Holder::authority()] {
        let for_clients = holder.with(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
        let own = for_clients.self_signed();
        let refused = verdict(&[&own], &[&own]);
        assert!(refused.contains("InvalidPurpose") || refused.contains("extended key usage"), "{refused}");
    }
}

#[test]
fn what_is_no_authority_signs_nothing() {
    for pinned in [Holder::own(), Holder::new(IsCa::NoCa)] {
        let (own, signed) = (pinned.self_signed(), pinned.signs(&Holder::own()));
        for chain in [&[&signed][..], &[&signed, &own]] {
            let refused = verdict(&[&own], chain);
            assert!(!refused.is_empty());
            let alone = verdict(&[&own], &[&signed]);
            assert!(alone.contains("UnknownIssuer"), "{alone}");
        }
    }
}

#[test]
fn an_authority_below_what_is_no_authority_signs_nothing_either() {
    let (pinned, below) = (Holder::own(), Holder::authority());
    let (own, intermediate) = (pinned.self_signed(), pinned.signs(&below));
    let signed = below.signs(&Holder::own());
    assert!(!verdict(&[&own], &[&signed, &intermediate]).is_empty());
    assert!(!verdict(&[&own], &[&signed, &intermediate, &own]).is_empty());
}

#[test]
fn another_certificate_for_the_same_key_is_not_the_one_that_is_trusted() {
    let holder = Holder::own();
    let own = holder.self_signed();
    let renewed = holder.with(|params| params.not_after = date_time_ymd(2040, 1, 1)).self_signed();
    assert_ne!(own, renewed);
    let refused = verdict(&[&own], &[&renewed]);
    assert!(refused.contains("UnknownIssuer; it is signed by itself: if it is the endpoint's own"), "{refused}");
    let mut changed = own.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert!(!verdict(&[&own], &[&CertificateDer::from(changed)]).is_empty());
}

#[test]
fn a_certificate_that_is_trusted_as_an_intermediate_is_not_a_pass_for_others() {
    let (own, stranger) = (Holder::own().self_signed(), Holder::own().self_signed());
    assert!(!verdict(&[&own], &[&stranger, &own]).is_empty());
}

#[test]
fn what_an_authority_signs_is_trusted_as_before_and_names_what_is_missing() {
    let authority = Holder::authority();
    let root = authority.self_signed();
    assert_eq!(verdict(&[&root], &[&authority.signs(&Holder::own())]), "");
    let nameless = Holder::own().with(|params| params.subject_alt_names.clear());
    let refused = verdict(&[&root], &[&authority.signs(&nameless)]);
    assert!(refused.contains("has no subjectAltName, and CN is not read: `openssl req -x509 -addext"), "{refused}");
    assert!(verdict(&[&root], &[&nameless.self_signed()]).contains("has no subjectAltName"));
}

#[test]
fn anchors_are_equal_when_they_trust_the_same() {
    let [one, other] = [Holder::own(), Holder::own()].map(|holder| holder.self_signed());
    let anchors = |trusted: &[&CertificateDer<'static>]| {
        Anchors::usable(trusted.iter().map(|certificate| (*certificate).clone()))
    };
    assert_eq!(anchors(&[&one]), anchors(&[&one]));
    assert_ne!(anchors(&[&one]), anchors(&[&other]));
    assert!(anchors(&[]).is_empty() && anchors(&[&one, &other]).len() == 2);
}

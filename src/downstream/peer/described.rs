//! How logs and the audit show a client certificate: serial number, subject and names, escaped and short, because a
//! stranger may have made it.

use std::fmt::Write as _;
use std::net::IpAddr;

use rustls::pki_types::CertificateDer;

use crate::x509::Parts;
use crate::x509::der::{self, OBJECT_IDENTIFIER, SEQUENCE, SET};

/// The longest text of the subject, and of one name, in bytes.
const LONGEST_TEXT: usize = 200;
/// How many names are shown.
const MOST_NAMES: usize = 8;

/// A certificate in a form in which people can look it up: printable ASCII only, at most about 2 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedCertificate {
    /// The serial number in hexadecimal digits, as its authority and revocation lists name it.
    pub serial: String,
    /// The subject, such as `CN=billing,O=Example`.
    pub subject: String,
    /// The alternative names with their kinds, such as `DNS:billing.example`; of more than eight, how many more.
    pub names: Vec<String>,
}

impl DescribedCertificate {
    /// Describes a certificate. It need not be valid, nor signed by anybody in particular: a client that is refused
    /// chose its bytes.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Parts::of(certificate).and_then(|parts| described(&parts)).unwrap_or_else(|| Self {
            serial: String::new(),
            subject: "(cannot be read)".to_owned(),
            names: Vec::new(),
        })
    }
}

fn described(parts: &Parts<'_>) -> Option<DescribedCertificate> {
    let serial = parts.serial.iter().take(20).fold(String::new(), |mut serial, byte| {
        let _infallible = write!(serial, "{byte:02x}");
        serial
    });
    let alternatives = der::all(parts.alternative_names)?;
    let mut names: Vec<String> = alternatives.iter().take(MOST_NAMES).map(|name| shown_name(*name)).collect();
    if alternatives.len() > MOST_NAMES {
        names.push(format!("{} more", alternatives.len().saturating_sub(MOST_NAMES)));
    }
    Some(DescribedCertificate { serial, subject: subject(parts.subject)?, names })
}

/// The tags are those of `GeneralName`, RFC 5280 section 4.2.1.6.
fn shown_name((tag, value): der::Element<'_>) -> String {
    match tag {
        0x81 => format!("email:{}", printable(value)),
        0x82 => format!("DNS:{}", printable(value)),
        0x86 => format!("URI:{}", printable(value)),
        0x87 => address(value).map_or_else(|| "IP:(cannot be read)".to_owned(), |address| format!("IP:{address}")),
        _ => "(a name of another kind)".to_owned(),
    }
}

fn address(value: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(value).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from)).ok()
}

/// In the order of the certificate, with the escapes of RFC 4514 for what would look like another part.
fn subject(name: &[u8]) -> Option<String> {
    let mut text = String::new();
    for (tag, set) in der::all(name)? {
        for (kind, mut attribute) in der::all(set).filter(|_| tag == SET)? {
            let identifier = der::take_tagged(&mut attribute, OBJECT_IDENTIFIER).filter(|_| kind == SEQUENCE)?;
            let (_, value) = der::take(&mut attribute)?;
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(attribute_name(identifier));
            text.push('=');
            for character in printable(value).chars() {
                if matches!(character, ',' | '+' | '"' | '=' | ';' | '<' | '>') {
                    text.push('\\');
                }
                text.push(character);
            }
        }
    }
    Some(cut(text))
}

/// The attributes of RFC 4519 that certificates of programs have.
fn attribute_name(identifier: &[u8]) -> &'static str {
    match identifier {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        // 0.9.2342.19200300.100.1
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        _ => "other",
    }
}

/// Escapes everything but printable ASCII, and shortens.
pub(super) fn printable(bytes: &[u8]) -> String {
    let bytes = bytes.get(..LONGEST_TEXT.saturating_add(4)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    cut(text.chars().fold(String::new(), |mut shown, character| {
        match character {
            ' ' => shown.push(character),
            '\\' => shown.push_str("\\\\"),
            _ if character.is_ascii_graphic() => shown.push(character),
            _ => shown.extend(character.escape_unicode()),
        }
        shown
    }))
}

/// Shortens ASCII text.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber};

    use super::*;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> DescribedCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        DescribedCertificate::of(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn a_certificate_is_shown_by_its_serial_number_subject_and_names() {
        let shown = certificate(|params| {
            params.serial_number = Some(SerialNumber::from(0x1f_2a_u64));
            params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
            params.distinguished_name.push(DnType::CommonName, "billing");
            params.subject_alt_names = vec![
                SanType::URI("spiffe://example.org/billing".try_into().unwrap()),
                SanType::DnsName("billing.example".try_into().unwrap()),
                SanType::IpAddress("192.0.2.1".parse().unwrap()),
                SanType::Rfc822Name("a@example.org".try_into().unwrap()),
            ];
        });
        assert_eq!((shown.serial.as_str(), shown.subject.as_str()), ("1f2a", "O=Example\\, Inc.,CN=billing"));
        let names = ["URI:spiffe://example.org/billing", "DNS:billing.example", "IP:192.0.2.1", "email:a@example.org"];
        assert_eq!(shown.names, names);
        assert_eq!(certificate(|_| ()).subject, "");
    }

    #[test]
    fn whatever_a_certificate_says_is_shown_in_printable_ascii_and_short() {
        let shown = certificate(|params| {
            params.distinguished_name.push(DnType::CommonName, format!("a\n\u{1b}[2J\u{202e}é{}", "x".repeat(5000)));
            let many = (0..1000).map(|n| SanType::DnsName(format!("n{n}.example").try_into().unwrap()));
            params.subject_alt_names = many.collect();
        });
        assert!(shown.subject.starts_with("CN=a\\u{a}\\u{1b}[2J\\u{202e}\\u{e9}xxx"), "{}", shown.subject);
        assert!(shown.subject.len() < 220 && shown.subject.bytes().all(|byte| (b' '..0x7f).contains(&byte)));
        assert_eq!((shown.names.len(), shown.names.last().unwrap().as_str()), (9, "992 more"));
        assert_eq!(DescribedCertificate::of(&CertificateDer::from(vec![0x30, 0x03])).subject, "(cannot be read)");
    }
}

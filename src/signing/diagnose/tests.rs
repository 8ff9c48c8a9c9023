//! Each mistake is made by hand: the string to sign is written out as a careless signer would write it.

use super::*;
use crate::credentials::SecretAccessKey;
use crate::query::{FormLimits, Parameters, percent};
use proptest::prelude::*;

/// The parameters before and after those of a case, in canonical order.
const HEAD: &str = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Action=CreateJob";
const TAIL: &str =
    "SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2011-06-20T22%3A30%3A59.556Z&Version=2010-06-01";

fn key() -> SigningKey {
    SigningKey::new(&SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap())
}

fn sha256(signed: &str) -> String {
    STANDARD.encode(key().mac(SignatureMethod::HmacSha256, signed.as_bytes()).as_bytes())
}

struct Case<'a> {
    url: &'a str,
    signature: String,
    others: &'a [&'a str],
}

/// The causes that are found when `sent` arrives with the signature of the case.
fn diagnosed(sent: &str, case: &Case<'_>) -> Vec<Cause> {
    let sent = format!("{sent}&Signature={}", percent::encode(&case.signature));
    let parameters = Parameters::parse(sent.as_bytes(), FormLimits::DEFAULT).unwrap();
    let claim = SignatureClaim::read(&parameters).unwrap();
    let target = SigningTarget::from_url(case.url).unwrap();
    assert!(!key().verifies(claim.method, &claim.string_to_sign(&target), &claim.tag), "{sent} should not verify");
    let key = key();
    diagnose(&Mismatch {
        claim: &claim,
        target: &target,
        key: &key,
        sent: sent.as_bytes(),
        other_hosts: case.others,
        other_paths: case.others,
    })
}

/// The same parameters are sent and signed, and the lines before them differ.
fn with_lines(url: &str, lines: &str, others: &[&str]) -> Vec<Cause> {
    let query = format!("{HEAD}&{TAIL}");
    diagnosed(&query, &Case { url, signature: sha256(&format!("{lines}\n{query}")), others })
}

/// `sent` and `signed` are put between head and tail; everything else is right.
fn with_parameters(sent: &str, signed: &str) -> Vec<Cause> {
    with_queries(&format!("{HEAD}&{sent}&{TAIL}"), &format!("{HEAD}&{signed}&{TAIL}"))
}

fn with_queries(sent: &str, signed: &str) -> Vec<Cause> {
    let signature = sha256(&format!("POST\nh.example\n/\n{signed}"));
    diagnosed(sent, &Case { url: "https://h.example", signature, others: &[] })
}

fn host(signed_for: &str, difference: HostDifference) -> Cause {
    Cause::Host { signed_for: signed_for.to_owned(), difference }
}

fn path(signed_for: &str, difference: PathDifference) -> Cause {
    Cause::Path { signed_for: signed_for.to_owned(), difference }
}

#[test]
fn a_signature_for_get_is_recognised() {
    assert_eq!(with_lines("https://h.example", "GET\nh.example\n/", &[]), [Cause::MethodGet]);
}

#[test]
fn a_signature_for_another_host_is_recognised() {
    for (url, signed_for, difference) in [
        ("https://h.example", "h.example:443", HostDifference::WithPort),
        ("http://h.example", "h.example:80", HostDifference::WithPort),
        ("https://h.example:8443", "h.example", HostDifference::WithoutPort),
        ("https://[::1]:8443", "[::1]", HostDifference::WithoutPort),
        ("https://[::1]", "[::1]:443", HostDifference::WithPort),
        ("https://h.example", "H.EXAMPLE", HostDifference::Case),
        ("https://h.example", "H.Example", HostDifference::Case),
        ("https://h.example", "h.example.", HostDifference::TrailingDot),
        ("https://h.example.:8443", "h.example.:8443", HostDifference::TrailingDot),
        ("https://sdb.us-east-1.amazonaws.com", "sdb.amazonaws.com", HostDifference::Region),
        ("https://us-east-1.sdb.amazonaws.com", "sdb.amazonaws.com", HostDifference::Region),
        ("https://us-east-1.sdb.amazonaws.com", "sdb.us-east-1.amazonaws.com", HostDifference::Region),
        ("https://sdb.amazonaws.com", "sdb.us-east-1.amazonaws.com", HostDifference::Region),
        ("https://h.example", "127.0.0.1:8021", HostDifference::Other),
        ("https://h.example", "", HostDifference::Other),
    ] {
        let found = with_lines(url, &format!("POST\n{signed_for}\n/"), &["H.Example", "127.0.0.1:8021"]);
        assert_eq!(found, [host(signed_for, difference)], "{url}");
    }
}

#[test]
fn a_signature_for_another_path_is_recognised() {
    for (url, signed_for, difference) in [
        ("https://h.example", "", PathDifference::Empty),
        ("https://h.example/a", "/a/", PathDifference::TrailingSlash),
        ("https://h.example/a/", "/a", PathDifference::TrailingSlash),
        ("https://h.example/a=b", "/a%3Db", PathDifference::Escaping),
        ("https://h.example/a%3db", "/a=b", PathDifference::Escaping),
        ("https://h.example/a%3db", "/a%3Db", PathDifference::Escaping),
        ("https://h.example/a", "/", PathDifference::Other),
        ("https://h.example/a", "/proxy/a", PathDifference::Other),
    ] {
        let found = with_lines(url, &format!("POST\nh.example\n{signed_for}"), &["/proxy/a"]);
        assert_eq!(found, [path(signed_for, difference)], "{url}");
    }
}

#[test]
fn method_host_and_path_may_be_wrong_together() {
    let found = with_lines("https://h.example:8443/a", "GET\nh.example\n/", &[]);
    let causes = [Cause::MethodGet, host("h.example", HostDifference::WithoutPort), path("/", PathDifference::Other)];
    assert_eq!(found, causes);
}

#[test]
fn the_other_mac_is_recognised_by_its_length() {
    let sent = format!("{HEAD}&{TAIL}");
    for named in ["HmacSHA256", "HmacSHA1"] {
        let signed = format!("POST\nh.example\n/\n{}", sent.replace("HmacSHA256", named));
        let signature = STANDARD.encode(key().mac(SignatureMethod::HmacSha1, signed.as_bytes()).as_bytes());
        let case = Case { url: "https://h.example", signature, others: &[] };
        assert_eq!(diagnosed(&sent, &case), [Cause::OtherMac { used: SignatureMethod::HmacSha1 }], "{named}");
    }
}

#[test]
fn another_order_is_recognised() {
    const KEY: &str = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE";
    const REST: &str = "SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2011-06-20T22%3A30%3A59Z";
    for (sent, signed, order) in [
        (format!("{KEY}&Action=A&{REST}"), format!("Action=A&{KEY}&{REST}"), Order::CaseInsensitive),
        (format!("{KEY}&{REST}&b=1&%7C=1"), format!("%7C=1&{KEY}&{REST}&b=1"), Order::EncodedNames),
        (format!("{KEY}&{REST}&a=x&a.1=x"), format!("{KEY}&{REST}&a.1=x&a=x"), Order::WholePairs),
        (format!("z=1&b=1&{KEY}&{REST}"), format!("z=1&b=1&{KEY}&{REST}"), Order::AsSent),
    ] {
        assert_eq!(with_queries(&sent, &signed), [Cause::Order(order)], "{sent}");
    }
}

#[test]
fn another_encoding_is_recognised() {
    for (sent, signed, encoding) in [
        ("B=a+b", "B=a+b", Encoding::PlusForSpace),
        ("B=%7E", "B=%7E", Encoding::TildeEscaped),
        ("B=*", "B=*", Encoding::AsteriskLiteral),
        ("B=*+%7E", "B=*+%7E", Encoding::FormUrlencoded),
        ("B=%2A+%7E", "B=%2A+%7E", Encoding::PlusAndTilde),
        ("B=%21%27%28%29", "B=!'()", Encoding::UriComponent),
        ("B=https%3A%2F%2Fa%3Fb%26c", "B=https://a?b&c", Encoding::WholeUri),
        ("B=a%2Fb~", "B=a/b~", Encoding::SlashLiteral),
        ("B=a%2Fb~", "B=a/b%7E", Encoding::SlashAndTilde),
        ("B=%2F%C3%A9", "B=%2f%c3%a9", Encoding::LowerHex),
        ("B=%2F+%28", "B=%2f+(", Encoding::LowerHexForm),
        ("B=%C3%A9%E2%82%AC", "B=%E9%E2%82%AC", Encoding::Latin1),
        ("B=a%20%25", "B=a%2520%2525", Encoding::SignedDoubleEncoded),
        ("B=a%2520b", "B=a%20b", Encoding::SentDoubleEncoded),
        ("B=a+b", "B=a%2Bb", Encoding::PlusSentLiterally),
        ("B=a%0D%0Ab", "B=a%0Ab", Encoding::LineFeedSigned),
        ("B=a%0Ab", "B=a%0D%0Ab", Encoding::CarriageReturnSigned),
        ("B=&C=1", "B&C=1", Encoding::EqualsLeftOut),
        ("B=%2f%2F", "B=%2f%2F", Encoding::AsSent),
    ] {
        // the `:` in the tail is encoded like the rest
        let colon = match signed {
            "B=%2f%c3%a9" | "B=%2f+(" => "%3a",
            "B=https://a?b&c" => ":",
            "B=a%2520%2525" => "%253A",
            _ => "%3A",
        };
        let tail = TAIL.replace("%3A", colon);
        let found = with_queries(&format!("{HEAD}&{sent}&{TAIL}"), &format!("{HEAD}&{signed}&{tail}"));
        assert_eq!(found, [Cause::Encoding(encoding)], "{sent} signed as {signed}");
    }
    let signed = format!("{HEAD}&{}", TAIL.replace("%3A", ":"));
    assert_eq!(with_queries(&format!("{HEAD}&{TAIL}"), &signed), [Cause::Encoding(Encoding::ColonLiteral)]);
    let signed = format!("{HEAD}&B=a é/&{}", TAIL.replace("%3A", ":"));
    let sent = format!("{HEAD}&B=a%20%C3%A9%2F&{TAIL}");
    assert_eq!(with_queries(&sent, &signed), [Cause::Encoding(Encoding::Unescaped)]);
}

#[test]
fn order_and_encoding_may_be_wrong_together() {
    let sent = format!("z=a+b&{HEAD}&{TAIL}");
    assert_eq!(with_queries(&sent, &sent), [Cause::Order(Order::AsSent), Cause::Encoding(Encoding::PlusForSpace)]);
}

#[test]
fn a_parameter_that_was_not_signed_is_named() {
    let found = with_parameters("JobId=J&Z=1", "JobId=J");
    assert_eq!(found, [Cause::Parameter { name: ShownName::of("Z") }]);
    assert_eq!(found[0].to_string(), "parameter 'Z' was added after signing, or left out of it");

    let token = "SecurityToken=AQoEXAMPLEH4aoAH0gNCAPy";
    assert_eq!(
        with_queries(&format!("{HEAD}&{token}&{TAIL}"), &format!("{HEAD}&{TAIL}")),
        [Cause::SecurityTokenNotSigned]
    );
    let sent = format!("{HEAD}&B=&C=&{TAIL}");
    assert_eq!(with_queries(&sent, &format!("{HEAD}&{TAIL}")), [Cause::EmptyValuesNotSigned]);
}

#[test]
fn parameters_of_authentication_signed_wrongly_are_recognised() {
    let query = format!("{HEAD}&{TAIL}");
    let signed = query.replace("&SignatureMethod", "&Signature=&SignatureMethod");
    assert_eq!(with_queries(&query, &signed), [Cause::SignatureIncluded]);
    for seconds in ["", "Z", ".000Z"] {
        let signed = query.replace(".556Z", seconds);
        assert_eq!(with_queries(&query, &signed), [Cause::TimestampRewritten], "{seconds}");
    }
}

#[test]
fn a_signature_in_hexadecimal_is_recognised() {
    let sent = format!("{HEAD}&{TAIL}");
    for first_line in ["POST", "GET"] {
        let signed = format!("{first_line}\nh.example\n/\n{sent}");
        let mac = key().mac(SignatureMethod::HmacSha256, signed.as_bytes());
        let hex: String = mac.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        for signature in [hex.clone(), STANDARD.encode(&hex)] {
            let found = diagnosed(&sent, &Case { url: "https://h.example", signature, others: &[] });
            let get = (first_line == "GET").then_some(Cause::MethodGet);
            assert_eq!(found, [Some(Cause::SignatureInHex), get].into_iter().flatten().collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_signature_that_is_cut_off_is_recognised() {
    let signature = STANDARD.encode([7; 31]);
    let found = diagnosed(&format!("{HEAD}&{TAIL}"), &Case { url: "https://h.example", signature, others: &[] });
    assert_eq!(found, [Cause::SignatureLength { bytes: 31 }]);
}

#[test]
fn a_changed_value_cannot_be_told_from_another_key() {
    assert_eq!(with_parameters("JobId=J", "JobId=K"), [Cause::WrongKeyOrValue]);
    let signature = STANDARD.encode([7; 32]);
    let found = diagnosed(&format!("{HEAD}&{TAIL}"), &Case { url: "https://h.example", signature, others: &[] });
    assert_eq!(found, [Cause::WrongKeyOrValue]);
}

#[test]
fn a_form_that_exhausts_the_budget_is_still_answered() {
    let sent = format!("{HEAD}&Manifest={}&{TAIL}", "%C3%A9".repeat(256 * 1024));
    assert_eq!(with_queries(&sent, ""), [Cause::WrongKeyOrValue]);
}

#[test]
fn every_cause_has_a_sentence_and_a_remedy_without_line_ends() {
    let mut causes = vec![
        Cause::MethodGet,
        Cause::OtherMac { used: SignatureMethod::HmacSha1 },
        Cause::Parameter { name: ShownName::of("a\nb") },
        Cause::SecurityTokenNotSigned,
        Cause::EmptyValuesNotSigned,
        Cause::SignatureIncluded,
        Cause::TimestampRewritten,
        Cause::SignatureInHex,
        Cause::SignatureLength { bytes: 3 },
        Cause::WrongKeyOrValue,
        host("h", HostDifference::Other),
        path("/", PathDifference::Other),
        Cause::Order(Order::AsSent),
    ];
    causes.extend(Encoding::ALL.map(Cause::Encoding));
    for cause in causes {
        for text in [cause.to_string(), cause.remedy().to_owned()] {
            assert!(text.len() > 10 && !text.contains('\n') && !text.ends_with('.'), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_was_signed_a_diagnosis_is_made(
        name in "[ -~]{0,5}",
        value in any::<String>(),
        url_path in "[a-z%/=0-9]{0,8}",
        tag in any::<[u8; 32]>(),
    ) {
        prop_assume!(!["AWSAccessKeyId", "Action", "Signature", "Expires", "Version"].contains(&name.as_str()));
        let sent = format!("{HEAD}&{}={}&{TAIL}", percent::encode(&name), percent::encode(&value));
        let url = format!("https://h.example/{url_path}");
        let found = diagnosed(&sent, &Case { url: &url, signature: STANDARD.encode(tag), others: &["", "/", "é"] });
        prop_assert_eq!(found, [Cause::WrongKeyOrValue]);
    }
}

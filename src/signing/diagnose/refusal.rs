//! Classifies an endpoint's refusal of a signature, into few enough classes for a metric, each with a remedy.

use super::cause::Cause;
use super::echo::{Difference, differences, echoed};
use crate::query::EndpointError;

/// Why an endpoint refuses a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalClass {
    /// The request's time differs too much from the endpoint's.
    Clock,
    /// The endpoint saw another HTTP method.
    Method,
    /// The endpoint expects another host.
    Host,
    /// The endpoint expects another path.
    Path,
    /// The endpoint saw other parameters, or other values.
    Parameters,
    /// The endpoint sorts the parameters differently.
    Order,
    /// The endpoint encodes the parameters differently.
    Encoding,
    /// The endpoint saw other header fields.
    Fields,
    /// The endpoint expects a key that was derived for another region or service.
    Scope,
    /// Both sign the same string and get different signatures, so their secret keys differ.
    Key,
    /// The endpoint does not know the access key ID or the session token, or does not accept them any more.
    KeyId,
    /// The endpoint has seen the nonce before.
    Nonce,
    /// The endpoint does not say what it would have signed.
    Unknown,
}

impl RefusalClass {
    /// All classes.
    pub const ALL: [Self; 13] = [
        Self::Clock,
        Self::Method,
        Self::Host,
        Self::Path,
        Self::Parameters,
        Self::Order,
        Self::Encoding,
        Self::Fields,
        Self::Scope,
        Self::Key,
        Self::KeyId,
        Self::Nonce,
        Self::Unknown,
    ];

    /// The class of a signer's mistake; `None` when the mistake is not known.
    #[must_use]
    pub const fn of(cause: &Cause) -> Option<Self> {
        Some(match cause {
            Cause::MethodGet => Self::Method,
            Cause::Host { .. } => Self::Host,
            Cause::Path { .. } => Self::Path,
            Cause::Order(_) => Self::Order,
            Cause::OtherMac { .. } | Cause::Encoding(_) | Cause::SignatureInHex | Cause::SignatureLength { .. } => {
                Self::Encoding
            }
            Cause::Parameter { .. }
            | Cause::SecurityTokenNotSigned
            | Cause::EmptyValuesNotSigned
            | Cause::SignatureIncluded
            | Cause::TimestampRewritten => Self::Parameters,
            Cause::WrongKeyOrValue => return None,
        })
    }

    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Method => "method",
            Self::Host => "host",
            Self::Path => "path",
            Self::Parameters => "parameters",
            Self::Order => "order",
            Self::Encoding => "encoding",
            Self::Fields => "fields",
            Self::Scope => "scope",
            Self::Key => "key",
            Self::KeyId => "key_id",
            Self::Nonce => "nonce",
            Self::Unknown => "unknown",
        }
    }

    /// What the operator of the signer should do.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Clock => "set the clock of the host that signs",
            Self::Method => "look for a proxy between here and the endpoint that turns POST into another method",
            Self::Host => {
                "sign for the host that the endpoint expects, or make the proxies before it keep the Host header"
            }
            Self::Path => {
                "sign for the path that the endpoint expects, or make the proxies before the endpoint keep the path"
            }
            Self::Parameters => "look for a proxy between here and the endpoint that changes the form",
            Self::Order => {
                "sort by the bytes of the names; an endpoint that sorts differently has a dialect of its own"
            }
            Self::Encoding => {
                "percent-encode all but A-Z a-z 0-9 - _ . ~, a space as %20; an endpoint that encodes differently has \
                 a dialect of its own"
            }
            Self::Fields => "look for a proxy between here and the endpoint that changes header fields",
            Self::Scope => "sign for the region and the service that the endpoint's message names",
            Self::KeyId => "check that the endpoint knows the access key id, that it is active, and the session token",
            Self::Nonce => "a copy of the request came to the endpoint before: find out whether it was carried out",
            Self::Key => "check that the secret access key is the one that belongs to the access key id, and is active",
            Self::Unknown => {
                "check the secret access key first, then the host of the endpoint; `countersign explain` compares a \
                 captured request and answer"
            }
        }
    }
}

/// Why `error` refuses what was signed, which is the string to sign, or the canonical request where there is one: the
/// class, and every difference that was found.
#[must_use]
pub fn classify(signed: &str, error: &EndpointError) -> (RefusalClass, Vec<Difference>) {
    // AWS: "Credential should be scoped to a valid region, not 'eu-central-1'."
    if error.message.trim_start().starts_with("Credential should be scoped to ") {
        return (RefusalClass::Scope, Vec::new());
    }
    let Some(differences) = echoed(signed, error).and_then(|expected| differences(signed, expected)) else {
        return (RefusalClass::Unknown, Vec::new());
    };
    let class = differences.first().map_or(RefusalClass::Key, |first| match first {
        Difference::Method => RefusalClass::Method,
        Difference::Host(_) => RefusalClass::Host,
        Difference::Path(_) => RefusalClass::Path,
        Difference::Parameters(_) | Difference::Query | Difference::Form => RefusalClass::Parameters,
        Difference::Fields(_) => RefusalClass::Fields,
        Difference::Order(_) => RefusalClass::Order,
        Difference::Encoding(..) => RefusalClass::Encoding,
    });
    (class, differences)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::percent;

    const SIGNED: &str =
        "POST\nsdb.example\n/\nA.1=a%20b~%2Ac&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Action=Put&Version=2009-04-15";

    fn saying(expected: &str) -> EndpointError {
        let message = format!(
            "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String \
             for this request should have been\n'{expected}'\n\nThe String-to-Sign should have been\n'sixteen'\n"
        );
        EndpointError { code: "SignatureDoesNotMatch".to_owned(), message, string_to_sign: None }
    }

    #[track_caller]
    fn found(from: &str, to: &str) -> (RefusalClass, String) {
        assert!(SIGNED.contains(from));
        let (class, differences) = classify(SIGNED, &saying(&SIGNED.replace(from, to)));
        (class, differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn each_part_of_the_string_is_named_when_it_differs() {
        for (from, to, class, said) in [
            ("Version", "Version", RefusalClass::Key, ""),
            ("POST", "GET", RefusalClass::Method, "another HTTP method"),
            ("sdb.example", "sdb.internal", RefusalClass::Host, "another host"),
            ("sdb.example", "sdb.example:8443", RefusalClass::Host, "a host with a port that was not signed"),
            ("sdb.example", "SDB.EXAMPLE", RefusalClass::Host, "a host in other letter case"),
            ("\n/\n", "\n/v1\n", RefusalClass::Path, "another path"),
            ("\n/\n", "\n\n", RefusalClass::Path, "a path that differs by its last slash"),
            ("=Put", "=Get", RefusalClass::Parameters, "other contents of 'Action'"),
            ("&Version=2009-04-15", "", RefusalClass::Parameters, "other contents of 'Version'"),
            ("&Version", "&User=x&Version", RefusalClass::Parameters, "other contents of 'User'"),
            (
                "Action=Put&Version=2009-04-15",
                "Version=2009-04-15&Action=Put",
                RefusalClass::Order,
                "parameters in another order",
            ),
            (
                "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Action=Put",
                "Action=Put&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE",
                RefusalClass::Order,
                "parameters sorted without regard to case",
            ),
            (
                "a%20b~%2Ac",
                "a+b~%2Ac",
                RefusalClass::Encoding,
                "another percent-encoding of 'A.1' (spaces were signed as `+` there)",
            ),
            ("~", "%7e", RefusalClass::Encoding, "another percent-encoding of 'A.1'"),
        ] {
            assert_eq!(found(from, to), (class, said.to_owned()), "{from} {to}");
        }
    }

    #[test]
    fn every_difference_is_named_and_the_first_gives_the_class() {
        let expected = SIGNED.replace("sdb.example", "x.example").replace("=Put", "=Get");
        let (class, differences) = classify(SIGNED, &saying(&expected));
        assert_eq!((class, differences.len()), (RefusalClass::Host, 2));
    }

    #[test]
    fn the_string_is_found_in_every_form_that_endpoints_use() {
        let with = |message: &str, string_to_sign: Option<&str>| EndpointError {
            code: "SignatureDoesNotMatch".to_owned(),
            message: message.to_owned(),
            string_to_sign: string_to_sign.map(str::to_owned),
        };
        for error in [
            with("no match", Some(SIGNED)),
            with(&format!("The String-to-Sign should have been '{SIGNED}'"), None),
            with(&format!("Specified signature is not matched. server string to sign is:{SIGNED}"), None),
            with(&format!("The Canonical String for this request should have been\n{SIGNED}\n\nmore"), None),
            with(&format!("server string to sign is: {}", SIGNED.replace('\n', "\r\n")), None),
        ] {
            assert_eq!(classify(SIGNED, &error).0, RefusalClass::Key, "{}", error.message);
        }
        let version_4 =
            "The Canonical String for this request should have been\n'POST\n/\n\nhost:sqs.example\n\nhost\ne3b0'";
        for error in [with("no match", None), with(version_4, None), with("x", Some("GET\n\n\nTue, 01 Jun 2010\n/b/"))]
        {
            assert_eq!(classify(SIGNED, &error), (RefusalClass::Unknown, Vec::new()));
        }
    }

    const CANONICAL: &str = "POST\n/\n\ncontent-type:application/x-www-form-urlencoded; charset=utf-8\n\
                             host:iam.amazonaws.com\nx-amz-date:20260101T000000Z\nx-amz-security-token:marker\n\n\
                             content-type;host;x-amz-date;x-amz-security-token\n\
                             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_canonical_request_is_compared_line_by_line() {
        for (from, to, class, said) in [
            ("POST", "POST", RefusalClass::Key, ""),
            ("POST", "GET", RefusalClass::Method, "another HTTP method"),
            ("iam.amazonaws.com", "iam.internal", RefusalClass::Host, "another host"),
            (
                "iam.amazonaws.com",
                "iam.amazonaws.com:443",
                RefusalClass::Host,
                "a host with a port that was not signed",
            ),
            ("\n/\n", "\n/v1/\n", RefusalClass::Path, "another path"),
            ("\n/\n\n", "\n/\nAction=marker\n", RefusalClass::Parameters, "another query string"),
            ("; charset=utf-8", "", RefusalClass::Fields, "other contents of the header field 'content-type'"),
            (":marker", ":other", RefusalClass::Fields, "other contents of the header field 'x-amz-security-token'"),
            (
                "x-amz-date:20260101T000000Z\n",
                "",
                RefusalClass::Fields,
                "other contents of the header field 'x-amz-date'",
            ),
            ("e3b0", "ffff", RefusalClass::Parameters, "another form"),
        ] {
            assert!(CANONICAL.contains(from));
            let (found, differences) = classify(CANONICAL, &saying(&CANONICAL.replace(from, to)));
            let differences = differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            assert_eq!((found, differences.as_str()), (class, said), "{from} {to}");
        }
        for other in [SIGNED, "AWS4-HMAC-SHA256\n20260101T000000Z\n20260101/us-east-1/iam/aws4_request\ne3b0"] {
            assert_eq!(classify(CANONICAL, &saying(other)), (RefusalClass::Unknown, Vec::new()));
        }
    }

    #[test]
    fn a_key_for_another_region_or_service_is_named_so() {
        for message in [
            "Credential should be scoped to a valid region, not 'eu-central-1'. ",
            "Credential should be scoped to correct service: 'iam'. ",
        ] {
            let (code, message) = ("SignatureDoesNotMatch".to_owned(), message.to_owned());
            let error = EndpointError { code, message, string_to_sign: None };
            assert_eq!(classify(CANONICAL, &error), (RefusalClass::Scope, Vec::new()));
        }
    }

    #[test]
    fn what_alibaba_cloud_repeats_is_compared_parameter_by_parameter() {
        const SIGNED: &str = "POST&%2F&AccessKeyId%3Dk%26Action%3DDescribeRegions%26Name%3Da%2520b%26Version%3D1";
        for (from, to, class, said) in [
            ("POST", "POST", RefusalClass::Key, ""),
            ("POST", "GET", RefusalClass::Method, "another HTTP method"),
            ("Regions", "Zones", RefusalClass::Parameters, "other contents of 'Action'"),
            (
                "a%2520b",
                "a%2Bb",
                RefusalClass::Encoding,
                "another percent-encoding of 'Name' (spaces were signed as `+` there)",
            ),
            ("%26Version%3D1", "", RefusalClass::Parameters, "other contents of 'Version'"),
        ] {
            let expected = SIGNED.replace(from, to);
            let message =
                format!("Specified signature is not matched with our calculation. server string to sign is:{expected}");
            let error = EndpointError { code: "SignatureDoesNotMatch".to_owned(), message, string_to_sign: None };
            let (found, differences) = classify(SIGNED, &error);
            let differences = differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            assert_eq!((found, differences.as_str()), (class, said), "{from} {to}");
        }
    }

    #[test]
    fn every_cause_is_in_the_guide_with_what_to_do() {
        let guide = include_str!("../../../docs/how-to/refused-signature.md");
        let table = guide.split_once("| cause | what to do |").unwrap().1.split_once("\n\n").unwrap().0;
        let causes: Vec<&str> = table.lines().filter_map(|row| row.split('|').nth(1)).collect();
        for cause in RefusalClass::ALL.into_iter().filter(|cause| *cause != RefusalClass::Unknown) {
            let is_listed = causes.iter().any(|listed| listed.split(',').any(|word| word.trim() == cause.as_str()));
            assert!(is_listed, "{cause:?} is not in {causes:?}");
            assert!(!cause.remedy().is_empty());
        }
    }

    #[test]
    fn many_names_are_counted_not_listed() {
        let many: String = (0..20).fold(String::new(), |all, n| all + &format!("&N{n}=v"));
        let (_, differences) = classify(&format!("{SIGNED}{many}"), &saying(SIGNED));
        assert!(differences[0].to_string().ends_with("'N7' and 12 more"), "{}", differences[0]);
    }

    proptest! {
        /// No value is shown, whatever the endpoint wrote instead of it.
        #[test]
        fn no_value_is_shown(value in "[a-z]{12,20}", other in "\\PC{0,20}", at in 0..4_usize) {
            let marked = format!("{SIGNED}&Z={}", percent::encode(&value));
            let mut lines: Vec<&str> = marked.split('\n').collect();
            lines[at] = &other;
            let (_, differences) = classify(&marked, &saying(&lines.join("\n")));
            for difference in differences {
                prop_assert!(!difference.to_string().contains(&value), "{difference}");
            }
        }
    }
}

//! Every dialect with forms, keys, endpoints and times at random; the second signer beside the published cases; and a
//! search for forms that would be signed alike.

use std::collections::HashMap;

use countersign::query::Reader;
use countersign::signing::{Dialect, SignatureMethod, SigningTarget};
use proptest::prelude::*;
use serde_json::Value;

use super::dialect_vectors::VECTORS;
use super::properties::{Arrived, Case, Moment, signed_or_refused, verified};

/// Names that mean something to one dialect or another, and others beside them in order.
const NAMES: [&str; 40] = [
    "AWSAccessKeyId",
    "AccessKeyId",
    "Action",
    "BearerToken",
    "Command",
    "Expires",
    "Format",
    "Item.10",
    "Item.2",
    "Nonce",
    "Operation",
    "Region",
    "SecretId",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureType",
    "SignatureVersion",
    "Timestamp",
    "Token",
    "Version",
    "X-Amz-Date",
    "X-Date",
    "X-Signature",
    "access_key_id",
    "action",
    "apiKey",
    "apikey",
    "command",
    "details[0].key",
    "expires",
    "response",
    "sessionkey",
    "signature",
    "signature_version",
    "time_stamp",
    "token",
    "version",
    "x-acs-action",
];

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Za-z][A-Za-z0-9.]{0,6}",
        3 => prop::sample::select(&NAMES).prop_map(str::to_owned),
        1 => prop::sample::select(&NAMES).prop_map(str::to_uppercase),
        1 => (prop::sample::select(&NAMES), "[_. -]?[a-z0-9]?").prop_map(|(name, end)| format!("{name}{end}")),
        1 => "[a-zA-Z0-9._~*\\[\\]: =&%+-]{0,5}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![2 => "[a-zA-Z0-9]{0,8}", 2 => "[a-z +*~%=&/:;é€\u{1f600}\n\0-]{0,8}", 1 => any::<String>()]
}

/// A text in some spelling: each byte as it is where it may be, or escaped.
fn spelled(text: &str, spelling: u64) -> String {
    let spell = |(at, byte): (usize, u8)| match (spelling >> (at % 63) & 1, byte) {
        (0, b' ') => "+".to_owned(),
        (0, byte) if byte.is_ascii_alphanumeric() || b"-_.~*/:;,".contains(&byte) => char::from(byte).to_string(),
        (0, byte) => format!("%{byte:02X}"),
        (_, byte) => format!("%{byte:02x}"),
    };
    text.bytes().enumerate().map(|(at, byte)| spell((at, byte))).collect()
}

fn form() -> impl Strategy<Value = String> {
    let pair = (name(), value(), any::<[u64; 2]>())
        .prop_map(|(name, value, how)| format!("{}={}", spelled(&name, how[0] & how[1]), spelled(&value, how[1])));
    prop::collection::vec(pair, 0..7).prop_map(|pairs| pairs.join("&"))
}

fn case(dialect: Dialect) -> impl Strategy<Value = Case> {
    let root = matches!(dialect, Dialect::AlibabaRpc | Dialect::AlibabaAcs3);
    let path =
        prop_oneof!["/", "/[a-zA-Z0-9_~.-]{0,6}x/?(y/)?"].prop_map(move |path| if root { "/".into() } else { path });
    let texts = (
        "[A-Z0-9]{4,20}",
        "[!-~]{1,90}",
        prop::option::of("[!-~]{1,60}"),
        "[a-z]{1,8}\\.example(:[1-9][0-9]{3})?",
        path,
        "[a-zA-Z0-9-]{1,12}",
        "[a-z]{1,12}",
    );
    let readers = prop::sample::select(&[Reader::Policy, Reader::KeyHolder]);
    let methods = prop::sample::select(&[SignatureMethod::HmacSha256, SignatureMethod::HmacSha1]);
    let moments = (0..253_402_200_000_i64, 0..1000_u16);
    let nonces = (any::<[u8; 16]>(), any::<bool>());
    (texts, readers, methods, moments, nonces).prop_map(
        move |((id, secret, token, host, path, region, service), reader, method, (seconds, milliseconds), nonce)| {
            let is_given = dialect.has_nonce() || nonce.1;
            Case {
                dialect,
                reader,
                id,
                secret,
                token,
                method,
                host,
                path,
                region,
                service,
                moment: Moment { seconds, milliseconds },
                nonce: is_given.then(|| dialect.nonce(nonce.0)),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(400)))]

    #[test]
    fn a_server_reads_what_was_authorized_and_all_that_counts_is_signed(
        (case, form) in prop::sample::select(&Dialect::ALL).prop_flat_map(|dialect| (case(dialect), form())),
        has_operation in prop::bool::weighted(0.9),
    ) {
        let operation = case.dialect.vocabulary().operation;
        let form = if has_operation { format!("{operation}=listZones&{form}") } else { form };
        signed_or_refused(&case, form.as_bytes());
    }
}

/// The random property above rarely meets a name that only one dialect treats differently.
#[test]
fn every_name_that_means_something_to_a_dialect_is_treated_by_all_as_their_servers_do() {
    for dialect in Dialect::ALL {
        let operation = dialect.vocabulary().operation;
        for name in NAMES {
            for name in
                [name.to_owned(), name.to_uppercase(), name.to_lowercase(), format!("{name}.1"), format!("{name}s")]
            {
                for reader in [Reader::Policy, Reader::KeyHolder] {
                    let case = Case { reader, ..Case::of(dialect) };
                    signed_or_refused(&case, format!("{operation}=listZones&{name}=listZones").as_bytes());
                }
            }
        }
    }
}

#[test]
fn what_these_properties_compare_with_agrees_with_every_published_case() {
    for (dialect, lines, _) in VECTORS {
        for line in lines.lines() {
            let json: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| json[name].as_str().map(str::to_owned);
            let endpoint = text("endpoint").unwrap();
            let SigningTarget { host, path } = SigningTarget::from_url(&endpoint).unwrap();
            let fields = json["signed_headers"].as_object().into_iter().flatten();
            let arrived = Arrived {
                host,
                path,
                query: text("request_target").map(|target| target.split_once('?').unwrap().1.to_owned()),
                fields: fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
                body: text("signed_body").unwrap().into_bytes(),
            };
            let (canonical_request, string_to_sign, signature) = verified(dialect, &arrived, &text("secret").unwrap());
            let which = format!("{dialect:?} {}", json["name"]);
            assert_eq!(canonical_request, text("canonical_request"), "{which}");
            assert_eq!(Some(string_to_sign), text("string_to_sign"), "{which}");
            assert_eq!(signature, text("signature"), "{which}");
        }
    }
}

/// What a form was, decoded and sorted.
type Pairs = Vec<(String, String)>;

/// All accepted forms of at most two parameters beside the operation, made of pieces that could be taken for something
/// else; grouped by what is signed, those that are signed alike.
fn signed_alike(dialect: Dialect) -> Vec<(Pairs, Pairs)> {
    const PIECES: [&str; 9] = ["", "a", "A", "%3D", "%26", "%26b%3D", "%2525", "%2A", "~"];
    const NAMES: [&str; 8] = ["a", "A", "b", "B", "a.b", "a%3D", "a%26b", ""];
    let values: Vec<String> =
        PIECES.iter().flat_map(|first| PIECES.iter().map(move |second| format!("{first}{second}"))).collect();
    let operation = dialect.vocabulary().operation;
    let case = Case::of(dialect);
    let mut seen: HashMap<Vec<u8>, Pairs> = HashMap::new();
    let mut alike = Vec::new();
    let mut see = |form: String| {
        let Some((signed, pairs)) = case.signed(form.as_bytes()) else { return };
        match seen.get(&signed) {
            Some(other) if *other != pairs => alike.push((other.clone(), pairs)),
            Some(_) => {}
            None => drop(seen.insert(signed, pairs)),
        }
    };
    for (at, name) in NAMES.iter().enumerate() {
        for value in &values {
            see(format!("{operation}=ListThings&{name}={value}"));
            for other in &NAMES[at + 1..] {
                for piece in PIECES {
                    see(format!("{operation}=ListThings&{name}={value}&{other}={piece}"));
                }
            }
        }
    }
    alike
}

#[test]
fn no_two_forms_are_signed_alike_where_names_and_values_are_encoded() {
    let is_encoded = |dialect: &Dialect| !matches!(dialect, Dialect::CloudStack | Dialect::TencentV1);
    for dialect in Dialect::ALL.into_iter().filter(is_encoded) {
        assert_eq!(signed_alike(dialect), [], "{dialect:?}");
    }
}

#[test]
fn cloudstack_signs_two_forms_alike_only_where_they_differ_in_letter_case() {
    let alike = signed_alike(Dialect::CloudStack);
    assert!(!alike.is_empty(), "the search finds what there is");
    let lower = |pairs: &Pairs| -> Pairs {
        pairs.iter().map(|(name, value)| (name.to_lowercase(), value.to_lowercase())).collect()
    };
    for (one, other) in alike {
        assert_eq!(lower(&one), lower(&other));
    }
}

#[test]
fn tencent_signs_two_forms_alike_only_where_a_value_has_an_ampersand() {
    let alike = signed_alike(Dialect::TencentV1);
    assert!(!alike.is_empty(), "the search finds what there is");
    for (one, other) in alike {
        let has_ampersand = |pairs: &Pairs| pairs.iter().any(|(_, value)| value.contains('&'));
        assert!(has_ampersand(&one) || has_ampersand(&other), "{one:?} {other:?}");
    }
}

#[test]
fn what_tencent_signs_alike_is_sent_and_judged_as_two_forms() {
    let case = Case::of(Dialect::TencentV1);
    let sign = |form: &str| case.signed(form.as_bytes()).unwrap();
    let ((one_string, one), (other_string, other)) =
        (sign("Action=ListThings&a=1%26b%3D2"), sign("Action=ListThings&a=1&b=2"));
    assert_eq!(one_string, other_string);
    let pairs = |pairs: &[(&str, &str)]| -> Pairs { pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect() };
    assert_eq!(one, pairs(&[("Action", "ListThings"), ("a", "1&b=2")]));
    assert_eq!(other, pairs(&[("Action", "ListThings"), ("a", "1"), ("b", "2")]));
    // that the server is sent the one or the other, as the policy saw it, is checked here as of every form
    signed_or_refused(&case, b"Action=ListThings&a=1%26b%3D2");
    signed_or_refused(&case, b"Action=ListThings&a=1&b=2");
}

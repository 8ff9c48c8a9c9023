//! Signing cases on which independent implementations agree, stage by stage, and AWS's published worked example.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::authorize::{ClientIdentity, Policy};
use countersign::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SessionToken, SignatureMethod};
use countersign::query::{FormError, FormLimits, Parameters, QueryForm};
use countersign::signing::verify::SignatureClaim;
use countersign::signing::{Profile, RequestTimestamp, SigningTarget, prepare};
use proptest::prelude::*;
use serde_json::Value;

const LIMITS: FormLimits = FormLimits::DEFAULT;

struct Case {
    id: String,
    key: HeldKey,
    target: SigningTarget,
    body: String,
    profile: Profile,
    timestamp: RequestTimestamp,
    string_to_sign: String,
    signature: String,
}

fn key(id: &str, secret: &str, token: Option<&str>) -> HeldKey {
    HeldKey::new(Credentials {
        access_key_id: AccessKeyId::parse(id).unwrap(),
        secret_access_key: SecretAccessKey::new(secret.as_bytes()).unwrap(),
        session_token: token.map(|token| SessionToken::new(token).unwrap()),
        expiration: None,
    })
}

/// Cases whose forms are refused before they are signed: their names are not printable ASCII, or differ only by case,
/// `_` or `-`, or a value has a line break that is not escaped.
const REFUSED: [&str; 4] = ["p-name-001", "p-sort-001", "p-sort-003", "p-body-encoding-006"];

fn cases() -> Vec<Case> {
    let (refused, signed): (Vec<_>, Vec<_>) = all_cases().partition(|case| REFUSED.contains(&case.id.as_str()));
    assert_eq!((refused.len(), signed.len()), (REFUSED.len(), 61));
    signed
}

fn all_cases() -> impl Iterator<Item = Case> {
    let text = include_str!("../vectors/sigv2.jsonl");
    text.lines().map(|line| case(&serde_json::from_str(line).unwrap()))
}

fn case(json: &Value) -> Case {
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    let signature_method = match text("signature_method").as_str() {
        "HmacSHA256" => SignatureMethod::HmacSha256,
        "HmacSHA1" => SignatureMethod::HmacSha1,
        other => panic!("unknown method {other}"),
    };
    Case {
        id: text("id"),
        key: key(&text("access_key"), &text("secret_key"), json["session_token"].as_str()),
        target: SigningTarget::from_url(&text("endpoint")).unwrap(),
        body: text("body"),
        profile: Profile::aws_v2(signature_method),
        timestamp: RequestTimestamp::parse(&text("timestamp")).unwrap(),
        string_to_sign: text("string_to_sign"),
        signature: text("signature"),
    }
}

/// (string to sign, body as sent)
fn sign(
    body: &[u8],
    key: &HeldKey,
    target: &SigningTarget,
    profile: &Profile,
    timestamp: &RequestTimestamp,
) -> (String, String) {
    let form = QueryForm::parse(body, LIMITS).unwrap();
    let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "ie", form).unwrap();
    let unsealed = prepare(&allowed, key, target, profile, &timestamp.clone().into());
    let string_to_sign = String::from_utf8(unsealed.string_to_sign().to_vec()).unwrap();
    let mac = key.signing_key().mac_with(unsealed.key(), unsealed.string_to_sign());
    (string_to_sign, String::from_utf8(unsealed.seal(&mac).into_body().to_vec()).unwrap())
}

#[test]
fn every_vectors_endpoint_gives_the_host_header_and_path_that_are_signed() {
    for line in include_str!("../vectors/sigv2.jsonl").lines() {
        let json: Value = serde_json::from_str(line).unwrap();
        let target = SigningTarget::from_url(json["endpoint"].as_str().unwrap()).unwrap();
        let mut signed = json["string_to_sign"].as_str().unwrap().splitn(4, '\n').skip(1);
        assert_eq!(Some(target.host.as_str()), json["host_header"].as_str(), "{}", json["id"]);
        assert_eq!(
            (Some(target.host.as_str()), Some(target.path.as_str())),
            (signed.next(), signed.next()),
            "{}",
            json["id"]
        );
    }
}

#[test]
fn every_vector_gives_the_string_to_sign_that_independent_implementations_agree_on() {
    for case in cases() {
        let (string_to_sign, _) = sign(case.body.as_bytes(), &case.key, &case.target, &case.profile, &case.timestamp);
        assert_eq!(string_to_sign, case.string_to_sign, "{}", case.id);
    }
}

#[test]
fn a_vector_that_parsers_could_read_differently_is_refused() {
    for case in all_cases().filter(|case| REFUSED.contains(&case.id.as_str())) {
        let refused = QueryForm::parse(case.body.as_bytes(), LIMITS).unwrap_err();
        let expected = matches!(
            refused,
            FormError::UnprintableName { .. } | FormError::Alike { .. } | FormError::LineBreak { .. }
        );
        assert!(expected, "{refused}");
    }
}

#[test]
fn every_vector_gives_the_signature_that_independent_implementations_agree_on() {
    for case in cases() {
        let (_, sent) = sign(case.body.as_bytes(), &case.key, &case.target, &case.profile, &case.timestamp);
        let parameters = Parameters::parse(sent.as_bytes(), LIMITS).unwrap();
        assert_eq!(parameters.get("Signature"), Some(case.signature.as_str()), "{}", case.id);
    }
}

#[test]
fn every_vector_is_sent_as_the_canonical_query_string_that_was_signed() {
    for case in cases() {
        let (_, sent) = sign(case.body.as_bytes(), &case.key, &case.target, &case.profile, &case.timestamp);
        let canonical = case.string_to_sign.splitn(4, '\n').nth(3).unwrap();
        let (signed_part, _) = sent.rsplit_once("&Signature=").unwrap();
        assert_eq!(signed_part, canonical, "{}", case.id);
    }
}

#[test]
fn every_vector_verifies() {
    for case in cases() {
        let (_, sent) = sign(case.body.as_bytes(), &case.key, &case.target, &case.profile, &case.timestamp);
        let parameters = Parameters::parse(sent.as_bytes(), LIMITS).unwrap();
        let claim = SignatureClaim::read(&parameters).unwrap();
        claim
            .check(&case.key, &case.target, case.timestamp.instant())
            .unwrap_or_else(|error| panic!("{}: {error}", case.id));
    }
}

/// Amazon Elastic MapReduce Developer Guide, API version 2009-03-31, "Signing a request". The example is a GET: what
/// countersign sends is always a POST, so the first line is exchanged before the MAC is taken.
#[test]
fn the_worked_example_of_the_emr_guide_gives_its_published_signature() {
    let key = key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
    let target = SigningTarget { host: "elasticmapreduce.amazonaws.com".to_owned(), path: "/".to_owned() };
    let profile = Profile::aws_v2(SignatureMethod::HmacSha256);
    let timestamp = RequestTimestamp::parse("2011-10-03T15:19:30").unwrap();
    let (string_to_sign, _) = sign(b"Action=DescribeJobFlows&Version=2009-03-31", &key, &target, &profile, &timestamp);
    let published = "GET\nelasticmapreduce.amazonaws.com\n/\nAWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
        &Action=DescribeJobFlows\
        &SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp=2011-10-03T15%3A19%3A30&Version=2009-03-31";
    assert_eq!(string_to_sign.replacen("POST", "GET", 1), published);
    let mac = key.signing_key().mac(SignatureMethod::HmacSha256, published.as_bytes());
    assert_eq!(STANDARD.encode(mac.as_bytes()), "i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf/Mj6vPxyYIs=");
}

proptest! {
    #[test]
    fn the_canonical_form_does_not_depend_on_the_order_of_parameters(
        names in prop::collection::hash_set("[a-zA-Z0-9._~ +-]{1,6}", 0..12),
        seed in any::<u64>(),
    ) {
        // each name in one spelling: a form with two is refused
        let counted = |name: &str| name.to_lowercase().replace(['_', '-', ' '], "");
        let mut names: Vec<String> = names.into_iter().filter(|name| !counted(name).starts_with("action")).collect();
        names.sort_by_key(|name| counted(name));
        names.dedup_by_key(|name| counted(name));
        let mut shuffled = names.clone();
        let mut state = seed | 1;
        for i in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (state >> 33) as usize % (i + 1));
        }
        let write = |names: &[String]| {
            let pairs: Vec<String> = names.iter()
                .map(|n| format!("{}=v", countersign::query::percent::encode(n)))
                .chain(["Action=ListJobs".to_owned()]).collect();
            pairs.join("&")
        };
        let key = key("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None);
        let target = SigningTarget { host: "h.example".to_owned(), path: "/".to_owned() };
        let profile = Profile::aws_v2(SignatureMethod::HmacSha256);
        let timestamp = RequestTimestamp::parse("2011-06-20T22:30:59.556Z").unwrap();
        let one = sign(write(&names).as_bytes(), &key, &target, &profile, &timestamp);
        let other = sign(write(&shuffled).as_bytes(), &key, &target, &profile, &timestamp);
        prop_assert_eq!(one, other);
    }
}

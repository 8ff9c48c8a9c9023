//! Signing cases of every dialect on which independent implementations agree, stage by stage.

use std::collections::BTreeMap;

use countersign::authorize::{ClientIdentity, Policy};
use countersign::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SessionToken};
use countersign::query::{FormLimits, QueryForm, Reader};
use countersign::signing::{
    Dialect, Profile, RequestTimestamp, SignedHead, SignedRequest, SigningTarget, Stamp, prepare,
};
use serde_json::Value;

pub(super) const VECTORS: [(Dialect, &str, usize); 10] = [
    (Dialect::AwsV4, include_str!("../vectors/dialects/aws-v4.jsonl"), 40),
    (Dialect::OpenStack, include_str!("../vectors/dialects/openstack.jsonl"), 32),
    (Dialect::Nifcloud, include_str!("../vectors/dialects/nifcloud.jsonl"), 32),
    (Dialect::Eucalyptus, include_str!("../vectors/dialects/eucalyptus.jsonl"), 32),
    (Dialect::CloudStack, include_str!("../vectors/dialects/cloudstack.jsonl"), 29),
    (Dialect::AlibabaRpc, include_str!("../vectors/dialects/alibaba-rpc.jsonl"), 31),
    (Dialect::QingCloud, include_str!("../vectors/dialects/qingcloud.jsonl"), 31),
    (Dialect::TencentV1, include_str!("../vectors/dialects/tencent-v1.jsonl"), 29),
    (Dialect::AlibabaAcs3, include_str!("../vectors/dialects/alibaba-acs3.jsonl"), 32),
    (Dialect::Volcengine, include_str!("../vectors/dialects/volcengine.jsonl"), 31),
];

/// A case of AWS's test suite whose content type has no charset, and whose form has no Action: neither is ever sent.
const WITHOUT_CHARSET: &str = "aws-suite-post-x-www-form-urlencoded";

/// What is varied of a case, to see that it is signed.
#[derive(Clone)]
struct Case {
    dialect: Dialect,
    name: String,
    id: String,
    secret: String,
    token: Option<String>,
    target: SigningTarget,
    region: Option<String>,
    service: Option<String>,
    stamp: Stamp,
    body: String,
    json: Value,
}

struct Signed {
    canonical_request: Option<String>,
    string_to_sign: String,
    request: SignedRequest,
}

fn cases() -> impl Iterator<Item = Case> {
    VECTORS.into_iter().flat_map(|(dialect, text, count)| {
        let cases: Vec<_> = text.lines().map(|line| case(dialect, serde_json::from_str(line).unwrap())).collect();
        assert_eq!(cases.len(), count, "{dialect:?}");
        cases.into_iter().filter(|case| case.name != WITHOUT_CHARSET)
    })
}

fn case(dialect: Dialect, json: Value) -> Case {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let time = RequestTimestamp::parse(&text("timestamp").unwrap()).unwrap();
    Case {
        dialect,
        name: text("name").unwrap(),
        id: text("access_key_id").unwrap(),
        secret: text("secret").unwrap(),
        token: text("session_token"),
        target: SigningTarget::from_url(&text("endpoint").unwrap()).unwrap(),
        region: text("region"),
        service: text("service"),
        stamp: Stamp { nonce: text("nonce"), ..Stamp::at(time) },
        body: text("body").unwrap(),
        json,
    }
}

fn sign(case: &Case) -> Signed {
    let key = HeldKey::new(Credentials {
        access_key_id: AccessKeyId::parse(&case.id).unwrap(),
        secret_access_key: SecretAccessKey::new(case.secret.as_bytes()).unwrap(),
        session_token: case.token.as_deref().map(|token| SessionToken::new(token).unwrap()),
        expiration: None,
    });
    let profile = Profile::new(case.dialect, None, case.region.as_deref(), case.service.as_deref()).unwrap();
    profile.check_target(&case.target).unwrap();
    let vocabulary = case.dialect.vocabulary();
    let form = QueryForm::parse_as(vocabulary, Reader::KeyHolder, case.body.as_bytes(), FormLimits::DEFAULT);
    let form = form.unwrap_or_else(|error| panic!("{:?} {}: {error}", case.dialect, case.name));
    let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "route", form).unwrap();
    let unsealed = prepare(&allowed, &key, &case.target, &profile, &case.stamp);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let string_to_sign = text(unsealed.string_to_sign());
    let canonical_request = unsealed.canonical_request().map(text);
    let mac = key.signing_key().mac_with(unsealed.key(), unsealed.string_to_sign());
    Signed { canonical_request, string_to_sign, request: unsealed.seal(&mac) }
}

/// The fields of the head, as the signer wrote them.
fn fields(request: &SignedRequest) -> BTreeMap<String, String> {
    let fields = request.head().into_iter().flat_map(SignedHead::fields);
    fields.map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap())).collect()
}

#[test]
fn every_vector_of_every_dialect_is_signed_as_independent_implementations_sign_it() {
    for case in cases() {
        let (signed, json, which) = (sign(&case), &case.json, format!("{:?} {}", case.dialect, case.name));
        assert_eq!(signed.canonical_request.as_deref(), json["canonical_request"].as_str(), "{which}");
        assert_eq!(Some(signed.string_to_sign.as_str()), json["string_to_sign"].as_str(), "{which}");
        let body = String::from_utf8(signed.request.body().to_vec()).unwrap();
        assert_eq!(Some(body.as_str()), json["signed_body"].as_str(), "{which}");
        let expected = json["signed_headers"].as_object().into_iter().flatten();
        let expected: BTreeMap<_, _> =
            expected.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        assert_eq!(fields(&signed.request), expected, "{which}");
        let query = signed.request.head().and_then(SignedHead::query);
        let target = query.map(|query| format!("{}?{}", case.target.path, String::from_utf8_lossy(query)));
        assert_eq!(target.as_deref(), json["request_target"].as_str(), "{which}");
    }
}

/// The signature, wherever it is.
fn signature(signed: &Signed) -> String {
    let fields = fields(&signed.request);
    let body = String::from_utf8(signed.request.body().to_vec()).unwrap();
    let place = fields.get("authorization").unwrap_or(&body);
    place.rsplit_once('=').unwrap().1.to_owned()
}

#[test]
fn the_signature_changes_with_each_part_that_the_dialect_signs() {
    for case in cases().filter(|case| case.name == "minimal") {
        let unchanged = signature(&sign(&case));
        assert_eq!(unchanged, signature(&sign(&case)), "{:?}", case.dialect);
        let later = RequestTimestamp::parse("2026-10-03T15:19:31.556Z").unwrap();
        let mut varied = vec![
            Case { secret: format!("{}x", case.secret), ..case.clone() },
            Case { body: format!("{}&Another=1", case.body), ..case.clone() },
            Case { stamp: Stamp { time: later, ..case.stamp.clone() }, ..case.clone() },
        ];
        let target = |host: &str, path: &str| Case {
            target: SigningTarget { host: host.to_owned(), path: path.to_owned() },
            ..case.clone()
        };
        // CloudStack signs neither host nor path, QingCloud no host, Alibaba's RPC style no host: TLS carries them
        if !matches!(case.dialect, Dialect::CloudStack | Dialect::QingCloud | Dialect::AlibabaRpc) {
            varied.push(target("other.example", &case.target.path));
        }
        if !matches!(case.dialect, Dialect::CloudStack | Dialect::AlibabaRpc | Dialect::AlibabaAcs3) {
            varied.push(target(&case.target.host, "/other/"));
        }
        // where authentication is in the head, the id of the key stands beside the signature
        if !matches!(case.dialect, Dialect::AwsV4 | Dialect::Volcengine | Dialect::AlibabaAcs3) {
            varied.push(Case { id: "AKIAI44QH8DHBEXAMPLE".to_owned(), ..case.clone() });
        }
        if case.dialect.has_nonce() {
            varied.push(Case { stamp: Stamp { nonce: Some("7".to_owned()), ..case.stamp.clone() }, ..case.clone() });
        }
        if case.region.is_some() {
            varied.push(Case { region: Some("elsewhere-1".to_owned()), ..case.clone() });
            varied.push(Case { service: Some("other".to_owned()), ..case.clone() });
        }
        for (index, varied) in varied.iter().enumerate() {
            assert_ne!(signature(&sign(varied)), unchanged, "{:?} {index}", case.dialect);
        }
    }
}

#[test]
fn two_equal_forms_of_one_second_differ_by_a_signed_field_where_one_is_given() {
    let case = cases().find(|case| case.dialect == Dialect::AwsV4).unwrap();
    let with =
        |nonce: &str| Case { stamp: Stamp { nonce: Some(nonce.to_owned()), ..case.stamp.clone() }, ..case.clone() };
    let signed = sign(&with("one"));
    let authorization = fields(&signed.request)["authorization"].clone();
    assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-countersign-id,"), "{authorization}");
    assert_ne!(signature(&signed), signature(&sign(&with("two"))));
}

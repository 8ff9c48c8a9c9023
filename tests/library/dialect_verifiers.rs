//! The verifiers of `signing::verify`, which read requests as servers do: they accept what independent implementations
//! signed, and nothing else. What a dialect leaves unsigned is shown by what they accept.

use countersign::credentials::{AccessKeyId, Credentials, SecretAccessKey, SessionToken};
use countersign::signing::verify::{Problem, Reading, Received, Verifier, VerifyingKey};
use countersign::signing::{Dialect, SigningTarget};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const VECTORS: [(Dialect, &str); 10] = [
    (Dialect::AwsV4, include_str!("../vectors/dialects/aws-v4.jsonl")),
    (Dialect::OpenStack, include_str!("../vectors/dialects/openstack.jsonl")),
    (Dialect::Nifcloud, include_str!("../vectors/dialects/nifcloud.jsonl")),
    (Dialect::Eucalyptus, include_str!("../vectors/dialects/eucalyptus.jsonl")),
    (Dialect::CloudStack, include_str!("../vectors/dialects/cloudstack.jsonl")),
    (Dialect::AlibabaRpc, include_str!("../vectors/dialects/alibaba-rpc.jsonl")),
    (Dialect::QingCloud, include_str!("../vectors/dialects/qingcloud.jsonl")),
    (Dialect::TencentV1, include_str!("../vectors/dialects/tencent-v1.jsonl")),
    (Dialect::AlibabaAcs3, include_str!("../vectors/dialects/alibaba-acs3.jsonl")),
    (Dialect::Volcengine, include_str!("../vectors/dialects/volcengine.jsonl")),
];

/// A signed request, whose parts are varied.
#[derive(Clone)]
struct Request {
    dialect: Dialect,
    name: String,
    host: String,
    path: String,
    query: String,
    fields: Vec<(String, String)>,
    body: String,
    id: String,
    secret: String,
    token: Option<String>,
    realm: [Option<String>; 2],
    time: Timestamp,
    json: Value,
}

impl Request {
    fn of(dialect: Dialect, json: Value) -> Self {
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let target = SigningTarget::from_url(&text("endpoint").unwrap()).unwrap();
        let query = text("request_target").and_then(|target| Some(target.split_once('?')?.1.to_owned()));
        let fields = json["signed_headers"].as_object().into_iter().flatten();
        let fields = fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        Self {
            dialect,
            name: text("name").unwrap(),
            host: target.host,
            path: target.path,
            query: query.unwrap_or_default(),
            fields,
            body: text("signed_body").unwrap(),
            id: text("access_key_id").unwrap(),
            secret: text("secret").unwrap(),
            token: text("session_token"),
            realm: [text("region"), text("service")],
            time: text("timestamp").unwrap().parse().unwrap(),
            json,
        }
    }

    fn key(&self) -> VerifyingKey {
        VerifyingKey::new(&Credentials {
            access_key_id: AccessKeyId::parse(&self.id).unwrap(),
            secret_access_key: SecretAccessKey::new(self.secret.as_bytes()).unwrap(),
            session_token: self.token.as_deref().map(|token| SessionToken::new(token).unwrap()),
            expiration: None,
        })
    }

    fn read(&self) -> Result<Reading, Problem> {
        let Self { host, path, query, fields, body, .. } = self;
        let [region, service] = self.realm.each_ref().map(Option::as_deref);
        Verifier::new(self.dialect, region, service).read(&Received {
            host,
            path,
            query,
            fields,
            body: body.as_bytes(),
        })
    }

    /// What is wrong with the request for the key, at its own time.
    fn problems(&self) -> Vec<Problem> {
        self.problems_after(SignedDuration::ZERO)
    }

    fn problems_after(&self, later: SignedDuration) -> Vec<Problem> {
        match self.read() {
            Ok(reading) => reading.problems(&self.key(), self.time.checked_add(later).unwrap()),
            Err(problem) => vec![problem],
        }
    }

    fn with_body(&self, from: &str, to: &str) -> Self {
        assert!(self.body.contains(from), "{:?} {}: {from}", self.dialect, self.body);
        Self { body: self.body.replacen(from, to, 1), ..self.clone() }
    }

    fn with_field(&self, name: &str, value: &str) -> Self {
        let mut fields = self.fields.clone();
        fields.retain(|(found, _)| found != name);
        fields.push((name.to_owned(), value.to_owned()));
        Self { fields, ..self.clone() }
    }
}

fn requests() -> impl Iterator<Item = Request> {
    VECTORS.into_iter().flat_map(|(dialect, text)| {
        text.lines().map(move |line| Request::of(dialect, serde_json::from_str(line).unwrap()))
    })
}

fn request(dialect: Dialect, name: &str) -> Request {
    requests().find(|request| request.dialect == dialect && request.name == name).unwrap()
}

/// Those whose authentication is in the head.
fn in_head(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::AwsV4 | Dialect::AlibabaAcs3 | Dialect::Volcengine)
}

#[test]
fn every_vector_of_every_dialect_is_accepted_and_read_stage_by_stage() {
    let mut count = 0;
    for request in requests() {
        let which = format!("{:?} {}", request.dialect, request.name);
        let reading = request.read().unwrap_or_else(|problem| panic!("{which}: {problem}"));
        assert_eq!(Some(reading.string_to_sign.as_str()), request.json["string_to_sign"].as_str(), "{which}");
        assert_eq!(reading.canonical_request.as_deref(), request.json["canonical_request"].as_str(), "{which}");
        assert_eq!((reading.key_id.as_str(), reading.token()), (&*request.id, request.token.as_deref()), "{which}");
        assert_eq!(request.problems(), [], "{which}");
        count += 1;
    }
    assert_eq!(count, 319);
}

#[test]
fn each_signed_part_that_is_changed_is_refused() {
    for request in requests() {
        let which = format!("{:?} {}", request.dialect, request.name);
        let mut varied = vec![
            Request { secret: format!("{}x", request.secret), ..request.clone() },
            Request { body: format!("{}&Another=1", request.body), ..request.clone() },
        ];
        if !matches!(request.dialect, Dialect::CloudStack | Dialect::QingCloud | Dialect::AlibabaRpc) {
            varied.push(Request { host: "other.example".to_owned(), ..request.clone() });
        }
        if !matches!(request.dialect, Dialect::CloudStack | Dialect::AlibabaRpc) {
            varied.push(Request { path: format!("{}x", request.path), ..request.clone() });
        }
        for (name, value) in &request.fields {
            if name != "host" {
                varied.push(request.with_field(name, &format!("{value}0")));
                let fields = request.fields.iter().filter(|(other, _)| other != name).cloned().collect();
                varied.push(Request { fields, ..request.clone() });
            }
        }
        // each parameter that was sent: left out, and with another value
        let parameters: Vec<&str> = request.body.split('&').filter(|one| !one.is_empty()).collect();
        for (index, parameter) in parameters.iter().enumerate().take(40) {
            if request.dialect == Dialect::OpenStack && parameter.starts_with("SignatureMethod=") {
                continue; // see the test of this
            }
            let mut without = parameters.clone();
            without.remove(index);
            varied.push(Request { body: without.join("&"), ..request.clone() });
            let mut other = parameters.clone();
            let changed = format!("{}=changed", parameter.split('=').next().unwrap());
            other[index] = &changed;
            varied.push(Request { body: other.join("&"), ..request.clone() });
        }
        for (index, varied) in varied.iter().enumerate() {
            assert_ne!(varied.problems(), [], "{which} {index}: {}", varied.body);
        }
    }
}

#[test]
fn a_time_outside_of_the_window_is_refused_on_either_side_where_the_servers_do() {
    let minutes = SignedDuration::from_mins;
    // how many minutes a request may be old, and how far ahead; the vectors of CloudStack expire after 5
    for (dialect, behind, ahead) in [
        (Dialect::AwsV4, 5, Some(5)),
        (Dialect::OpenStack, 15, None),
        (Dialect::Nifcloud, 15, Some(15)),
        (Dialect::Eucalyptus, 15, Some(15)),
        (Dialect::CloudStack, 5, Some(10)),
        (Dialect::AlibabaRpc, 15, Some(15)),
        (Dialect::QingCloud, 15, Some(15)),
        (Dialect::TencentV1, 5, Some(5)),
    ] {
        let request = request(dialect, "minimal");
        // the time of some is cut to seconds
        let second = SignedDuration::from_secs(1);
        assert_eq!(request.problems_after(minutes(behind) - second), [], "{dialect:?}");
        let late = request.problems_after(minutes(behind) + second);
        assert!(matches!(late[..], [Problem::Time(_)]), "{dialect:?} {late:?}");
        match ahead {
            Some(ahead) => {
                assert_eq!(request.problems_after(-minutes(ahead) + second), [], "{dialect:?}");
                let early = request.problems_after(-minutes(ahead) - second);
                assert!(matches!(early[..], [Problem::Time(_)]), "{dialect:?} {early:?}");
            }
            None => assert_eq!(request.problems_after(-minutes(525_600)), [], "{dialect:?}"),
        }
    }
}

#[test]
fn a_constant_another_value_and_a_part_that_is_missing_are_named() {
    for (dialect, from, to, text) in [
        (Dialect::OpenStack, "SignatureVersion=2", "SignatureVersion=1", "SignatureVersion is not 2"),
        (Dialect::Nifcloud, "AccessKeyId=", "AWSAccessKeyId=", "the request has no AccessKeyId"),
        (Dialect::Eucalyptus, "HmacSHA256", "HmacMD5", "SignatureMethod is not HmacSHA256 or HmacSHA1"),
        (Dialect::CloudStack, "signatureVersion=3", "signatureVersion=2", "signatureVersion is not 3"),
        (Dialect::CloudStack, "&signatureVersion=3", "", "the request has no signatureVersion"),
        (Dialect::CloudStack, "%2B0000", "Z", "expires is not a time like %Y-%m-%dT%H:%M:%S%z"),
        (Dialect::AlibabaRpc, "HMAC-SHA1", "HMAC-SHA256", "SignatureMethod is not HMAC-SHA1"),
        (Dialect::AlibabaRpc, "SignatureVersion=1.0", "SignatureVersion=2", "SignatureVersion is not 1.0"),
        (Dialect::AlibabaRpc, "SignatureNonce=", "Nonce=", "the request has no SignatureNonce"),
        (Dialect::QingCloud, "signature_version=1", "signature_version=2", "signature_version is not 1"),
        (Dialect::QingCloud, "&version=1", "&version=2", "version is not 1"),
        (Dialect::TencentV1, "Nonce=", "Nonce=-", "Nonce is not a positive integer of 31 bits"),
        (Dialect::TencentV1, "Timestamp=", "Timestamp=x", "Timestamp is not a number of seconds since 1970"),
        (Dialect::TencentV1, "&Signature=", "&Other=", "the request has no Signature"),
    ] {
        let varied = request(dialect, "minimal").with_body(from, to);
        let texts: Vec<_> = varied.problems().iter().map(ToString::to_string).collect();
        assert_eq!(texts, [text], "{dialect:?} {from} {to}");
    }
    let v4 = request(Dialect::AwsV4, "minimal");
    let authorization = v4.json["signed_headers"]["authorization"].as_str().unwrap().to_owned();
    for (from, to, text) in [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512", "Authorization is not AWS4-HMAC-SHA256"),
        ("/us-east-1/", "/eu-central-1/", "the region of the Credential is not us-east-1"),
        ("/iam/", "/ec2/", "the service of the Credential is not iam"),
        ("/20261003/", "/20261004/", "the date of the Credential is not 20261003"),
        ("aws4_request", "request", "the last word of the Credential is not aws4_request"),
        ("content-type;host;", "content-type;", "the field 'host' is not signed"),
        (";x-amz-date", "", "the field 'x-amz-date' is not signed"),
        ("content-type;host", "host;content-type", "SignedHeaders is not a sorted list of names in lower case"),
        ("content-type;", "content-length;content-type;", "SignedHeaders names 'content-length', which the request"),
        ("Signature=", "Signature=F", "Authorization is not with a Signature of lower-case hexadecimal digits"),
        (", Signature=", ", Tag=", "Authorization is not of Credential, SignedHeaders and Signature"),
    ] {
        let varied = v4.with_field("authorization", &authorization.replacen(from, to, 1));
        let texts: Vec<_> = varied.problems().iter().map(ToString::to_string).collect();
        assert!(texts.len() == 1 && texts[0].starts_with(text), "{from}: {texts:?}");
    }
    let unsigned = v4.with_field("x-amz-security-token", "token").problems();
    assert_eq!(unsigned[0].to_string(), "the field 'x-amz-security-token' is not signed");
    let twice = Request { fields: [v4.fields.clone(), v4.fields.clone()].concat(), ..v4.clone() };
    assert_eq!(twice.problems()[0].to_string(), "'authorization' is there more than once");
}

#[test]
fn a_token_has_to_be_that_of_the_key() {
    for request in requests().filter(|request| request.token.is_some()) {
        let which = format!("{:?} {}", request.dialect, request.name);
        for token in [None, Some("another".to_owned())] {
            let other = Request { token, ..request.clone() }.problems();
            assert!(matches!(other[..], [Problem::WrongToken(_)]), "{which}: {other:?}");
        }
    }
}

#[test]
fn cloudstack_signs_neither_method_host_path_nor_letter_case() {
    let request = request(Dialect::CloudStack, "minimal");
    let elsewhere = Request { host: "other.example".to_owned(), path: "/x".to_owned(), ..request.clone() };
    assert_eq!(elsewhere.problems(), []);
    assert_eq!(request.with_body("listZones", "LISTZONES").problems(), []);
    // what a query string says counts as if it was in the form
    let body = request.body.replacen("response=json&", "", 1);
    let moved = Request { body, query: "response=json".to_owned(), ..request.clone() };
    assert_eq!(moved.problems(), []);
    // of two names that differ by case, an arbitrary one would win
    let twice = request.with_body("command=", "Command=listUsers&command=");
    assert_eq!(twice.problems()[0].to_string(), "'command' is there more than once");
}

#[test]
fn alibabas_rpc_style_signs_neither_host_nor_path() {
    let request = request(Dialect::AlibabaRpc, "minimal");
    let elsewhere = Request { host: "other.example".to_owned(), path: "/x".to_owned(), ..request.clone() };
    assert_eq!(elsewhere.problems(), []);
}

#[test]
fn qingcloud_signs_no_host_and_tencent_no_port() {
    let request_of_qingcloud = request(Dialect::QingCloud, "minimal");
    assert_eq!(Request { host: "other.example".to_owned(), ..request_of_qingcloud }.problems(), []);
    let request = request(Dialect::TencentV1, "minimal");
    assert_eq!(Request { host: format!("{}:8443", request.host), ..request }.problems(), []);
}

#[test]
fn tencent_cannot_tell_two_parameters_from_one_with_both_in_its_value() {
    let request = request(Dialect::TencentV1, "unsorted");
    // the same string is signed: only TLS keeps apart what was sent
    assert_eq!(request.with_body("&Zone=z", "%26Zone%3Dz").problems(), []);
    assert_ne!(request.with_body("&Zone=z", "%26Zone%3Dy").problems(), []);
}

#[test]
fn openstack_verifies_with_a_signature_method_of_its_own_whatever_the_request_says() {
    let request = request(Dialect::OpenStack, "minimal");
    for other in ["SignatureMethod=HmacSHA1&", "SignatureMethod=x&", ""] {
        assert_eq!(request.with_body("SignatureMethod=HmacSHA256&", other).problems(), [], "{other}");
    }
}

#[test]
fn openstack_and_eucalyptus_take_a_signature_for_the_host_without_its_port_too() {
    let request = requests().find(|one| one.dialect == Dialect::OpenStack && !one.host.contains(':')).unwrap();
    assert_eq!(Request { host: format!("{}:8443", request.host), ..request.clone() }.problems(), []);
    let as_eucalyptus = Request { dialect: Dialect::Eucalyptus, ..request.clone() };
    assert_eq!(Request { host: format!("{}:8443", request.host), ..as_eucalyptus }.problems(), []);
    // AWS takes the host as it is sent
    let as_aws = Request { dialect: Dialect::AwsV2, ..request.clone() };
    assert_eq!(as_aws.problems(), []);
    assert_eq!(Request { host: format!("{}:8443", request.host), ..as_aws }.problems(), [Problem::Mismatch]);
}

#[test]
fn every_dialect_signs_the_whole_form_and_those_of_the_head_their_query_too() {
    for (dialect, _) in VECTORS {
        let request = request(dialect, "minimal");
        let query = Request { query: format!("{}&More=1", request.query), ..request.clone() };
        assert_ne!(query.problems(), [], "{dialect:?}");
        if in_head(dialect) {
            // a field that is not named is not signed; the dialect's own have to be named
            assert_eq!(request.with_field("user-agent", "x").problems(), [], "{dialect:?}");
        }
    }
}

//! Tests of claims in heads, with the worked example of AWS's general reference on Signature Version 4.

use super::*;
use crate::credentials::SecretAccessKey;

const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SIGNATURE: &str = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
const SIGNED: &str = "content-type;host;x-amz-date";
const QUERY: &str = "Action=ListUsers&Version=2010-05-08";

type List = Vec<(String, String)>;

fn authorization(scope: &str, signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}/aws4_request, SignedHeaders={signed}, Signature={signature}"
    )
}

/// The fields of the example.
fn example() -> List {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        own("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        own("Host", "iam.amazonaws.com"),
        own("X-Amz-Date", "20150830T123600Z"),
        own("Authorization", &authorization("20150830/us-east-1/iam", SIGNED, SIGNATURE)),
    ]
}

fn fields(list: &List) -> Fields {
    list.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn key() -> SigningKey {
    SigningKey::new(&SecretAccessKey::new(SECRET).unwrap())
}

fn verify(list: &List, method: &str, path: &str, query: &str, body: &[u8]) -> Result<(), ClientSignatureError> {
    let fields = fields(list);
    let came = ReceivedParts { method, path, query, fields: &fields, body };
    HeadClaim::read(&fields)?.expect("a claim").verify(&came, &key())
}

/// The example after a change of its fields.
fn changed(change: impl FnOnce(&mut List)) -> Result<(), ClientSignatureError> {
    let mut list = example();
    change(&mut list);
    verify(&list, "GET", "/", QUERY, b"")
}

fn set(list: &mut List, name: &str, value: &str) {
    let field = list.iter_mut().find(|(field, _)| field == name).unwrap();
    value.clone_into(&mut field.1);
}

fn add(list: &mut List, name: &str, value: &str) {
    list.push((name.to_owned(), value.to_owned()));
}

#[test]
fn the_published_example_verifies() {
    assert_eq!(changed(|_| {}), Ok(()));
    let claim = HeadClaim::read(&fields(&example())).unwrap().unwrap();
    assert_eq!((claim.key_id(), claim.region(), claim.service()), ("AKIDEXAMPLE", "us-east-1", "iam"));
    let now = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(claim.check_time(now("2015-08-30T12:41:00Z")), Ok(()));
    assert!(matches!(claim.check_time(now("2015-08-30T12:41:01Z")), Err(ClientSignatureError::HeadTime(_))));
}

#[test]
fn white_space_and_the_order_of_parameters_change_nothing() {
    assert_eq!(changed(|list| set(list, "Content-Type", "application/x-www-form-urlencoded;   charset=utf-8")), Ok(()));
    assert_eq!(verify(&example(), "GET", "/", "Version=2010-05-08&Action=ListUsers", b""), Ok(()));
    assert_eq!(changed(|list| add(list, "User-Agent", "not signed")), Ok(()));
}

#[test]
fn a_change_of_any_signed_part_does_not_verify() {
    const MISMATCH: Result<(), ClientSignatureError> = Err(ClientSignatureError::Mismatch);
    let at = |method: &str, path: &str, query: &str, body: &[u8]| verify(&example(), method, path, query, body);
    assert_eq!(at("POST", "/", QUERY, b""), MISMATCH);
    assert_eq!(at("GET", "/x", QUERY, b""), MISMATCH);
    assert_eq!(at("GET", "/", "Action=ListUsers&Version=2010-05-08&A=1", b""), MISMATCH);
    assert_eq!(at("GET", "/", "", b""), MISMATCH);
    assert_eq!(at("GET", "/", QUERY, b"x"), MISMATCH);
    assert_eq!(changed(|list| set(list, "Host", "sts.amazonaws.com")), MISMATCH);
    assert_eq!(changed(|list| set(list, "Content-Type", "text/plain")), MISMATCH);
    assert_eq!(changed(|list| add(list, "content-type", "text/plain")), MISMATCH, "a second value");
    assert_eq!(changed(|list| set(list, "X-Amz-Date", "20150830T123601Z")), MISMATCH);
    for scope in ["20150830/eu-central-1/iam", "20150830/us-east-1/sts"] {
        assert_eq!(changed(|list| set(list, "Authorization", &authorization(scope, SIGNED, SIGNATURE))), MISMATCH);
    }
    let other = format!("{}8", &SIGNATURE[..63]);
    assert_eq!(
        changed(|list| set(list, "Authorization", &authorization("20150830/us-east-1/iam", SIGNED, &other))),
        MISMATCH
    );
}

#[test]
fn what_must_be_signed_is_named_when_it_is_not() {
    let with = |signed: &str| {
        changed(|list| set(list, "Authorization", &authorization("20150830/us-east-1/iam", signed, SIGNATURE)))
            .unwrap_err()
            .to_string()
    };
    assert!(with("content-type;x-amz-date").contains("'host' must be among the SignedHeaders"));
    assert!(with("content-type;host").contains("'x-amz-date' must be"));
    assert!(with("content-type;host;x-amz-date;x-more").contains("'x-more' is missing"));
    let unsigned = changed(|list| add(list, "X-Amz-Target", "x")).unwrap_err();
    assert!(unsigned.to_string().contains("'x-amz-target' must be"), "{unsigned}");
}

#[test]
fn a_claim_that_could_be_read_in_two_ways_or_is_of_another_day_is_refused() {
    let second = authorization("20150830/us-east-1/iam", SIGNED, SIGNATURE);
    for other in [second.as_str(), "Bearer x"] {
        let error = changed(|list| add(list, "authorization", other)).unwrap_err();
        assert!(error.to_string().contains("more than one Authorization"), "{error}");
    }
    assert!(changed(|list| add(list, "x-amz-date", "20150830T123600Z")).is_err(), "two times");
    assert!(changed(|list| set(list, "X-Amz-Date", "Sun, 30 Aug 2015 12:36:00 GMT")).is_err());
    assert_eq!(
        changed(|list| set(list, "X-Amz-Date", "20150831T000000Z")),
        Err(ClientSignatureError::ScopeDate),
        "the day of the scope is that of the time"
    );
}

#[test]
fn a_body_that_is_left_open_or_has_another_hash_is_refused_and_so_is_a_session_token() {
    let signed = "content-type;host;x-amz-content-sha256;x-amz-date";
    let with = |hash: &str| {
        changed(|list| {
            add(list, "x-amz-content-sha256", hash);
            set(list, "Authorization", &authorization("20150830/us-east-1/iam", signed, SIGNATURE));
        })
    };
    for hash in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "", &"0".repeat(64), &"A".repeat(64)] {
        assert_eq!(with(hash), Err(ClientSignatureError::BodyHash), "{hash}");
    }
    let token = changed(|list| {
        add(list, "x-amz-security-token", "x");
        let signed = "content-type;host;x-amz-date;x-amz-security-token";
        set(list, "Authorization", &authorization("20150830/us-east-1/iam", signed, SIGNATURE));
    });
    assert_eq!(token, Err(ClientSignatureError::SessionToken));
}

#[test]
fn a_head_with_another_authorization_or_none_claims_nothing() {
    for list in [vec![], vec![("Authorization".to_owned(), "Bearer AWS4-HMAC-SHA256".to_owned())]] {
        assert!(HeadClaim::read(&fields(&list)).unwrap().is_none());
    }
}

//! `countersign explain` as a shell uses it: two captured files, one cause, no value.

use std::fs;

use tempfile::TempDir;

use crate::harness::{ID, OTHER_SECRET, Outcome, SECRET, program};

const ENDPOINT: &str = "https://sdb.amazonaws.com/";
/// The value of a parameter, which must not be printed.
const VALUE: &str = "marked value";
const TIME: &str = "2011-06-20T22:30:59.556Z";
const DATE: &str = "Mon, 20 Jun 2011 22:31:01 GMT";

/// A form as `countersign sign` signs it, and the string it signed.
fn signed(secret: &str) -> (String, String) {
    let arguments = ["sign", "--explain", "--endpoint", ENDPOINT, "--access-key-id", ID, "--timestamp", TIME];
    let form = format!("Action=Select&SelectExpression={}&Version=2009-04-15", VALUE.replace(' ', "+"));
    let signed = run(&arguments, &[("AWS_SECRET_ACCESS_KEY", secret)], &form);
    let (_, string_to_sign) = signed.stderr.split_once("string to sign:\n").unwrap();
    (signed.stdout.trim_end().to_owned(), string_to_sign.trim_end().to_owned())
}

fn request(form: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: sdb.amazonaws.com\r\nContent-Length: {}\r\n\r\n{form}", form.len())
}

fn answer(date: &str, code: &str, message: &str) -> String {
    let message = quick_xml::escape::escape(message);
    format!(
        "HTTP/1.1 403 Forbidden\r\nDate: {date}\r\n\r\n<?xml version=\"1.0\"?>\n<Response><Errors><Error>\
         <Code>{code}</Code>\
         <Message>{message}</Message></Error></Errors><RequestID>1</RequestID></Response>"
    )
}

fn mismatch(expected: &str) -> String {
    answer(
        DATE,
        "SignatureDoesNotMatch",
        &format!("no.\n\nThe Canonical String for this request should have been\n'{expected}'\n"),
    )
}

/// Explains two captures.
#[track_caller]
fn explain(request: &str, answer: &str, more: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (request, answer) = (file("request", request), file("answer", answer));
    told(&[&["explain", "--request", &request, "--answer", &answer], more].concat(), environment)
}

/// Runs the program with only the given environment; it shows no secret and no value.
#[track_caller]
fn told(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let outcome = run(arguments, environment, "");
    outcome.shows_none_of(&["marked", SECRET, OTHER_SECRET, "2009-04-15", TIME]);
    outcome
}

fn run(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Outcome {
    Outcome::of(program().env_clear().args(arguments).envs(environment.iter().copied()), input)
}

#[test]
fn what_the_endpoint_would_have_signed_is_compared_with_the_request() {
    let (form, string_to_sign) = signed(SECRET);
    for (from, to, cause, why) in [
        ("sdb.amazonaws.com", "sdb.internal", "host", "the endpoint has another host"),
        ("sdb.amazonaws.com", "sdb.us-east-1.amazonaws.com", "host", "a host that differs by the region"),
        ("\n/\n", "\n/sdb\n", "path", "another path"),
        ("POST", "GET", "method", "another HTTP method"),
        ("%20", "+", "encoding", "another percent-encoding of 'SelectExpression' (spaces were signed as `+` there)"),
        ("Action=Select", "Action=Put", "parameters", "other contents of 'Action'"),
    ] {
        let told = explain(&request(&form), &mismatch(&string_to_sign.replacen(from, to, 1)), &[], &[]);
        assert_eq!(
            (told.code, told.stdout.lines().next()),
            (0, Some(&*format!("refused: {cause}"))),
            "{}",
            told.stdout
        );
        assert!(told.stdout.contains(why) && told.stdout.contains("do:  "), "{}", told.stdout);
    }
}

#[test]
fn equal_strings_leave_the_key_and_the_secret_tells_which_side_is_wrong() {
    let (form, string_to_sign) = signed(SECRET);
    let (request, answer) = (request(&form), mismatch(&string_to_sign));
    let told = explain(&request, &answer, &[], &[]);
    assert_eq!(told.code, 0);
    assert!(
        told.stdout.starts_with("refused: key\n") && told.stdout.contains("AWS_SECRET_ACCESS_KEY"),
        "{}",
        told.stdout
    );

    let ours = explain(&request, &answer, &[], &[("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert!(ours.stdout.contains("the signature is right for the secret access key"), "{}", ours.stdout);
    let other = explain(&request, &answer, &[], &[("AWS_SECRET_ACCESS_KEY", OTHER_SECRET)]);
    assert!(other.stdout.starts_with("refused: key\n") && other.stdout.contains("is another one"), "{}", other.stdout);
}

#[test]
fn without_an_echo_the_secret_still_finds_what_the_signer_did() {
    let (form, _) = signed(SECRET);
    let silent = answer(DATE, "SignatureDoesNotMatch", "no");
    let told = explain(&request(&form), &silent, &[], &[]);
    assert_eq!(told.code, 1);
    assert!(told.stdout.starts_with("refused: unknown\n") && told.stderr.contains("not found"), "{}", told.stderr);

    // signed for sdb.amazonaws.com, sent elsewhere
    let elsewhere = request(&form).replace("sdb.amazonaws.com", "sdb.amazonaws.com:8443");
    let told = explain(&elsewhere, &silent, &[], &[("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert_eq!(told.code, 0);
    assert!(told.stdout.starts_with("refused: host\n") && told.stdout.contains("without the port"), "{}", told.stdout);
}

#[test]
fn a_clock_that_is_off_is_told_by_code_and_by_date() {
    let (form, _) = signed(SECRET);
    for (date, code, cause, why) in [
        ("Mon, 20 Jun 2011 23:31:01 GMT", "RequestExpired", "clock", "60 minutes behind the endpoint's clock"),
        ("Mon, 20 Jun 2011 21:30:50 GMT", "RequestExpired", "clock", "60 minutes ahead of the endpoint's clock"),
        ("Mon, 20 Jun 2011 22:36:00 GMT", "AuthFailure", "clock", "5 minutes behind the endpoint's clock"),
        ("Mon, 20 Jun 2011 22:33:00 GMT", "AuthFailure", "unknown", "does not say what it would have signed"),
        ("", "RequestExpired", "clock", "does not say its own"),
    ] {
        let told = explain(&request(&form), &answer(date, code, "no"), &[], &[]);
        assert!(
            told.stdout.starts_with(&format!("refused: {cause}\n")) && told.stdout.contains(why),
            "{date}: {}",
            told.stdout
        );
    }
}

#[test]
fn captures_by_curl_and_bodies_alone_are_read() {
    let (form, string_to_sign) = signed(SECRET);
    let curl_request = format!("* Connected\n> POST / HTTP/1.1\n> Host: sdb.amazonaws.com\n> \n{form}\n");
    let expected = string_to_sign.replacen("sdb.", "x.", 1);
    let curl_answer = mismatch(&expected).replace("\r\n\r\n", "\r\n< \r\n").replace("HTTP/1.1 403", "< HTTP/1.1 403");
    let body = mismatch(&expected).split_once("\r\n\r\n").unwrap().1.to_owned();
    let endpoint = ["--endpoint", ENDPOINT];
    for (request, answer, more) in [(&curl_request, &curl_answer, &[][..]), (&form, &body, &endpoint)] {
        let told = explain(request, answer, more, &[]);
        assert_eq!(
            (told.code, told.stdout.lines().next()),
            (0, Some("refused: host")),
            "{}{}",
            told.stdout,
            told.stderr
        );
    }
}

#[test]
fn what_cannot_be_explained_is_said() {
    let (form, string_to_sign) = signed(SECRET);
    let good = mismatch(&string_to_sign);
    for (request, answer, code, why) in [
        (form.clone(), good.clone(), 65, "give --endpoint"),
        (request(&form).replace("POST", "GET"), good.clone(), 65, "is not a POST"),
        (request("Action=Select"), good.clone(), 65, "is not signed"),
        (request("a=%zz"), good, 65, "hexadecimal"),
        (request(&form), "HTTP/1.1 403 No\r\n\r\nno\n".to_owned(), 65, "has no error document"),
        (request(&form), answer(DATE, "NoSuchDomain", "no"), 1, "says nothing about a signature"),
    ] {
        let told = explain(&request, &answer, &[], &[]);
        assert_eq!(told.code, code, "{}", told.stderr);
        assert!(told.stderr.contains(why), "{}", told.stderr);
    }
    let told = told(&["explain", "--request", "/nonexistent", "--answer", "/nonexistent"], &[]);
    assert_eq!(told.code, 65);
    assert!(told.stderr.contains("/nonexistent: cannot be read"), "{}", told.stderr);
}

/// A request that `sign` signed for a dialect, as it was on the wire, and the string that it signed.
fn signed_in(dialect: &str, more: &[&str]) -> (String, String) {
    let operation = if dialect == "cloudstack" { "command" } else { "Action" };
    let operation = if dialect == "qingcloud" { "action" } else { operation };
    let fixed = ["sign", "--explain", "--headers", "--dialect", dialect, "--endpoint", "https://cloud.example/"];
    let more = [&["--access-key-id", ID, "--timestamp", TIME], more].concat();
    let form = format!("{operation}=Describe&Name={}", VALUE.replace(' ', "+"));
    let signed = run(&[&fixed[..], &more].concat(), &[("AWS_SECRET_ACCESS_KEY", SECRET)], &form);
    assert_eq!(signed.code, 0, "{}", signed.stderr);
    let (fields, body) = signed.stdout.trim_end_matches('\n').rsplit_once('\n').unwrap();
    let fields = fields.replace('\n', "\r\n");
    let host = if fields.contains("host: ") { "" } else { "Host: cloud.example\r\n" };
    let request = format!("POST / HTTP/1.1\r\n{host}{}\r\n\r\n{body}", fields.trim_end());
    let stage = if dialect == "aws-v4" { "canonical request:\n" } else { "string to sign:\n" };
    let text = signed.stderr.split_once(stage).unwrap().1.split("\n\nstring to sign:").next().unwrap();
    (request.replace("\r\n\r\n\r\n", "\r\n\r\n"), text.trim_end().to_owned())
}

fn document(date: &str, document: &str) -> String {
    format!("HTTP/1.1 403 Forbidden\r\nDate: {date}\r\n\r\n{document}")
}

const REALM: [&str; 4] = ["--region", "us-east-1", "--service", "iam"];

#[test]
fn the_canonical_request_of_version_4_and_alibabas_string_to_sign_are_compared() {
    let (v4, canonical) = signed_in("aws-v4", &REALM);
    let (rpc, string_to_sign) = signed_in("alibaba-rpc", &[]);
    let of_alibaba = |expected: &str| {
        let message = "Specified signature is not matched with our calculation. server string to sign is:".to_owned();
        let json = serde_json::json!({ "Code": "SignatureDoesNotMatch", "Message": message + expected });
        document(DATE, &json.to_string())
    };
    for (dialect, request, answer, cause, why) in [
        ("aws-v4", &v4, mismatch(&canonical.replacen("cloud.example", "other.example", 1)), "host", "another host"),
        ("aws-v4", &v4, mismatch(&canonical.replacen("; charset=utf-8", "", 1)), "fields", "'content-type'"),
        ("aws-v4", &v4, mismatch(&canonical.replacen("POST\n/\n", "POST\n/v1\n", 1)), "path", "another path"),
        ("aws-v4", &v4, mismatch(&canonical), "key", "what this request has to be signed as"),
        ("alibaba-rpc", &rpc, of_alibaba(&string_to_sign.replacen("Describe", "Delete", 1)), "parameters", "'Action'"),
        ("alibaba-rpc", &rpc, of_alibaba(&string_to_sign.replacen("%2520", "%2B", 1)), "encoding", "of 'Name'"),
        ("alibaba-rpc", &rpc, of_alibaba(&string_to_sign), "key", "what this request has to be signed as"),
    ] {
        let told = explain(request, &answer, &["--dialect", dialect], &[]);
        assert!(told.stdout.starts_with(&format!("refused: {cause}\n")), "{dialect}: {}{}", told.stdout, told.stderr);
        assert!(told.stdout.contains(why) && told.stdout.contains("do:  "), "{dialect}: {}", told.stdout);
    }
}

#[test]
fn a_refusal_of_each_dialect_is_explained_from_its_own_document() {
    let heat = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User is not authorized to perform action\
                </Message></Error></ErrorResponse>";
    let cloudstack = "unable to verify user credentials and/or request signature";
    let in_xml = format!("<aresponse><errorcode>401</errorcode><errortext>{cloudstack}</errortext></aresponse>");
    let in_json = format!("{{\"aresponse\":{{\"errorcode\":401,\"errortext\":\"{cloudstack}\"}}}}");
    let tencent = "{\"Response\":{\"Error\":{\"Code\":\"AuthFailure.SignatureFailure\",\"Message\":\"no\"}}}";
    let qingcloud = "{\"ret_code\":1200,\"message\":\"AuthFailure\"}";
    for (dialect, said) in [
        ("openstack", heat),
        ("cloudstack", &in_xml),
        ("cloudstack", &in_json),
        ("tencent-v1", tencent),
        ("qingcloud", qingcloud),
    ] {
        let (request, _) = signed_in(dialect, &[]);
        let dialect_of = ["--dialect", dialect];
        let told = explain(&request, &document(DATE, said), &dialect_of, &[]);
        assert_eq!((told.code, told.stdout.lines().next()), (1, Some("refused: unknown")), "{dialect} {}", told.stderr);
        // the secret tells more
        let right = explain(&request, &document(DATE, said), &dialect_of, &[("AWS_SECRET_ACCESS_KEY", SECRET)]);
        assert!(right.stdout.contains("the signature is right for the secret"), "{dialect}: {}", right.stdout);
        // and so does the clock
        let late = document("Mon, 20 Jun 2011 23:31:01 GMT", said);
        let told = explain(&request, &late, &dialect_of, &[]);
        assert!(told.stdout.contains("60 minutes behind the endpoint's clock"), "{dialect}: {}", told.stdout);
    }
    let (request, _) = signed_in("alibaba-rpc", &[]);
    for (code, cause) in [
        ("InvalidAccessKeyId.NotFound", "key_id"),
        ("SignatureNonceUsed", "nonce"),
        ("InvalidTimeStamp.Expired", "clock"),
    ] {
        let said = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        let told = explain(&request, &document(DATE, &said), &["--dialect", "alibaba-rpc"], &[]);
        assert!(told.stdout.starts_with(&format!("refused: {cause}\n")), "{code}: {}", told.stdout);
    }
    // a success of a cloud that answers 200 to refusals is none
    let told = explain(&request, &document(DATE, "{\"ret_code\":0}"), &["--dialect", "qingcloud"], &[]);
    assert!(told.code == 65 && told.stderr.contains("has no error document of this dialect"), "{}", told.stderr);
}

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

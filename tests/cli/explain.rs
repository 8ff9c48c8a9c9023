//! `countersign explain` as a shell uses it: two captured files, one cause, no value.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const OTHER_SECRET: &str = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY";
const ENDPOINT: &str = "https://sdb.amazonaws.com/";
/// The value of a parameter, which must not be printed.
const VALUE: &str = "marked value";
const TIME: &str = "2011-06-20T22:30:59.556Z";
const DATE: &str = "Mon, 20 Jun 2011 22:31:01 GMT";

fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command
}

/// A form as `countersign sign` signs it, and the string it signed.
fn signed(secret: &str) -> (String, String) {
    let arguments = ["sign", "--explain", "--endpoint", ENDPOINT, "--access-key-id", ID, "--timestamp", TIME];
    let mut command = program(&arguments, &[("AWS_SECRET_ACCESS_KEY", secret)]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let form = format!("Action=Select&SelectExpression={}&Version=2009-04-15", VALUE.replace(' ', "+"));
    child.stdin.take().unwrap().write_all(form.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let explained = String::from_utf8(output.stderr).unwrap();
    let (_, string_to_sign) = explained.split_once("string to sign:\n").unwrap();
    (String::from_utf8(output.stdout).unwrap().trim_end().to_owned(), string_to_sign.trim_end().to_owned())
}

fn request(form: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: sdb.amazonaws.com\r\nContent-Length: {}\r\n\r\n{form}", form.len())
}

fn answer(date: &str, code: &str, message: &str) -> String {
    let message = quick_xml::escape::escape(message);
    format!(
        "HTTP/1.1 403 Forbidden\r\nDate: {date}\r\n\r\n<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>{code}</Code>\
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

struct Told {
    code: Option<i32>,
    text: String,
    error: String,
}

/// Explains two captures.
#[track_caller]
fn explain(request: &str, answer: &str, more: &[&str], environment: &[(&str, &str)]) -> Told {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (request, answer) = (file("request", request), file("answer", answer));
    told(&[&["explain", "--request", &request, "--answer", &answer], more].concat(), environment)
}

#[track_caller]
fn told(arguments: &[&str], environment: &[(&str, &str)]) -> Told {
    let output = program(arguments, environment).output().unwrap();
    let [text, error] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    for printed in [&text, &error] {
        for hidden in ["marked", SECRET, OTHER_SECRET, "2009-04-15", TIME] {
            assert!(!printed.contains(hidden), "{hidden} was printed: {printed}");
        }
        assert!(!printed.contains("panicked"), "{printed}");
    }
    Told { code: output.status.code(), text, error }
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
            (told.code, told.text.lines().next()),
            (Some(0), Some(&*format!("refused: {cause}"))),
            "{}",
            told.text
        );
        assert!(told.text.contains(why) && told.text.contains("do:  "), "{}", told.text);
    }
}

#[test]
fn equal_strings_leave_the_key_and_the_secret_tells_which_side_is_wrong() {
    let (form, string_to_sign) = signed(SECRET);
    let (request, answer) = (request(&form), mismatch(&string_to_sign));
    let told = explain(&request, &answer, &[], &[]);
    assert_eq!(told.code, Some(0));
    assert!(told.text.starts_with("refused: key\n") && told.text.contains("AWS_SECRET_ACCESS_KEY"), "{}", told.text);

    let ours = explain(&request, &answer, &[], &[("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert!(ours.text.contains("the signature is right for the secret access key"), "{}", ours.text);
    let other = explain(&request, &answer, &[], &[("AWS_SECRET_ACCESS_KEY", OTHER_SECRET)]);
    assert!(other.text.starts_with("refused: key\n") && other.text.contains("is another one"), "{}", other.text);
}

#[test]
fn without_an_echo_the_secret_still_finds_what_the_signer_did() {
    let (form, _) = signed(SECRET);
    let silent = answer(DATE, "SignatureDoesNotMatch", "no");
    let told = explain(&request(&form), &silent, &[], &[]);
    assert_eq!(told.code, Some(1));
    assert!(told.text.starts_with("refused: unknown\n") && told.error.contains("not found"), "{}", told.error);

    // signed for sdb.amazonaws.com, sent elsewhere
    let elsewhere = request(&form).replace("sdb.amazonaws.com", "sdb.amazonaws.com:8443");
    let told = explain(&elsewhere, &silent, &[], &[("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert_eq!(told.code, Some(0));
    assert!(told.text.starts_with("refused: host\n") && told.text.contains("without the port"), "{}", told.text);
}

#[test]
fn a_clock_that_is_off_is_told_by_code_and_by_date() {
    let (form, _) = signed(SECRET);
    for (date, code, cause, why) in [
        ("Mon, 20 Jun 2011 23:31:01 GMT", "RequestExpired", "clock", "60 minutes behind the endpoint's clock"),
        ("Mon, 20 Jun 2011 21:30:50 GMT", "RequestExpired", "clock", "60 minutes ahead of the endpoint's clock"),
        ("Mon, 20 Jun 2011 22:36:00 GMT", "AuthFailure", "clock", "5 minutes behind the endpoint's clock"),
        ("Mon, 20 Jun 2011 22:33:00 GMT", "AuthFailure", "unknown", "does not say what it would have signed"),
        ("", "RequestExpired", "clock", "its own it does not tell"),
    ] {
        let told = explain(&request(&form), &answer(date, code, "no"), &[], &[]);
        assert!(
            told.text.starts_with(&format!("refused: {cause}\n")) && told.text.contains(why),
            "{date}: {}",
            told.text
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
            (told.code, told.text.lines().next()),
            (Some(0), Some("refused: host")),
            "{}{}",
            told.text,
            told.error
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
        assert_eq!(told.code, Some(code), "{}", told.error);
        assert!(told.error.contains(why), "{}", told.error);
    }
    let told = told(&["explain", "--request", "/nonexistent", "--answer", "/nonexistent"], &[]);
    assert_eq!(told.code, Some(65));
    assert!(told.error.contains("/nonexistent: cannot be read"), "{}", told.error);
}

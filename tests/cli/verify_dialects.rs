//! `countersign verify --dialect`: every dialect, as a shell uses it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::credentials::{KeyUse, SecretAccessKey, SignatureMethod, SigningKey};
use countersign::query::percent;
use serde_json::Value;

use crate::harness::{ID, OTHER_SECRET, Outcome, SECRET, Setup, program};
use crate::sign_dialects::VECTORS;

const TIME: &str = "2026-10-03T15:19:30Z";

fn run(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Outcome {
    let outcome = Outcome::of(program().env_clear().args(arguments).envs(environment.iter().copied()), input);
    outcome.shows_none_of(&[SECRET, OTHER_SECRET]);
    outcome
}

/// What `sign --headers` prints.
fn signed(dialect: &str, endpoint: &str, form: &str) -> String {
    let arguments = ["sign", "--headers", "--dialect", dialect, "--endpoint", endpoint, "--access-key-id", ID];
    let more = ["--timestamp", TIME];
    let signed = run(&[&arguments[..], &more, realm(dialect)].concat(), &[("AWS_SECRET_ACCESS_KEY", SECRET)], form);
    signed.succeeded()
}

fn verify(dialect: &str, endpoint: &str, secret: &str, input: &str) -> Outcome {
    let arguments = ["verify", "--dialect", dialect, "--endpoint", endpoint, "--at", TIME];
    run(&[&arguments[..], realm(dialect)].concat(), &[("AWS_SECRET_ACCESS_KEY", secret)], input)
}

fn realm(dialect: &str) -> &'static [&'static str] {
    if dialect == "aws-v4" { &["--region", "us-east-1", "--service", "iam"] } else { &[] }
}

/// The causes that are named.
fn causes(outcome: &Outcome) -> Vec<&str> {
    assert_eq!(outcome.code, 1, "{}{}", outcome.stdout, outcome.stderr);
    outcome.stdout.lines().filter_map(|line| line.strip_prefix("  why: ")).collect()
}

#[test]
fn vectors_of_every_dialect_verify_as_captured_requests() {
    for (dialect, text) in VECTORS {
        // the first ones, and all that have a token: the library's tests have the others
        let has_token = |line: &str| !line.contains("\"session_token\": null");
        for line in text.lines().enumerate().filter(|(at, line)| *at < 3 || has_token(line)).map(|(_, line)| line) {
            let case: Value = serde_json::from_str(line).unwrap();
            let given = |name: &str| case[name].as_str();
            let mut environment = vec![("AWS_SECRET_ACCESS_KEY", given("secret").unwrap())];
            environment.extend(given("session_token").map(|token| ("AWS_SESSION_TOKEN", token)));
            let mut arguments = vec!["verify", "--dialect", dialect, "--endpoint", given("endpoint").unwrap()];
            arguments.extend(["--at", given("timestamp").unwrap()]);
            for (option, name) in [("--region", "region"), ("--service", "service")] {
                arguments.extend(given(name).into_iter().flat_map(|value| [option, value]));
            }
            let mut capture = format!("POST {} HTTP/1.1\r\n", given("request_target").unwrap_or("/"));
            for (name, value) in case["signed_headers"].as_object().into_iter().flatten() {
                capture.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
            }
            let outcome = run(&arguments, &environment, &format!("{capture}\r\n{}", given("signed_body").unwrap()));
            assert_eq!(outcome.code, 0, "{dialect} {}: {}{}", case["name"], outcome.stdout, outcome.stderr);
            let expected = format!("verifies: signed by {} as {dialect} wants it", given("access_key_id").unwrap());
            assert!(outcome.stdout.starts_with(&expected), "{}", outcome.stdout);
        }
    }
}

#[test]
fn what_sign_prints_with_its_fields_verifies_and_with_another_key_does_not() {
    for (dialect, endpoint, form) in [
        ("aws-v4", "https://iam.amazonaws.com/", "Action=ListUsers&Path=a+b"),
        ("openstack", "http://heat.example:8000/v1/", "Action=ListStacks"),
        ("nifcloud", "https://east.computing.example/api/", "Action=DescribeInstances"),
        ("eucalyptus", "http://euca.example:8773/", "Action=DescribeInstances"),
        ("cloudstack", "https://cloud.example/client/api", "command=listZones&name=a*~"),
        ("alibaba-rpc", "https://ecs.example/", "Action=DescribeRegions"),
        ("qingcloud", "https://api.example/iaas/", "action=DescribeInstances"),
        ("tencent-v1", "https://cvm.example/", "Action=DescribeInstances"),
        ("alibaba-acs3", "https://ecs.example/", "Action=DescribeRegions&Version=1&A=b"),
    ] {
        let input = signed(dialect, endpoint, form);
        let outcome = verify(dialect, endpoint, SECRET, &input);
        assert_eq!(outcome.code, 0, "{dialect}: {}{}", outcome.stdout, outcome.stderr);
        let other = verify(dialect, endpoint, OTHER_SECRET, &input);
        assert!(causes(&other)[0].starts_with("no usual mistake explains it"), "{dialect}: {}", other.stdout);
    }
}

#[test]
fn a_signature_for_another_host_or_path_is_named_where_they_are_signed() {
    for (dialect, endpoint, sent_to, cause) in [
        ("aws-v4", "https://iam.example/", "https://iam.amazonaws.com/", "it was made for another host, `iam.example`"),
        ("nifcloud", "https://h.example/api", "https://h.example/api/", "it was made for path `/api`"),
        ("tencent-v1", "https://h.example/a", "https://h.example/", "it was made for another path, `/a`"),
        ("qingcloud", "https://h.example/", "https://h.example/iaas/", "it was made for another path, `/`"),
    ] {
        let name = if dialect == "qingcloud" { "action" } else { "Action" };
        let input = signed(dialect, endpoint, &format!("{name}=A"));
        let arguments = ["verify", "--dialect", dialect, "--endpoint", sent_to, "--suspect", endpoint, "--at", TIME];
        let arguments = [&arguments[..], realm(dialect)].concat();
        let outcome = run(&arguments, &[("AWS_SECRET_ACCESS_KEY", SECRET)], &input);
        assert!(causes(&outcome)[0].starts_with(cause), "{dialect}: {}", outcome.stdout);
    }
}

#[test]
fn a_parameter_that_was_added_and_another_encoding_or_method_are_named() {
    let added = signed("cloudstack", "https://cloud.example/client/api", "command=listZones").trim().to_owned();
    let outcome = verify("cloudstack", "https://cloud.example/client/api", SECRET, &format!("{added}&more=1"));
    assert!(causes(&outcome)[0].starts_with("parameter 'more' was added"), "{}", outcome.stdout);

    let key = SigningKey::new(&SecretAccessKey::new(SECRET.as_bytes()).unwrap());
    let alibaba = format!(
        "AccessKeyId={ID}&Action=A&Name=a%20b&SignatureMethod=HMAC-SHA1&SignatureNonce=n&SignatureVersion=1.0\
         &Timestamp=2026-10-03T15%3A19%3A30Z"
    );
    let qingcloud = format!(
        "access_key_id={ID}&action=A&signature_method=HmacSHA256&signature_version=1\
         &time_stamp=2026-10-03T15%3A19%3A30Z&version=1"
    );
    let plus = format!("POST&%2F&{}", percent::encode(&alibaba.replace("%20", "+")));
    for (dialect, form, signature, signed, use_of_key, cause) in [
        ("alibaba-rpc", &alibaba, "Signature", plus, KeyUse::SecretAndAmpersand, "spaces were signed as `+`"),
        (
            "qingcloud",
            &qingcloud,
            "signature",
            format!("GET\n/\n{qingcloud}"),
            KeyUse::Secret(SignatureMethod::HmacSha256),
            "it was made for a GET request, and this is a POST",
        ),
    ] {
        let mac = STANDARD.encode(key.mac_with(&use_of_key, signed.as_bytes()).as_bytes());
        let input = format!("{form}&{signature}={}", percent::encode(&mac));
        let outcome = verify(dialect, "https://cloud.example/", SECRET, &input);
        assert_eq!(causes(&outcome), [cause]);
    }
}

#[test]
fn each_problem_of_a_signature_is_named_with_what_to_do() {
    let v4 = signed("aws-v4", "https://iam.amazonaws.com/", "Action=ListUsers");
    let body_alone = v4.trim_end().rsplit_once('\n').unwrap().1.to_owned();
    for (dialect, input, verdict) in [
        ("aws-v4", body_alone, "the request is not signed: it has no Authorization"),
        ("aws-v4", v4.replace("/iam/", "/ec2/"), "the service of the Credential is not iam"),
        ("aws-v4", v4.replace("x-amz-date: ", "x-other: "), "the request has no x-amz-date"),
        ("cloudstack", "command=listZones".to_owned(), "the request is not signed: it has no apiKey"),
        ("alibaba-rpc", "Action=A&Signature=x".to_owned(), "the request has no AccessKeyId"),
    ] {
        let outcome = verify(dialect, "https://iam.amazonaws.com/", SECRET, &input);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        let mut lines = outcome.stdout.lines();
        assert_eq!(lines.next().unwrap(), format!("does not verify: {verdict}"));
        assert!(lines.next().unwrap().starts_with("  do:  "), "{}", outcome.stdout);
    }
    let arguments = ["verify", "--dialect", "aws-v4", "--endpoint", "https://iam.amazonaws.com/"];
    let later = [&arguments[..], realm("aws-v4"), &["--at", "2026-10-03T15:24:31Z"]].concat();
    let outcome = run(&later, &[("AWS_SECRET_ACCESS_KEY", SECRET)], &v4);
    let verdict = "does not verify: x-amz-date is 301 seconds behind the verifier's clock; at most 300 are allowed\n";
    assert!(outcome.stdout.starts_with(verdict), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("the signature itself matches"), "{}", outcome.stdout);

    let without_region = run(&arguments, &[("AWS_SECRET_ACCESS_KEY", SECRET)], &v4);
    without_region.failed(78, "aws-v4 signs for a region and a service");
    verify("cloudstack", "https://cloud.example/", SECRET, "a=%zz").failed(65, "is not percent-encoded UTF-8");
}

#[test]
fn sign_signs_for_a_route_as_the_routes_dialect_has_it() {
    for (dialect, endpoint, form) in [
        ("aws-v4", "https://iam.amazonaws.com/", "Action=ListUsers&Path=a+b"),
        ("cloudstack", "https://cloud.example/client/api", "command=listZones"),
        ("alibaba-rpc", "https://ecs.example/", "Action=DescribeRegions"),
        ("tencent-v1", "https://cvm.example/", "Action=DescribeInstances"),
    ] {
        let realm = if dialect == "aws-v4" { ", region = \"us-east-1\", service = \"iam\"" } else { "" };
        let setup = Setup::to_url(endpoint).route(&format!("profile = {{ dialect = \"{dialect}\"{realm} }}"));
        let mut command = setup.command("sign");
        command.args(["--route", "importexport", "--headers", "--timestamp", TIME]);
        let outcome = verify(dialect, endpoint, SECRET, &Outcome::of(&mut command, form).succeeded());
        assert_eq!(outcome.code, 0, "{dialect}: {}{}", outcome.stdout, outcome.stderr);
    }
}

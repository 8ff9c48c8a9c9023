//! `countersign sign --dialect`: every dialect, as a shell uses it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::{ID, Outcome, SECRET, program};

pub const VECTORS: [(&str, &str); 10] = [
    ("aws-v4", include_str!("../vectors/dialects/aws-v4.jsonl")),
    ("openstack", include_str!("../vectors/dialects/openstack.jsonl")),
    ("nifcloud", include_str!("../vectors/dialects/nifcloud.jsonl")),
    ("eucalyptus", include_str!("../vectors/dialects/eucalyptus.jsonl")),
    ("cloudstack", include_str!("../vectors/dialects/cloudstack.jsonl")),
    ("alibaba-rpc", include_str!("../vectors/dialects/alibaba-rpc.jsonl")),
    ("qingcloud", include_str!("../vectors/dialects/qingcloud.jsonl")),
    ("tencent-v1", include_str!("../vectors/dialects/tencent-v1.jsonl")),
    ("alibaba-acs3", include_str!("../vectors/dialects/alibaba-acs3.jsonl")),
    ("volcengine", include_str!("../vectors/dialects/volcengine.jsonl")),
];

/// A case of AWS's test suite whose content type has no charset, and whose form has no Action: neither is ever sent.
const WITHOUT_CHARSET: &str = "aws-suite-post-x-www-form-urlencoded";

fn run(arguments: &[&str], secret: &str, input: &str) -> Outcome {
    let outcome =
        Outcome::of(program().env_clear().args(arguments).env("AWS_SECRET_ACCESS_KEY", secret), input.as_bytes());
    // a secret of one byte is found everywhere
    if secret.len() > 4 {
        outcome.shows_none_of(&[secret]);
    }
    outcome
}

/// Fields of the head and the form of what `--headers` prints.
fn parts(output: &str) -> (BTreeMap<&str, &str>, &str) {
    let (head, body) = output.strip_suffix('\n').unwrap().rsplit_once('\n').unwrap();
    let fields = head.lines().take_while(|line| !line.is_empty()).map(|line| line.split_once(": ").unwrap());
    (fields.collect(), body)
}

#[test]
fn every_vector_of_every_dialect_is_signed_with_its_fields_and_explained() {
    for (dialect, text) in VECTORS {
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            if case["name"] == WITHOUT_CHARSET {
                continue;
            }
            let given = |name: &str| case[name].as_str();
            let mut arguments = vec!["sign", "--dialect", dialect, "--headers", "--explain"];
            for (option, name) in [
                ("--endpoint", "endpoint"),
                ("--access-key-id", "access_key_id"),
                ("--session-token", "session_token"),
                ("--timestamp", "timestamp"),
                ("--nonce", "nonce"),
                ("--region", "region"),
                ("--service", "service"),
            ] {
                arguments.extend(given(name).into_iter().flat_map(|value| [option, value]));
            }
            let outcome = run(&arguments, given("secret").unwrap(), given("body").unwrap());
            let which = format!("{dialect} {}: {}", case["name"], outcome.stderr);
            assert_eq!(outcome.code, 0, "{which}");
            let (fields, body) = parts(&outcome.stdout);
            assert_eq!(Some(body), given("signed_body"), "{which}");
            let expected = case["signed_headers"].as_object().into_iter().flatten();
            let expected: BTreeMap<_, _> = expected.map(|(name, value)| (&**name, value.as_str().unwrap())).collect();
            assert_eq!(fields, expected, "{which}");
            let stages = [given("canonical_request"), given("string_to_sign")];
            for stage in stages.into_iter().flatten() {
                assert!(outcome.stderr.contains(stage), "{which}");
            }
        }
    }
}

#[test]
fn a_dialect_with_a_nonce_is_given_another_one_for_each_request() {
    for dialect in ["alibaba-rpc", "tencent-v1"] {
        let sign = || {
            let arguments =
                ["sign", "--dialect", dialect, "--endpoint", "https://cloud.example/", "--access-key-id", ID];
            run(&arguments, SECRET, "Action=DescribeRegions").stdout
        };
        assert_ne!(sign(), sign(), "{dialect}");
    }
}

#[test]
fn cloudstack_expires_when_it_is_told_to() {
    let arguments = ["sign", "--dialect", "cloudstack", "--endpoint", "https://cloud.example/client/api"];
    let more = ["--access-key-id", ID, "--timestamp", "2026-10-03T15:19:30Z", "--expires", "60"];
    let outcome = run(&[&arguments[..], &more].concat(), SECRET, "command=listZones");
    assert!(outcome.stdout.contains("&expires=2026-10-03T15%3A20%3A30%2B0000&"), "{}", outcome.stdout);
}

#[test]
fn what_a_dialect_cannot_sign_is_refused_with_the_reason() {
    let sign = |arguments: &[&str], form: &str| {
        let fixed = ["sign", "--access-key-id", ID, "--dialect"];
        let outcome = run(&[&fixed, arguments].concat(), SECRET, form);
        assert_eq!(outcome.stdout, "");
        (outcome.code, outcome.stderr)
    };
    let endpoint = ["--endpoint", "https://cloud.example/"];
    for (arguments, form, code, reason) in [
        (vec!["aws-v4"], "Action=A", 78, "aws-v4 signs for a region and a service: say the region"),
        (vec!["aws-v2", "--region", "r", "--service", "s"], "Action=A", 78, "aws-v2 signs for no region"),
        (vec!["openstack", "--method", "HmacSHA1"], "Action=A", 78, "openstack is signed with HmacSHA256 only"),
        (vec!["cloudstack"], "Action=A", 65, "the form has no command"),
        (vec!["cloudstack"], "command=listZones&a b=1", 65, "a character that no name of this dialect may have"),
        (vec!["cloudstack"], "command=listZones&APIKEY=1", 65, "could be taken for the reserved parameter apiKey"),
        (vec!["tencent-v1"], "Action=A&a_b=1", 65, "a character that no name of this dialect may have"),
    ] {
        let (actual, message) = sign(&[&arguments[..], &endpoint].concat(), form);
        assert_eq!(actual, code, "{arguments:?}: {message}");
        assert!(message.contains(reason), "{arguments:?}: {message}");
    }
    let (code, message) = sign(&["alibaba-rpc", "--endpoint", "https://cloud.example/a"], "Action=A");
    assert_eq!((code, message.contains("an endpoint of alibaba-rpc has a path of `/` alone")), (78, true), "{message}");
}

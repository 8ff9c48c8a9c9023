//! Routes of every dialect: what the endpoint receives is what `countersign sign` signs for the same time and nonce,
//! which is held to the vectors of independent implementations.

use std::io::Write as _;
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};

use crate::harness::{Draft, Endpoint, ID, Received, SECRET, Setup};

/// A dialect, the lines of a route's profile that it needs, and where its time and nonce stand.
struct Case {
    dialect: &'static str,
    profile: &'static str,
    operation: &'static str,
    time: fn(&Received) -> Timestamp,
    nonce: Option<fn(&Received) -> String>,
}

const CASES: [Case; 9] = [
    Case { dialect: "aws-v2", profile: "", operation: "Action", time: timestamp, nonce: None },
    Case { dialect: "openstack", profile: "", operation: "Action", time: timestamp, nonce: None },
    Case { dialect: "nifcloud", profile: "", operation: "Action", time: timestamp, nonce: None },
    Case { dialect: "eucalyptus", profile: "", operation: "Action", time: timestamp, nonce: None },
    Case {
        dialect: "aws-v4",
        profile: ", region = \"eu-central-1\", service = \"ec2\"",
        operation: "Action",
        time: |request| {
            let basic = field(request, "x-amz-date");
            jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", basic)
                .unwrap()
                .to_zoned(jiff::tz::TimeZone::UTC)
                .unwrap()
                .into()
        },
        nonce: Some(|request| field(request, "x-countersign-id").to_owned()),
    },
    Case {
        dialect: "cloudstack",
        profile: "",
        operation: "command",
        time: |request| {
            let expires: Timestamp = request.parameter("expires").parse().unwrap();
            expires - SignedDuration::from_secs(300)
        },
        nonce: None,
    },
    Case {
        dialect: "alibaba-rpc",
        profile: "",
        operation: "Action",
        time: timestamp,
        nonce: Some(|request| request.parameter("SignatureNonce")),
    },
    Case {
        dialect: "qingcloud",
        profile: "",
        operation: "action",
        time: |request| request.parameter("time_stamp").parse().unwrap(),
        nonce: None,
    },
    Case {
        dialect: "tencent-v1",
        profile: "",
        operation: "Action",
        time: |request| Timestamp::from_second(request.parameter("Timestamp").parse().unwrap()).unwrap(),
        nonce: Some(|request| request.parameter("Nonce")),
    },
];

fn timestamp(request: &Received) -> Timestamp {
    request.parameter("Timestamp").parse().unwrap()
}

fn field<'r>(request: &'r Received, name: &str) -> &'r str {
    request.head.field(name).unwrap_or_else(|| panic!("no {name} in {:?}", request.head))
}

/// The fields and the form that the command prints for the same form, time and nonce.
fn signed_by_the_command(case: &Case, request: &Received, form: &str) -> (Vec<(String, String)>, String) {
    let endpoint = format!("http://{}/", field(request, "host"));
    let time = (case.time)(request);
    let has_milliseconds = ["aws-v2", "openstack", "eucalyptus"].contains(&case.dialect);
    // a time that is given keeps its text, and the text of one that is not has three digits
    let time = if has_milliseconds { format!("{time:.3}") } else { time.to_string() };
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["sign", "--headers", "--dialect", case.dialect, "--endpoint", &endpoint, "--access-key-id", ID]);
    command.args(["--timestamp", &time]);
    if let Some(nonce) = case.nonce {
        command.args(["--nonce", &nonce(request)]);
    }
    if case.dialect == "aws-v4" {
        command.args(["--region", "eu-central-1", "--service", "ec2"]);
    }
    command.env("AWS_SECRET_ACCESS_KEY", SECRET).env_remove("AWS_SESSION_TOKEN");
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(form.as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", case.dialect);
    let printed = String::from_utf8(output.stdout).unwrap();
    let (fields, body) = printed.split_once("\n\n").or_else(|| Some(("", printed.strip_prefix('\n')?))).unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    (fields.lines().map(pair).collect(), body.trim_end_matches('\n').to_owned())
}

#[test]
fn a_route_of_every_dialect_sends_what_the_command_signs() {
    let endpoint = Endpoint::obliging();
    for case in &CASES {
        let profile = format!("profile = {{ dialect = \"{}\"{} }}", case.dialect, case.profile);
        let proxy = Setup::to(&endpoint).route(&profile).start();
        let form = format!("{}=GetThings&a.1=x+%2B~*%25&b=&z=%C3%A9%26%3D", case.operation);
        proxy.post(&form).expect(200);
        let request = endpoint.requests().pop().unwrap();
        let (fields, body) = signed_by_the_command(case, &request, &form);
        assert_eq!(request.text(), body, "{}", case.dialect);
        for (name, value) in &fields {
            assert_eq!(field(&request, name), value, "{}", case.dialect);
        }
        assert_eq!(fields.is_empty(), case.dialect != "aws-v4");
    }
}

#[test]
fn two_equal_forms_of_one_second_have_different_signatures_where_the_dialect_has_room_for_a_nonce() {
    let endpoint = Endpoint::obliging();
    for case in CASES.iter().filter(|case| case.nonce.is_some()) {
        let profile = format!("profile = {{ dialect = \"{}\"{} }}", case.dialect, case.profile);
        let proxy = Setup::to(&endpoint).route(&profile).start();
        let form = format!("{}=GetThings", case.operation);
        for _ in 0..20 {
            proxy.post(&form).expect(200);
        }
        let requests = endpoint.requests();
        let mut sent: Vec<String> = requests[requests.len() - 20..]
            .iter()
            .map(|request| format!("{} {}", request.head.field("authorization").unwrap_or_default(), request.text()))
            .collect();
        sent.sort_unstable();
        sent.dedup();
        assert_eq!(sent.len(), 20, "{}", case.dialect);
    }
}

#[test]
fn the_clients_own_signature_of_version_4_is_dropped_with_all_its_fields() {
    let endpoint = Endpoint::obliging();
    let profile = "profile = { dialect = \"aws-v4\", region = \"eu-central-1\", service = \"ec2\" }";
    let proxy = Setup::to(&endpoint).route(profile).start();
    let placeholder = "AWS4-HMAC-SHA256 Credential=AKIDPLACEHOLDER/20260101/us-east-1/iam/aws4_request, \
                       SignedHeaders=host;x-amz-date, Signature=0000";
    let request = Draft::form("Action=DescribeInstances&Version=2016-11-15")
        .field("authorization", placeholder)
        .field("x-amz-date", "20200101T000000Z")
        .field("x-amz-security-token", "placeholder-token")
        .field("x-countersign-id", "mine");
    proxy.call(&request).expect(200);
    let received = &endpoint.requests()[0];
    assert_eq!(
        received.head.names(),
        [
            "authorization",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "via",
            "x-amz-date",
            "x-countersign-id"
        ]
    );
    let all = format!("{:?}", received.head);
    for client in ["PLACEHOLDER", "placeholder", "20200101", "us-east-1", "mine"] {
        assert!(!all.contains(client), "{client}: {all}");
    }
    assert!(field(received, "authorization").contains("/eu-central-1/ec2/aws4_request, "));
}

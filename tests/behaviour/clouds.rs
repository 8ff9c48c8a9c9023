//! `countersign sandbox --dialect`, which verifies by code that shares nothing with the signer: called directly, and by
//! the proxy in front of it.

use std::net::SocketAddr;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::harness::{
    Answer, Client, Draft, ID, OTHER_ID, OTHER_SECRET, Outcome, Proxy, Running, SECRET, Setup, Vault, document, program,
};

/// A cloud that routes can sign for.
#[derive(Clone, Copy)]
struct Cloud {
    dialect: &'static str,
    path: &'static str,
    /// The name of the parameter that names the operation, and one that only reads.
    operation: (&'static str, &'static str),
    /// What else a form has.
    more: &'static str,
}

const CLOUDS: [Cloud; 9] = [
    Cloud { dialect: "aws-v2", path: "/", operation: ("Action", "Select"), more: "Version=2009-04-15" },
    Cloud { dialect: "aws-v4", path: "/", operation: ("Action", "ListUsers"), more: "Version=2010-05-08" },
    Cloud { dialect: "openstack", path: "/v1/", operation: ("Action", "ListStacks"), more: "Version=2010-05-15" },
    Cloud { dialect: "nifcloud", path: "/api/", operation: ("Action", "DescribeInstances"), more: "Version=3.0" },
    Cloud {
        dialect: "eucalyptus",
        path: "/services/compute/",
        operation: ("Action", "DescribeInstances"),
        more: "Version=2014-06-15",
    },
    Cloud { dialect: "cloudstack", path: "/client/api", operation: ("command", "listZones"), more: "response=json" },
    Cloud {
        dialect: "alibaba-rpc",
        path: "/",
        operation: ("Action", "DescribeRegions"),
        more: "Version=2014-05-26&Format=JSON",
    },
    Cloud { dialect: "qingcloud", path: "/iaas/", operation: ("action", "DescribeInstances"), more: "zone=pek3a" },
    Cloud {
        dialect: "tencent-v1",
        path: "/",
        operation: ("Action", "DescribeInstances"),
        more: "Version=2017-03-12&Region=ap-guangzhou",
    },
];

const REALM: [&str; 4] = ["--region", "eu-central-1", "--service", "iam"];

impl Cloud {
    fn named(dialect: &str) -> Self {
        CLOUDS.into_iter().find(|cloud| cloud.dialect == dialect).unwrap()
    }

    fn realm(self) -> &'static [&'static str] {
        if self.dialect == "aws-v4" { &REALM } else { &[] }
    }

    fn form(self) -> String {
        let (name, value) = self.operation;
        format!("{name}={value}&{}", self.more)
    }

    /// Its sandbox, which knows the documented example key.
    fn start(self, more: &[&str]) -> Sandbox {
        let arguments = ["sandbox", "--listen", "127.0.0.1:0", "--plain", "--any-action", "--dialect", self.dialect];
        let running = Running::start_with_output(program().args(arguments).args(self.realm()).args(more));
        let address = running.log.after("listening on http://").trim().parse().unwrap();
        Sandbox { cloud: self, running, address }
    }
}

struct Sandbox {
    cloud: Cloud,
    running: Running,
    address: SocketAddr,
}

impl Sandbox {
    fn url(&self) -> String {
        format!("http://{}{}", self.address, self.cloud.path)
    }

    /// Signs by `countersign sign` and sends the result.
    fn call(&self, (id, secret): (&str, &str), form: &str, more: &[&str]) -> Answer {
        let arguments = ["sign", "--headers", "--dialect", self.cloud.dialect, "--endpoint", &self.url()];
        let mut sign = program();
        sign.args(arguments).args(self.cloud.realm()).args(["--access-key-id", id]).args(more);
        let signed = Outcome::of(sign.env("AWS_SECRET_ACCESS_KEY", secret), form).succeeded();
        let (head, body) = signed.trim_end_matches('\n').rsplit_once('\n').unwrap();
        let mut draft = Draft::form(body).path(self.cloud.path);
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            draft = draft.instead(name, value);
        }
        Client::connect(self.address).call(&draft)
    }

    /// A proxy whose only route signs for it.
    fn proxied(&self, key: (&str, &str)) -> Proxy {
        self.proxied_with(Vault::with(key.0, key.1))
    }

    fn proxied_with(&self, vault: Vault) -> Proxy {
        let realm = if self.cloud.realm().is_empty() { "" } else { ", region = \"eu-central-1\", service = \"iam\"" };
        Setup::to_url(&self.url())
            .route(&format!("profile = {{ dialect = \"{}\"{realm} }}", self.cloud.dialect))
            .vault(vault)
            .start()
    }
}

const KEY: (&str, &str) = (ID, SECRET);

/// The code of a refusal, in whatever shape; none if the answer is a success.
fn code(answer: &Answer) -> Option<String> {
    let text = answer.text();
    if let Ok(json) = serde_json::from_str::<Value>(&text) {
        let found = ["/Code", "/Response/Error/Code", "/ret_code"].map(|place| json.pointer(place).cloned());
        let in_cloudstack = json.as_object().unwrap().values().find_map(|inside| inside.get("errorcode").cloned());
        let code = found.into_iter().flatten().chain(in_cloudstack).next()?;
        return Some(code.as_str().map_or_else(|| code.to_string(), str::to_owned)).filter(|code| code != "0");
    }
    ["Code", "errorcode"]
        .iter()
        .find_map(|name| Some(text.split_once(&format!("<{name}>"))?.1.split_once('<')?.0.to_owned()))
}

/// The parameters that came back.
fn echoed(answer: &Answer) -> Vec<(String, String)> {
    fn collect(value: &Value, found: &mut Vec<(String, String)>) {
        match value {
            Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
            Value::Object(members) => match (members.get("name"), members.get("value")) {
                (Some(name), Some(value)) => {
                    found.push((name.as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned()));
                }
                _ => members.values().for_each(|one| collect(one, found)),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let text = answer.text();
    let mut found = Vec::new();
    if let Ok(json) = serde_json::from_str::<Value>(&text) {
        collect(&json, &mut found);
        return found;
    }
    let unescaped = |text: &str| quick_xml::escape::unescape(text).unwrap().into_owned();
    for member in text.split("<member><Name>").skip(1) {
        let (name, rest) = member.split_once("</Name><Value>").unwrap();
        found.push((unescaped(name), unescaped(rest.split_once("</Value>").unwrap().0)));
    }
    found
}

#[test]
fn what_the_proxy_signs_is_accepted_by_the_servers_of_every_dialect() {
    let values = "[a-zA-Z0-9 +*~%&=/:!'()é漢😀._-]{0,24}";
    let mut runner = TestRunner::deterministic();
    for cloud in CLOUDS {
        let sandbox = cloud.start(&[]);
        let proxy = sandbox.proxied(KEY);
        for number in 0..20 {
            let forms = (values, values, values);
            let (one, two, three) = forms.new_tree(&mut runner).unwrap().current();
            let mut expected = vec![
                ("Filter.1.Name".to_owned(), one),
                ("Filter.1.Value".to_owned(), two),
                ("b".to_owned(), three),
                ("Number".to_owned(), number.to_string()),
            ];
            expected.push((cloud.operation.0.to_owned(), cloud.operation.1.to_owned()));
            expected.extend(form_urlencoded::parse(cloud.more.as_bytes()).into_owned());
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&expected).finish();
            let answer = proxy.post(&form).expect(200);
            assert_eq!(code(&answer), None, "{} {form}: {}", cloud.dialect, answer.text());
            expected.sort();
            // QingCloud's version is one for all of its API, and written by the signer
            assert_eq!(echoed(&answer), expected, "{} {form}", cloud.dialect);
        }
    }
}

#[test]
fn each_cloud_refuses_a_wrong_key_and_an_unknown_one_in_its_own_words() {
    for (dialect, wrong, unknown) in [
        ("aws-v2", (403, "SignatureDoesNotMatch"), (403, "InvalidClientTokenId")),
        ("aws-v4", (403, "SignatureDoesNotMatch"), (403, "InvalidClientTokenId")),
        ("nifcloud", (401, "AuthFailure"), (401, "AuthFailure")),
        ("eucalyptus", (401, "AuthFailure"), (401, "AuthFailure")),
        ("cloudstack", (401, "401"), (401, "401")),
        ("alibaba-rpc", (400, "SignatureDoesNotMatch"), (404, "InvalidAccessKeyId.NotFound")),
        ("qingcloud", (200, "1200"), (200, "1200")),
        ("tencent-v1", (200, "AuthFailure.SignatureFailure"), (200, "AuthFailure.SecretIdNotFound")),
    ] {
        let sandbox = Cloud::named(dialect).start(&[]);
        let form = sandbox.cloud.form();
        assert_eq!(code(&sandbox.call(KEY, &form, &[])), None, "{dialect}");
        for (key, (status, expected)) in [((ID, OTHER_SECRET), wrong), ((OTHER_ID, OTHER_SECRET), unknown)] {
            let answer = sandbox.call(key, &form, &[]);
            assert_eq!((answer.status, code(&answer).as_deref()), (status, Some(expected)), "{}", answer.text());
        }
    }
    // heat does not expect what keystone says of an unknown key
    let sandbox = Cloud::named("openstack").start(&[]);
    let form = sandbox.cloud.form();
    let refused = sandbox.call((ID, OTHER_SECRET), &form, &[]).expect(403);
    assert_eq!(refused.element("Message"), "User is not authorized to perform action");
    assert_eq!(sandbox.call((OTHER_ID, SECRET), &form, &[]).expect(500).text(), "Internal Server Error");
}

#[test]
fn each_cloud_refuses_an_old_time_in_its_own_words() {
    for (dialect, status, expected) in [
        ("aws-v2", 400, "RequestExpired"),
        ("aws-v4", 403, "SignatureDoesNotMatch"),
        ("openstack", 403, "AccessDenied"),
        ("nifcloud", 400, "RequestExpired"),
        ("eucalyptus", 400, "RequestExpired"),
        ("cloudstack", 401, "401"),
        ("alibaba-rpc", 400, "InvalidTimeStamp.Expired"),
        ("qingcloud", 200, "1300"),
        ("tencent-v1", 200, "AuthFailure.SignatureExpire"),
    ] {
        let sandbox = Cloud::named(dialect).start(&["--clock-offset", "3600"]);
        let answer = sandbox.call(KEY, &sandbox.cloud.form(), &[]);
        assert_eq!((answer.status, code(&answer).as_deref()), (status, Some(expected)), "{}", answer.text());
    }
    let sandbox = Cloud::named("aws-v4").start(&["--clock-offset", "-3600"]);
    let message = sandbox.call(KEY, &sandbox.cloud.form(), &[]).element("Message");
    assert!(message.starts_with("Signature not yet current: ") && message.ends_with(" + 5 min.)"), "{message}");
    // EC2 has other documents for the same signature
    let sandbox = Cloud::named("aws-v4").start(&["--errors", "ec2", "--clock-offset", "3600"]);
    let answer = sandbox.call(KEY, &sandbox.cloud.form(), &[]).expect(400);
    assert!(answer.text().starts_with("<Response><Errors><Error><Code>RequestExpired"), "{}", answer.text());
}

#[test]
fn refusals_of_a_signature_repeat_what_should_have_been_signed_as_those_of_aws_and_alibaba_do() {
    for (dialect, repeated) in [
        (
            "aws-v4",
            "The Canonical String for this request should have been\n&apos;POST\n/\n\ncontent-type:application/",
        ),
        ("alibaba-rpc", "server string to sign is:POST&%2F&AccessKeyId%3DAKIAIOSFODNN7EXAMPLE%26Action%3D"),
    ] {
        let sandbox = Cloud::named(dialect).start(&[]);
        let answer = sandbox.call((ID, OTHER_SECRET), &sandbox.cloud.form(), &[]);
        assert!(answer.text().contains(repeated), "{}", answer.text());
    }
}

#[test]
fn a_nonce_of_alibaba_and_a_signature_of_eucalyptus_are_accepted_once() {
    let sandbox = Cloud::named("alibaba-rpc").start(&[]);
    let form = sandbox.cloud.form();
    assert_eq!(code(&sandbox.call(KEY, &form, &["--nonce", "n-1"])), None);
    // whatever else the form says
    let again = sandbox.call(KEY, &format!("{form}&Other=1"), &["--nonce", "n-1"]);
    assert_eq!((again.status, code(&again).as_deref()), (400, Some("SignatureNonceUsed")));
    // a refused request does not use its nonce up
    assert_eq!(code(&sandbox.call((ID, OTHER_SECRET), &form, &["--nonce", "n-2"])).unwrap(), "SignatureDoesNotMatch");
    assert_eq!(code(&sandbox.call(KEY, &form, &["--nonce", "n-2"])), None);

    for (dialect, refused) in [("eucalyptus", Some("AuthFailure")), ("nifcloud", None)] {
        let sandbox = Cloud::named(dialect).start(&[]);
        let (form, now) = (sandbox.cloud.form(), countersign::clock::now().to_string());
        let at = ["--timestamp", now.as_str()];
        assert_eq!(code(&sandbox.call(KEY, &form, &at)), None);
        assert_eq!(code(&sandbox.call(KEY, &form, &at)).as_deref(), refused, "{dialect}");
    }
}

#[test]
fn the_client_chooses_the_notation_where_the_cloud_lets_it() {
    for (dialect, json, xml, in_xml) in [
        ("cloudstack", "&response=json", "", "<listzonesresponse cloud-stack-version="),
        ("alibaba-rpc", "&Format=JSON", "&Format=XML", "<Error><RequestId>"),
    ] {
        let sandbox = Cloud::named(dialect).start(&[]);
        let (name, value) = sandbox.cloud.operation;
        let refused = |chosen: &str| sandbox.call((ID, OTHER_SECRET), &format!("{name}={value}{chosen}"), &[]).text();
        assert!(refused(json).starts_with('{'), "{dialect}");
        let text = refused(xml);
        assert!(text.contains(in_xml), "{dialect}: {text}");
    }
}

#[test]
fn a_line_of_the_sandboxs_log_names_the_operation_of_the_dialect_and_no_value() {
    let sandbox = Cloud::named("cloudstack").start(&[]);
    let form = format!("{}&id=marked", sandbox.cloud.form());
    sandbox.call(KEY, &form, &[]);
    sandbox.call((ID, OTHER_SECRET), &form, &[]);
    let line = sandbox.running.log.after(&format!(" listZones {ID} 200"));
    assert_eq!(line.trim(), "");
    let line = sandbox.running.log.after(&format!(" listZones {ID} 401 401: "));
    assert_eq!(line.trim(), "the signature does not match");
}

#[test]
fn what_no_sandbox_can_serve_is_refused_with_the_reason() {
    for (arguments, message) in [
        (vec!["--dialect", "cloudstack"], "add --any-action to serve cloudstack"),
        (vec!["--dialect", "aws-v4", "--any-action"], "aws-v4 signs for a region and a service"),
        (vec!["--any-action", "--region", "r", "--service", "s"], "aws-v2 signs for no region"),
        (
            vec!["--dialect", "alibaba-acs3", "--any-action"],
            "nobody has verified how servers of alibaba-acs3 take forms",
        ),
        (vec!["--dialect", "qingcloud", "--any-action", "--errors", "ec2"], "--errors has no choice with qingcloud"),
    ] {
        let mut command = program();
        command.args(["sandbox", "--plain", "--listen", "127.0.0.1:0"]).args(arguments);
        Outcome::of(&mut command, "").failed(78, message);
    }
}

/// The cause in the metric of refused signatures, however often.
fn refusals(proxy: &Proxy, cause: &str) -> f64 {
    proxy.metric(&format!("countersign_signature_refusals_total{{route=\"importexport\",cause=\"{cause}\"}}"))
}

#[test]
fn a_wrong_key_and_an_unknown_one_are_named_in_log_and_metric_in_every_dialect() {
    for (dialect, wrong, unknown) in [
        // where the endpoint repeats what it would have signed, only the key is left
        ("aws-v4", "key", "key_id"),
        ("alibaba-rpc", "key", "key_id"),
        ("aws-v2", "unknown", "key_id"),
        ("nifcloud", "unknown", "unknown"),
        ("eucalyptus", "unknown", "unknown"),
        ("openstack", "unknown", ""),
        ("cloudstack", "unknown", "unknown"),
        ("qingcloud", "unknown", "unknown"),
        ("tencent-v1", "unknown", "key_id"),
    ] {
        let sandbox = Cloud::named(dialect).start(&[]);
        for (key, cause) in [((ID, OTHER_SECRET), wrong), ((OTHER_ID, SECRET), unknown)] {
            let proxy = sandbox.proxied(key);
            let answer = proxy.post(&sandbox.cloud.form());
            if cause.is_empty() {
                // what heat says of an unknown key could be any fault of its own
                assert_eq!(answer.status, 500);
                continue;
            }
            let line = proxy.log.json("a warning", |line| line["target"] == "countersign::signature");
            assert_eq!((line["level"].as_str(), line["cause"].as_str()), (Some("WARN"), Some(cause)), "{dialect}");
            assert_eq!(refusals(&proxy, cause), 1.0, "{dialect} {cause}");
        }
    }
}

#[test]
fn a_cloud_whose_clock_is_an_hour_off_is_served_after_one_more_attempt_in_every_dialect() {
    for (cloud, offset) in CLOUDS.into_iter().flat_map(|cloud| [(cloud, "3600"), (cloud, "-3600")]) {
        let sandbox = cloud.start(&["--clock-offset", offset]);
        let proxy = sandbox.proxied(KEY);
        let which = format!("{} {offset}", cloud.dialect);
        for number in 0..2 {
            // two equal forms may get equal times while the offset is being learnt, which Eucalyptus refuses
            let answer = proxy.post(&format!("{}&Number={number}", cloud.form()));
            assert_eq!((answer.status, code(&answer)), (200, None), "{which}: {}", answer.text());
        }
        // keystone accepts times that are ahead of its own
        let attempts = if cloud.dialect == "openstack" && offset == "-3600" { 0.0 } else { 1.0 };
        assert_eq!(proxy.metric("countersign_clock_repeats_total{route=\"importexport\"}"), attempts, "{which}");
    }
}

#[test]
fn temporary_credentials_are_accepted_where_a_dialect_has_them_and_no_echo_tells_the_token() {
    const TOKEN: &str = "AQoEXAMPLEH4aoAH0gNCAPyJxz4BlCFFxWNE1OPTgk5TthT+/=";
    let more = format!(",\"SessionToken\":\"{TOKEN}\"");
    let vault = |secret: &str| {
        let vault = Vault::with(ID, secret);
        vault.publish(ID, secret, &more);
        vault
    };
    let known = Vault::empty();
    let known = known.put("known.json", &document(ID, SECRET, &more));
    for dialect in ["aws-v2", "aws-v4", "eucalyptus", "alibaba-rpc", "qingcloud", "tencent-v1"] {
        let sandbox = Cloud::named(dialect).start(&["--credentials", known.to_str().unwrap()]);
        let form = sandbox.cloud.form();
        let accepted = sandbox.proxied_with(vault(SECRET)).post(&form).expect(200);
        assert_eq!(code(&accepted), None, "{dialect}: {}", accepted.text());
        // without the token, and with another secret, which some clouds answer with what should have been signed
        let refused = sandbox.proxied(KEY).post(&form);
        assert!(code(&refused).is_some(), "{dialect}: {}", refused.text());
        let refused = sandbox.proxied_with(vault(OTHER_SECRET)).post(&form);
        assert!(code(&refused).is_some(), "{dialect}: {}", refused.text());
        assert!(!refused.text().contains(&TOKEN[..20]), "{dialect}: {}", refused.text());
        let is_echo = ["aws-v4", "alibaba-rpc"].contains(&dialect);
        assert_eq!(refused.text().contains("SESSION_TOKEN_WITHHELD"), is_echo, "{dialect}: {}", refused.text());
    }
}

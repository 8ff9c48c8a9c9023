//! Policy in the words of other dialects: what names the operation, what is reserved, and what is never passed on.

use std::fs;

use serde_json::Value;

use crate::harness::clients::{client, token};
use crate::harness::endpoint::answer;
use crate::harness::{After, Answer, Draft, Endpoint, ID, Outcome, Proxy, SECRET, Setup, eventually};

const CLOUDSTACK: &str = "profile.dialect = \"cloudstack\"\n";

/// Destroys nothing, reads, and deploys in one zone.
fn tenant() -> String {
    client(
        "tenant",
        "allow = [\"importexport:list*\", \"importexport:queryAsyncJobResult\", \
         \"importexport:destroyVirtualMachine\"]\n\
         deny = [\"*:destroy*\"]\n\
         [[client.tenant.rule]]\neffect = \"allow\"\nactions = [\"importexport:deployVirtualMachine\"]\n\
         when = [{ parameter = \"zoneid\", equals = \"zone-1\" }]",
    )
}

fn root() -> String {
    client("root", "allow = [\"*:*\"]")
}

fn learner() -> String {
    client("learner", "mode = \"record\"")
}

struct Stack {
    proxy: Proxy,
    endpoint: Endpoint,
}

impl Stack {
    fn of(route: &str) -> Self {
        let endpoint = Endpoint::obliging();
        let more = format!("{}{}{}", tenant(), root(), learner());
        let mut setup = Setup::to(&endpoint).route(route).more(&more);
        setup.callers = "authenticate = [\"token\"]";
        Self { proxy: setup.start(), endpoint }
    }

    fn call(&self, client: &str, form: &str) -> Answer {
        self.proxy.call(&Draft::form(form).field("Authorization", &format!("Bearer {}", token(client))))
    }

    /// Expects a refusal with this status, for this reason, and that nothing is sent; the line of the log.
    #[track_caller]
    fn refused(&self, client: &str, form: &str, status: u16, reason: &str) -> Value {
        let before = self.endpoint.requests().len();
        let answer = self.call(client, form);
        assert_eq!(answer.status, status, "{form}: {}", answer.text());
        let line = self.proxy.log.exchange(&answer.request_id());
        assert_eq!(line["reason"], reason, "{form}: {line}");
        assert_eq!(self.endpoint.requests().len(), before, "{form} was sent");
        line
    }
}

#[test]
fn rules_decide_by_the_command_of_cloudstack() {
    let stack = Stack::of(CLOUDSTACK);
    for form in [
        "command=listVirtualMachines&response=json",
        "command=queryAsyncJobResult&jobid=1",
        "command=deployVirtualMachine&zoneid=zone-1&details%5B0%5D.key=a",
        "command=listZones&Action=destroyVirtualMachine", // a parameter that the server does not know
    ] {
        stack.call("tenant", form).expect(200);
    }
    let called: Vec<_> = stack.endpoint.requests().iter().map(|request| request.parameter("command")).collect();
    assert_eq!(called, ["listVirtualMachines", "queryAsyncJobResult", "deployVirtualMachine", "listZones"]);
    for (form, status, reason) in [
        ("command=deployVirtualMachine&zoneid=zone-2", 403, "policy"),
        ("command=destroyVirtualMachine&id=1", 403, "policy"),
        ("command=DESTROYvirtualMachine&id=1", 403, "policy"),
        ("command=startVirtualMachine&id=1", 403, "policy"),
        ("command=LISTzones", 403, "policy.spelling"),
        ("command=deployVirtualMachine&ZONEID=zone-1", 400, "form.spelling"),
        ("command=deployVirtualMachine&zoneid=zone-1&zoneId=zone-2", 400, "form.spelling"),
        ("command=deployVirtualMachine&zoneid=zone-1&zoneid%5B0%5D=zone-2", 400, "form.spelling"),
        ("command=listZones&Command=destroyVirtualMachine", 400, "form.spelling"),
        ("Command=destroyVirtualMachine", 400, "form.reserved"),
        ("Action=listZones", 400, "form.action"),
        ("command=list+Zones", 400, "form.action"),
        ("command=listZones&=x", 400, "form.name"),
        ("command=listZones&a%26b=x", 400, "form.name"),
        ("command=listZones&keyword=a%09b", 400, "form.value"),
    ] {
        stack.refused("tenant", form, status, reason);
    }
}

#[test]
fn what_cloudstack_answers_without_a_signature_is_never_passed_on_whatever_the_rules_allow() {
    let stack = Stack::of(CLOUDSTACK);
    for command in [
        "login",
        "LOGIN",
        "Logout",
        "samlSso",
        "samlSlo",
        "getSPMetadata",
        "listIdps",
        "listAndSwitchSamlAccount",
        "oauthlogin",
        "listOauthProvider",
        "verifyOAuthCodeAndGetUser",
        "forgotPassword",
        "resetpassword",
        "listUserTwoFactorAuthenticatorProviders",
        "setupUserTwoFactorAuthentication",
        "validateUserTwoFactorAuthenticationCode",
        "listGuiThemes",
    ] {
        for client in ["root", "learner"] {
            let line = stack.refused(client, &format!("command={command}&username=a&password=b"), 403, "form.unsigned");
            assert_eq!((&line["action"], &line["level"]), (&command.into(), &"WARN".into()), "{line}");
        }
    }
    stack.call("root", "command=updateUser&id=1").expect(200);
    // in another dialect it is an operation like any other
    let aws = Stack::of("");
    aws.call("root", "Action=login").expect(200);
}

#[test]
fn the_clients_own_authentication_is_dropped_in_the_spellings_of_the_dialect() {
    for (dialect, form, dropped) in [
        (
            "cloudstack",
            "command=listZones&apikey=x&signature=x&expires=x&signatureversion=3&sessionkey=x",
            ["apikey", "sessionkey", "signatureversion"].as_slice(),
        ),
        ("nifcloud", "Action=DescribeInstances&AccessKeyId=x&Signature=x&AWSAccessKeyId=x", &["AWSAccessKeyId"]),
        ("alibaba-rpc", "Action=DescribeInstances&BearerToken=x&SignatureType=x", &["BearerToken", "SignatureType"]),
        ("qingcloud", "action=DescribeInstances&access_key_id=x&token=x", &["token"]),
        ("tencent-v1", "Action=DescribeInstances&SecretId=x&Nonce=1&Token=x", &["Token"]),
    ] {
        let stack = Stack::of(&format!("profile.dialect = \"{dialect}\"\n"));
        stack.call("root", form).expect(200);
        let sent = stack.endpoint.only_request();
        let names: Vec<String> = sent.parameters().into_iter().map(|(name, _)| name).collect();
        assert!(!dropped.iter().any(|name| names.iter().any(|sent| sent == name)), "{dialect}: {names:?}");
        assert!(sent.parameters().iter().all(|(_, value)| value != "x"), "{dialect}: {}", sent.text());
    }
}

#[test]
fn names_that_a_dialect_does_not_have_are_refused_there() {
    // Tencent and QingCloud refuse with status 200
    for (dialect, good, bad, status) in [
        ("eucalyptus", "Action=DescribeInstances&A=1", "Action=DescribeInstances&=1", 400),
        ("tencent-v1", "Action=DescribeInstances&Filters.0.Name=1", "Action=DescribeInstances&Filters_0=1", 200),
        ("alibaba-rpc", "Action=DescribeInstances&Tag.1.Key=1", "Action=DescribeInstances&%C3%9C=1", 400),
        ("qingcloud", "action=DescribeInstances&vxnets.1=1", "action=DescribeInstances&%0a=1", 200),
    ] {
        let stack = Stack::of(&format!("profile.dialect = \"{dialect}\"\n"));
        stack.call("root", good).expect(200);
        stack.refused("root", bad, status, "form.name");
    }
}

#[test]
fn eucalyptus_is_signed_for_its_host_with_the_port() {
    let stack = Stack::of("profile.dialect = \"eucalyptus\"\n");
    stack.call("root", "Action=DescribeInstances").expect(200);
    let sent = stack.endpoint.only_request();
    assert_eq!(sent.head.field("host").unwrap(), stack.endpoint.address.to_string());
    assert_eq!(sent.verify(ID, SECRET, None), Ok(()));
}

#[test]
fn metrics_audit_and_log_have_the_dialects_word_and_no_other_value() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint)
        .route(&format!("{CLOUDSTACK}known_actions = [\"listZones\"]\naudit_values = [\"id\"]\n"))
        .more(&format!("[audit]\ntarget = \"file:{}\"\n", path.display()))
        .start();
    let served = proxy.post("command=listZones&ID=marker-value&Action=marker").expect(200);
    proxy.log.exchange(&served.request_id());
    let refused = proxy.post("command=listZones&a=1&a=2");
    assert_eq!(proxy.log.exchange(&refused.request_id())["action"], "listZones");
    let no_operation = proxy.post("command=marker%20text&Action=marker&a&a");
    assert!(proxy.log.exchange(&no_operation.request_id()).get("action").is_none());
    let labels = |action: &str, outcome: &str| {
        proxy.metric(&format!(
            "countersign_exchanges_total{{route=\"importexport\",action=\"{action}\",outcome=\"{outcome}\"}}"
        ))
    };
    assert!((labels("listZones", "answered_2xx") - 1.0).abs() < 0.1);
    assert!((labels("listZones", "refused") - 1.0).abs() < 0.1);
    let text = eventually("three lines", || {
        let text = fs::read_to_string(&path).unwrap_or_default();
        (text.lines().count() == 3).then_some(text)
    });
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["action"], &lines[1]["action"]), (&"listZones".into(), &"listZones".into()));
    assert_eq!(lines[2]["action"], Value::Null);
    assert_eq!(lines[0]["values"], serde_json::json!({ "ID": "marker-value" }), "as the server reads the name");
    assert!(!proxy.log.text().contains("marker"), "a value in the log");
}

#[test]
fn what_is_safe_to_repeat_is_a_matter_of_the_dialect() {
    for (dialect, name, safe, other) in [
        ("cloudstack", "command", ["listZones", "findHostsForMigration"], ["deployVirtualMachine", "ListZones"]),
        ("cloudstack", "command", ["queryAsyncJobResult", "getUser"], ["getUploadParamsForVolume", "DescribeZones"]),
        ("nifcloud", "Action", ["DescribeInstances", "NiftyDescribeRouters"], ["RunInstances", "NiftyCreateRouter"]),
        ("qingcloud", "action", ["DescribeInstances", "DescribeJobs"], ["RunInstances", "GetMonitor"]),
        ("alibaba-rpc", "Action", ["DescribeInstances", "ListTagResources"], ["RunInstances", "DescribeVerifyToken"]),
        ("tencent-v1", "Action", ["DescribeInstances", "DescribeZones"], ["RunInstances", "GetFederationToken"]),
        ("eucalyptus", "Action", ["DescribeInstances", "GetConsoleOutput"], ["RunInstances", "listZones"]),
    ] {
        let endpoint = Endpoint::saying(b"", After::Close);
        let proxy = Setup::to(&endpoint).route(&format!("profile.dialect = \"{dialect}\"\n")).start();
        for (operations, times) in [(safe, 2), (other, 1)] {
            for operation in operations {
                let before = endpoint.requests().len();
                let answer = proxy.post(&format!("{name}={operation}"));
                assert_eq!(endpoint.requests().len() - before, times, "{dialect} {operation}: {}", answer.text());
            }
        }
    }
    let endpoint = Endpoint::saying(b"", After::Close);
    let own = format!("{CLOUDSTACK}safe_to_repeat = [\"getUploadParamsForVolume\"]\n");
    let proxy = Setup::to(&endpoint).route(&own).start();
    proxy.post("command=getUploadParamsForVolume");
    assert_eq!(endpoint.requests().len(), 2, "whoever names it means it");
    proxy.post("command=listZones");
    assert_eq!(endpoint.requests().len(), 3);
}

#[test]
fn a_probe_is_sent_in_the_words_of_the_dialect() {
    for (dialect, probe, name, operation) in [
        ("cloudstack", "listZones", "command", "listZones"),
        ("cloudstack", "command=listCapabilities&response=json", "command", "listCapabilities"),
        ("qingcloud", "DescribeZones", "action", "DescribeZones"),
        ("tencent-v1", "Action=DescribeRegions&Version=2017-03-12", "Action", "DescribeRegions"),
    ] {
        let endpoint = Endpoint::saying(&answer("200 OK", "{}"), After::KeepOpen);
        let route = format!("profile.dialect = \"{dialect}\"\nprobe = \"{probe}\"\n");
        let proxy = Setup::to(&endpoint).route(&route).start();
        eventually("readiness", || (proxy.admin("/readyz").status == 200).then_some(()));
        assert_eq!(endpoint.requests()[0].parameter(name), operation, "{dialect}");
    }
}

#[test]
fn check_and_run_refuse_what_no_call_of_the_dialect_can_have() {
    let endpoint = Endpoint::obliging();
    let rule = "allow = [\"*:*\"]\n[[client.a.rule]]\neffect = \"deny\"\nactions = [\"importexport:list*\"]\n\
                when = [{ parameter = \"apikey\", absent = false }]\n";
    let mut ruled = Setup::to(&endpoint).route(CLOUDSTACK).more(&client("a", rule));
    ruled.callers = "authenticate = [\"token\"]";
    let tencent = "profile.dialect = \"tencent-v1\"\n";
    for (setup, told) in [
        (ruled, "client.a.rule[1].when[1].parameter: `apikey` belongs to the signature"),
        (
            Setup::to(&endpoint).route(&format!("{tencent}limits.body = \"2 MiB\"\n")),
            "route.importexport.limits.body: more than the 1 MiB that an endpoint of tencent-v1 takes",
        ),
        (
            Setup::to(&endpoint).route(&format!("{CLOUDSTACK}probe = \"Action=ListJobs\"\n")),
            "route.importexport.probe: is a form without command",
        ),
        (
            Setup::to(&endpoint).route(&format!("{CLOUDSTACK}probe = \"listIdps\"\n")),
            "route.importexport.probe: endpoints of this dialect answer listIdps without a look at the signature",
        ),
    ] {
        for command in ["check", "run"] {
            let outcome = Outcome::of(&mut setup.command(command), "");
            assert!(outcome.code == 78 && outcome.stderr.contains(told), "{command}: {outcome:?}");
        }
    }
}

//! Named clients over real sockets: who is let in, what their rules let pass, and what the endpoint sees of it.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::clients::{client, digest, reader, token};
use crate::harness::endpoint::answer;
use crate::harness::proxy::closes;
use crate::harness::{After, Answer, Draft, Endpoint, Outcome, Proxy, Setup, eventually, program};

/// A proxy whose clients are identified by tokens, and its endpoint.
struct Gateway {
    proxy: Proxy,
    endpoint: Endpoint,
    setup: Setup,
}

impl Gateway {
    /// With clients of these tables, logging all there is to log.
    #[track_caller]
    fn start(listener: &str, clients: &str) -> Self {
        let endpoint = Endpoint::saying(&answer("200 OK", "<A/>"), After::KeepOpen);
        let mut setup = Setup::to(&endpoint).listener(listener).more(clients);
        setup.callers = "authenticate = [\"token\"]";
        let setup = setup.process("workers = 2").log("json", "trace");
        Self { proxy: setup.clone().start(), endpoint, setup }
    }

    /// Status and code of the answer to a form with these fields, on a connection of its own.
    #[track_caller]
    fn send(&self, fields: &[(&str, &str)], form: &str) -> String {
        let answer = self.proxy.call(&with(fields, form));
        // the next call may be another worker's, and the lines of all calls are read in order
        self.proxy.log.exchange(&answer.request_id());
        summary(&answer)
    }

    /// Calls as the client whose token this is.
    #[track_caller]
    fn call(&self, client: &str, form: &str) -> String {
        self.send(&[("Authorization", &bearer(&token(client)))], form)
    }

    /// The lines of all exchanges logged, of which there will be `count`.
    #[track_caller]
    fn exchanges(&self, count: usize) -> Vec<Value> {
        let exchanges = eventually("the lines of the exchanges", || {
            let log = self.proxy.log.text();
            let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let exchanges: Vec<Value> = events.filter(|event| event["message"] == "exchange").collect();
            (exchanges.len() >= count).then_some(exchanges)
        });
        assert_eq!(exchanges.len(), count);
        exchanges
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn with(fields: &[(&str, &str)], form: &str) -> Draft {
    fields.iter().fold(Draft::form(form), |draft, (name, value)| draft.field(name, value))
}

fn summary(answer: &Answer) -> String {
    match answer.status {
        200 => "200".to_owned(),
        status => format!("{status} {}", answer.element("Code")),
    }
}

const GET: &str = "Action=GetStatus&JobId=marker-value&Version=2010-06-03";

#[test]
fn only_a_known_token_in_exactly_one_field_is_let_in() {
    let gateway = Gateway::start("", &reader());
    let authorized = |value: &str| gateway.send(&[("Authorization", value)], GET);
    assert_eq!(gateway.call("reader", GET), "200");
    assert_eq!(gateway.send(&[], GET), "403 MissingAuthenticationToken");
    assert_eq!(authorized("Bearer "), "403 MissingAuthenticationToken");
    assert_eq!(authorized("AWS4-HMAC-SHA256 Credential=x"), "403 MissingAuthenticationToken");
    for wrong in ["marker-token-reade", "marker-token-reader2", "MARKER-TOKEN-READER", "x, marker-token-reader"] {
        assert_eq!(authorized(&bearer(wrong)), "403 InvalidClientTokenId", "{wrong:?}");
    }
    let right = bearer("marker-token-reader");
    let twice = [("Authorization", right.as_str()), ("Authorization", &right)];
    assert_eq!(gateway.send(&twice, GET), "403 InvalidClientTokenId");
    assert_eq!(authorized(&bearer(&digest("marker-token-reader"))), "403 InvalidClientTokenId");
    let in_form = format!("{GET}&Authorization=Bearer+marker-token-reader&token=marker-token-reader");
    assert_eq!(gateway.send(&[], &in_form), "403 MissingAuthenticationToken");
    assert_eq!(gateway.endpoint.requests().len(), 1);
}

#[test]
fn the_token_shows_neither_upstream_nor_in_the_log() {
    let gateway = Gateway::start("", &reader());
    assert_eq!(gateway.call("reader", GET), "200");
    assert_eq!(gateway.call("reader", "Action=CreateJob&Manifest=marker-manifest"), "403 AccessDenied");
    assert_eq!(gateway.send(&[("Authorization", "Bearer marker-token-wrong")], GET), "403 InvalidClientTokenId");
    gateway.exchanges(3);
    let log = gateway.proxy.log.text();
    let seen = format!("{:?}{}", gateway.endpoint.only_request().head, gateway.endpoint.only_request().text());
    assert!(!seen.to_ascii_lowercase().contains("authorization"));
    assert!(seen.contains("JobId=marker-value"));
    for secret in ["marker-token", &digest("marker-token-reader"), "marker-manifest", "marker-value"] {
        assert!(!log.contains(secret), "{secret} in {log}");
        assert!(secret == "marker-value" || !seen.contains(secret));
    }
}

#[test]
fn rules_decide_for_each_call_and_what_none_allows_is_denied() {
    let planner = client(
        "planner",
        "[[client.planner.rule]]\neffect = \"allow\"\nactions = [\"importexport:CreateJob\"]\n\
         when = [{ parameter = \"ValidateOnly\", equals = \"true\" }, \
         { parameter = \"JobType\", one_of = [\"Import\"] }]\n\
         [[client.planner.rule]]\neffect = \"deny\"\nactions = [\"*:*\"]\n\
         when = [{ parameter = \"ManifestAddendum\", absent = false }]",
    );
    let gateway = Gateway::start("", &format!("{}{planner}{}", reader(), client("idle", "")));
    for (client, form, expected) in [
        ("reader", "Action=GetStatus", "200"),
        ("reader", "Action=ListJobs", "200"),
        ("reader", "Action=GetShippingLabel", "403 AccessDenied"),
        ("reader", "Action=CreateJob", "403 AccessDenied"),
        ("reader", "Action=getStatus", "403 AccessDenied"),
        ("planner", "Action=CreateJob&ValidateOnly=true&JobType=Import", "200"),
        ("planner", "Action=CreateJob&ValidateOnly=tru%65&JobType=Import", "200"),
        ("planner", "Action=CreateJob&ValidateOnly=false&JobType=Import", "403 AccessDenied"),
        ("planner", "Action=CreateJob&JobType=Import", "403 AccessDenied"),
        (
            "planner",
            "Action=CreateJob&ValidateOnly=true&ValidateOnly=false&JobType=Import",
            "400 InvalidQueryParameter",
        ),
        ("planner", "Action=CreateJob&ValidateOnly=true&JobType=Import&ManifestAddendum=", "403 AccessDenied"),
        ("planner", "Action=GetStatus", "403 AccessDenied"),
        ("idle", "Action=GetStatus", "403 AccessDenied"),
    ] {
        assert_eq!(gateway.call(client, form), expected, "{client} {form}");
    }
    assert_eq!(gateway.endpoint.requests().len(), 4);
    let exchanges = gateway.exchanges(13);
    let field = |number: usize, name: &str| exchanges[number][name].as_str().unwrap_or("none").to_owned();
    assert_eq!((field(0, "client"), field(0, "identified_by")), ("reader".into(), "token".into()));
    assert_eq!((field(0, "decision"), field(0, "rule")), ("allow".into(), "allow[1]".into()));
    assert_eq!((field(2, "decision"), field(2, "rule")), ("deny".into(), "deny[1]".into()));
    assert_eq!((field(3, "decision"), field(3, "rule")), ("deny".into(), "none".into()));
    assert_eq!(field(10, "rule"), "rule[2]");
}

#[test]
fn calls_on_one_connection_are_judged_one_by_one() {
    let gateway = Gateway::start("", &reader());
    let mut client = gateway.proxy.connect();
    let authorized = bearer(&token("reader"));
    let fields = [("Authorization", authorized.as_str())];
    for (fields, form, expected) in [
        (&fields[..], "Action=GetStatus", "200"),
        (&fields, "Action=CreateJob", "403 AccessDenied"),
        (&fields, "Action=ListJobs", "200"),
        (&[], "Action=ListJobs", "403 MissingAuthenticationToken"),
    ] {
        assert_eq!(summary(&client.call(&with(fields, form))), expected, "{form}");
    }
    assert!(client.until_closed().is_empty(), "a stranger's connection is closed");
}

#[test]
fn strangers_are_refused_before_their_body_is_read() {
    let gateway = Gateway::start("", &reader());
    let head = with(&[("Authorization", "Bearer wrong"), ("Content-Length", "100")], "").unframed();
    let answer = gateway.proxy.call(&head);
    assert_eq!(summary(&answer), "403 InvalidClientTokenId");
    assert!(closes(&answer.head), "{answer:?}");
}

#[test]
fn a_client_over_its_rate_is_throttled_and_others_are_not() {
    let bounded = client("bounded", "allow = [\"*:*\"]\nrate = \"1/m\"\nburst = 3");
    let gateway = Gateway::start("", &format!("{bounded}{}", reader()));
    let begun = Instant::now();
    let answers: Vec<String> = (0..5).map(|_| gateway.call("bounded", GET)).collect();
    assert_eq!(answers, ["200", "200", "200", "400 Throttling", "400 Throttling"]);
    assert_eq!(gateway.call("reader", GET), "200");
    let answer = gateway.proxy.call(&with(&[("Authorization", &bearer(&token("bounded")))], GET));
    let seconds: u64 = answer.head.field("retry-after").unwrap().parse().unwrap();
    assert!(seconds <= 60 && seconds + begun.elapsed().as_secs() >= 59, "{answer:?}");
    assert_eq!(answer.head.field("x-proxy-sent"), Some("no"));
    assert_eq!(answer.element("Message"), "Rate exceeded");
}

#[test]
fn a_required_header_is_required() {
    let gateway = Gateway::start("required_header = \"x-requested-by\"", &reader());
    assert_eq!(gateway.call("reader", GET), "403 AccessDenied");
    let fields = [("X-Requested-By", "me"), ("Authorization", &bearer(&token("reader")))];
    assert_eq!(gateway.send(&fields, GET), "200");
}

/// What the audit would hold of these exchanges, in the names it promises.
fn audit(exchanges: &[Value], parameters: &[&str]) -> String {
    let lines = exchanges.iter().map(|exchange| {
        let line = json!({ "time": "2026-01-01T00:00:00Z", "client": exchange["client"], "route": exchange["route"],
            "action": exchange["action"], "decision": exchange["decision"], "parameters": parameters });
        format!("{line}\n")
    });
    lines.collect()
}

#[test]
fn what_was_recorded_becomes_rules_that_allow_it_and_no_more() {
    let gateway = Gateway::start("", &client("learner", "mode = \"record\"\ndeny = [\"importexport:CancelJob\"]"));
    for form in [GET, GET, "Action=ListJobs"] {
        assert_eq!(gateway.call("learner", form), "200");
    }
    let exchanges = gateway.exchanges(3);
    assert!(exchanges.iter().all(|exchange| exchange["decision"] == "recorded"), "{exchanges:?}");
    let record = gateway.setup.vault_path("audit.jsonl");
    fs::write(&record, audit(&exchanges, &["Action", "JobId"])).unwrap();
    let suggested = Outcome::of(gateway.setup.command("policy suggest").arg("--record").arg(&record), "");
    assert_eq!(suggested.code, 0, "{suggested:?}");
    let line = suggested.stdout.lines().find(|line| line.contains("importexport:GetStatus")).unwrap();
    assert!(line.contains("\", # 2 times, last at ") && line.ends_with(", with JobId"), "{suggested:?}");

    let Gateway { proxy, endpoint, setup } = gateway;
    drop(proxy);
    let config = setup.vault_path("countersign.toml");
    let text = fs::read_to_string(&config).unwrap().replace("\"record\"", "\"enforce\"");
    fs::write(&config, format!("{text}\n{}", suggested.stdout)).unwrap();
    let mut command = program();
    let proxy = setup.start_command(command.args(["run", "--config"]).arg(config), Stdio::null());
    let gateway = Gateway { proxy, endpoint, setup };
    assert_eq!(gateway.call("learner", GET), "200");
    assert_eq!(gateway.call("learner", "Action=ListJobs"), "200");
    assert_eq!(gateway.call("learner", "Action=CreateJob"), "403 AccessDenied");
    assert_eq!(gateway.call("learner", "Action=CancelJob"), "403 AccessDenied");
}

#[test]
fn a_refused_client_is_told_what_is_expected_and_the_log_which_command_says_more() {
    let gateway = Gateway::start("", &reader());
    let answer = gateway.proxy.call(&with(&[], "Action=GetStatus"));
    gateway.proxy.assert_own(&answer, 403, "MissingAuthenticationToken", "no");
    let message = answer.element("Message");
    assert!(message.ends_with("; expected is a header field `Authorization: Bearer TOKEN`"), "{message}");

    let answer = gateway.proxy.call(&with(&[("Authorization", &bearer(&token("reader")))], "Action=CreateJob"));
    gateway.proxy.assert_own(&answer, 403, "AccessDenied", "no");
    let message = answer.element("Message");
    assert!(message.ends_with(": CreateJob") && !message.contains("explain"), "{message}");
    let line = gateway.proxy.log.exchange(&answer.request_id());
    let command = "`countersign policy explain --config FILE --client reader --route importexport --action CreateJob`";
    assert!(line["error"].as_str().unwrap().contains(command), "{line}");
    assert_eq!(gateway.endpoint.requests().len(), 0);
}

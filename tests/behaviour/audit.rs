//! The audit as an operator meets it: a line for every decision, rotation, and a disk that is full.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::endpoint::answer;
use crate::harness::scene::{Scene, call, post};
use crate::harness::{After, Client, Draft, Endpoint, FORM, Outcome, Setup, eventually};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines_of(path: &Path) -> Vec<Value> {
    lines(&fs::read_to_string(path).unwrap_or_default())
}

#[test]
fn every_decision_is_one_line_with_values_only_where_the_route_asks_for_them() {
    let scene = Scene::new();
    fs::create_dir(scene.path("log")).unwrap();
    scene.give_away();
    let path = scene.path("log/audit.jsonl");
    let target = format!(
        "[audit]\ntarget = \"file:{}\"\n[route.other]\nendpoint = \"http://127.0.0.1:9\"\n\
         path = \"/other\"\nkey = \"main\"\n\
         audit_values = [\"JobId\"]\n",
        path.display()
    );
    let (proxy, address) = scene.run(&target);
    let listed = call(address);
    assert_eq!(listed.status, 200, "{}", proxy.log.text());
    post(address, "Action=CancelJob&JobId=hidden%0d%0a&Version=2010-06-01");
    post(address, "Manifest=unread");
    post(address, "A=%zz");
    eventually("four lines", || (lines_of(&path).len() == 4).then_some(()));
    let found = lines_of(&path);
    assert_eq!(found[0]["request_id"], listed.request_id());
    let summary: Vec<_> = found
        .iter()
        .map(|line| ["action", "decision", "outcome", "status", "key_id"].map(|name| line[name].to_string()).join(" "))
        .collect();
    assert_eq!(
        summary,
        [
            "\"ListJobs\" \"any_local\" \"answered_2xx\" 200 \"AKIAIOSFODNN7EXAMPLE\"",
            "\"CancelJob\" \"any_local\" \"answered_4xx\" 400 \"AKIAIOSFODNN7EXAMPLE\"",
            "null \"deny\" \"refused\" 400 null",
            "null \"deny\" \"refused\" 400 null",
        ]
    );
    assert_eq!(found[1]["parameters"], serde_json::json!(["Action", "JobId", "Version"]));
    assert_eq!(found[1]["values"], serde_json::json!({}));
    assert_eq!([&found[0]["listener"], &found[0]["route"], &found[0]["client"]], ["local", "ie", "any-local"]);
    let why = |line: &Value| format!("{} {}", line["code"], line["reason"]);
    assert_eq!((why(&found[1]), why(&found[2])), ("null null".into(), "\"MissingAction\" \"malformed\"".into()));
    assert!(found.iter().all(|line| line["peer"].as_str().unwrap().starts_with("127.0.0.1:")), "{found:?}");
    assert!(found[0]["endpoint_request_id"].is_string(), "the sandbox's documents are short: {}", found[0]);
    assert!(!fs::read_to_string(&path).unwrap().contains("hidden"));
}

/// What the audit and the log say that an endpoint with this response calls the request.
#[track_caller]
fn id_of(response: &[u8]) -> Value {
    let endpoint = Endpoint::saying(response, After::KeepOpen);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let audit = format!("[audit]\ntarget = \"file:{}\"\n", path.display());
    let proxy = Setup::to(&endpoint).more(&audit).log("json", "info").start();
    let answer = proxy.post(FORM);
    let logged = proxy.log.exchange(&answer.request_id());
    let audited = eventually("the line of the audit", || lines_of(&path).into_iter().next());
    assert_eq!(audited["request_id"], answer.request_id());
    assert_eq!(logged.get("endpoint_request_id").unwrap_or(&Value::Null), &audited["endpoint_request_id"]);
    audited["endpoint_request_id"].clone()
}

#[test]
fn what_the_endpoint_calls_the_request_is_in_log_and_audit() {
    let document = "<R><ResponseMetadata><RequestId>of-the-document</RequestId></ResponseMetadata></R>";
    assert_eq!(id_of(&answer("200 OK", document)), "of-the-document");
    assert_eq!(id_of(&answer("400 Bad", "<Response><RequestID>refused</RequestID></Response>")), "refused");
    let with_field = |name: &str| {
        let text = String::from_utf8(answer("200 OK", document)).unwrap();
        text.replacen("\r\n", &format!("\r\n{name}: of-the-head\r\n"), 1).into_bytes()
    };
    for name in ["x-amzn-RequestId", "x-amz-request-id", "X-Openstack-Request-Id"] {
        assert_eq!(id_of(&with_field(name)), "of-the-head", "{name}");
    }
    let large = format!("<R>{document}{}</R>", "x".repeat(100_000));
    assert_eq!(id_of(&answer("200 OK", &large)), Value::Null, "a large document is not searched");
    let forged = "<R><RequestId>a\" \"decision\":\"allow</RequestId></R>";
    assert_eq!(id_of(&answer("200 OK", forged)), Value::Null);
}

#[test]
fn a_rotated_file_is_let_go_and_made_anew_by_the_confined_process() {
    let scene = Scene::new();
    fs::create_dir(scene.path("log")).unwrap();
    scene.give_away();
    let path = scene.path("log/audit.jsonl");
    let (mut proxy, address) = scene.run(&format!("[audit]\ntarget = \"file:{}\"\n", path.display()));
    proxy.log.after("the process is confined");
    call(address);
    eventually("a line", || (lines_of(&path).len() == 1).then_some(()));
    fs::rename(&path, scene.path("log/audit.jsonl.1")).unwrap();
    proxy.signal(Signal::HUP);
    for _ in 0..2 {
        assert_eq!(call(address).status, 200, "{}", proxy.log.text());
    }
    eventually("two lines", || (lines_of(&path).len() == 2).then_some(()));
    assert_eq!(lines_of(&scene.path("log/audit.jsonl.1")).len(), 1);
    // the last line is written before the process ends
    call(address);
    proxy.signal(Signal::TERM);
    assert!(proxy.wait().success());
    assert_eq!(lines_of(&path).len(), 3);
}

#[test]
fn while_the_disk_is_full_calls_are_refused_and_nothing_is_sent() {
    let scene = Scene::new();
    let (proxy, address) = scene.run("[admin]\naddress = \"127.0.0.1:0\"\n[audit]\ntarget = \"file:/dev/full\"\n");
    let admin = proxy.log.after("admin listening address=").split(' ').next().unwrap().parse().unwrap();
    // its line had a place; that there is no disk below shows later
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());
    proxy.log.after("the audit cannot be written");
    let refused = call(address);
    assert_eq!((refused.status, refused.element("Code").as_str()), (503, "ServiceUnavailable"), "{}", refused.text());
    assert_eq!(refused.head.field("x-proxy-sent"), Some("no"));
    assert!(get(admin, "/readyz").contains("audit: it cannot be written"), "{}", get(admin, "/readyz"));
    assert!(get(admin, "/metrics").contains("countersign_audit_lost_total 1\n"));
    assert_eq!(proxy.log.text().matches("the audit cannot be written; trying").count(), 1, "{}", proxy.log.text());
}

#[test]
fn with_drop_a_full_disk_stops_nobody() {
    let scene = Scene::new();
    let (proxy, address) = scene.run("[audit]\ntarget = \"file:/dev/full\"\nwhen_full = \"drop\"\n");
    for _ in 0..5 {
        assert_eq!(call(address).status, 200, "{}", proxy.log.text());
    }
    proxy.log.after("the audit cannot be written");
    assert_eq!(call(address).status, 200, "{}", proxy.log.text());
}

#[test]
fn standard_output_has_the_audit_and_nothing_else() {
    let scene = Scene::new();
    let (proxy, address) = scene.run("[audit]\ntarget = \"stdout\"\n");
    call(address);
    eventually("a line", || (proxy.log.text().contains("{\"time\"")).then_some(()));
    let output = proxy.log.text();
    let line = output.lines().find(|line| line.starts_with("{")).unwrap();
    assert_eq!(lines(line)[0]["outcome"], "answered_2xx");
}

#[test]
fn an_audit_that_cannot_be_opened_is_no_start() {
    let scene = Scene::new();
    let mut command = scene.command("run", "[audit]\ntarget = \"file:/no/such/place/audit.jsonl\"\n");
    Outcome::of(&mut command, "").failed(71, "cannot write the audit to /no/such/place/audit.jsonl");
}

fn get(address: SocketAddr, path: &str) -> String {
    Client::connect(address).call(&Draft::form("").line(&format!("GET {path} HTTP/1.1"))).text()
}

#[test]
fn an_endpoint_gets_no_call_while_the_audit_cannot_be_written() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).more("[audit]\ntarget = \"file:/dev/full\"\n").start();
    // its line had a place
    proxy.post(FORM).expect(200);
    proxy.log.wait_for("the failure", |line| line.contains("the audit cannot be written").then_some(()));
    for _ in 0..3 {
        proxy.assert_own(&proxy.post(FORM), 503, "ServiceUnavailable", "no");
    }
    assert_eq!(endpoint.requests().len(), 1);
}

//! The audit as an operator meets it: a line for every decision, rotation, and a disk that is full.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::scene::{Scene, call, post, spawn};

fn wait(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(15), "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines_of(path: &Path) -> Vec<Value> {
    lines(&fs::read_to_string(path).unwrap_or_default())
}

fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    answer
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")))
        .unwrap_or_else(|| panic!("{name} in {answer}"))
}

#[test]
fn every_decision_is_one_line_with_values_only_where_the_route_asks_for_them() {
    let scene = Scene::new();
    fs::create_dir(scene.path("log")).unwrap();
    scene.give_away();
    let path = scene.path("log/audit.jsonl");
    let target = format!(
        "[audit]\ntarget = \"file:{}\"\n[route.other]\nendpoint = \"http://127.0.0.1:9\"\npath = \"/other\"\nkey = \"main\"\n\
         audit_values = [\"JobId\"]\n",
        path.display()
    );
    let (proxy, port) = scene.run(&target);
    let listed = call(port);
    assert!(listed.starts_with("HTTP/1.1 200"), "{}", proxy.output());
    post(port, "Action=CancelJob&JobId=hidden%0d%0a&Version=2010-06-01");
    post(port, "Manifest=unread");
    post(port, "A=%zz");
    wait("four lines", || lines_of(&path).len() == 4);
    let found = lines_of(&path);
    assert_eq!(found[0]["request_id"], header(&listed, "countersign-request-id"));
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
    assert!(!fs::read_to_string(&path).unwrap().contains("hidden"));
}

#[test]
fn a_rotated_file_is_let_go_and_made_anew_by_the_confined_process() {
    let scene = Scene::new();
    fs::create_dir(scene.path("log")).unwrap();
    scene.give_away();
    let path = scene.path("log/audit.jsonl");
    let (mut proxy, port) = scene.run(&format!("[audit]\ntarget = \"file:{}\"\n", path.display()));
    proxy.wait_for("the process is confined");
    call(port);
    wait("a line", || lines_of(&path).len() == 1);
    fs::rename(&path, scene.path("log/audit.jsonl.1")).unwrap();
    proxy.signal(Signal::HUP);
    for _ in 0..2 {
        assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
    }
    wait("two lines", || lines_of(&path).len() == 2);
    assert_eq!(lines_of(&scene.path("log/audit.jsonl.1")).len(), 1);
    // the last line is written before the process ends
    call(port);
    proxy.signal(Signal::TERM);
    assert!(proxy.process.wait().unwrap().success());
    assert_eq!(lines_of(&path).len(), 3);
}

#[test]
fn while_the_disk_is_full_calls_are_refused_and_nothing_is_sent() {
    let scene = Scene::new();
    let (proxy, port) = scene.run("[admin]\naddress = \"127.0.0.1:0\"\n[audit]\ntarget = \"file:/dev/full\"\n");
    let admin: u16 = proxy.wait_for("admin listening address=127.0.0.1:").trim().parse().unwrap();
    // its line had a place; that there is no disk below shows later
    assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
    proxy.wait_for("the audit cannot be written");
    let refused = call(port);
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("<Code>ServiceUnavailable</Code>"), "{refused}");
    assert_eq!(header(&refused, "x-proxy-sent"), "no");
    assert!(get(admin, "/readyz").contains("audit: it cannot be written"), "{}", get(admin, "/readyz"));
    assert!(get(admin, "/metrics").contains("countersign_audit_lost_total 1\n"));
    assert_eq!(proxy.output().matches("the audit cannot be written; trying").count(), 1, "{}", proxy.output());
}

#[test]
fn with_drop_a_full_disk_stops_nobody() {
    let scene = Scene::new();
    let (proxy, port) = scene.run("[audit]\ntarget = \"file:/dev/full\"\nwhen_full = \"drop\"\n");
    for _ in 0..5 {
        assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
    }
    proxy.wait_for("the audit cannot be written");
    assert!(call(port).starts_with("HTTP/1.1 200"), "{}", proxy.output());
}

#[test]
fn standard_output_has_the_audit_and_nothing_else() {
    let scene = Scene::new();
    let (proxy, port) = scene.run("[audit]\ntarget = \"stdout\"\n");
    call(port);
    wait("a line", || proxy.output().contains("{\"time\""));
    let output = proxy.output();
    let line = output.lines().find(|line| line.starts_with("{")).unwrap();
    assert_eq!(lines(line)[0]["outcome"], "answered_2xx");
}

#[test]
fn an_audit_that_cannot_be_opened_is_no_start() {
    let scene = Scene::new();
    let mut command = scene.command("run", "[audit]\ntarget = \"file:/no/such/place/audit.jsonl\"\n");
    let output = spawn(command.stderr(Stdio::piped())).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(71), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the audit to /no/such/place/audit.jsonl"));
}

fn get(port: u16, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

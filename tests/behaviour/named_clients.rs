//! Named clients over real sockets: who is let in, what their rules let pass, and what the endpoint sees of it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use countersign::credentials::Identities;
use countersign::credentials::seal::{Existing, seal, write_secret_file};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const KEY: &[u8] = br#"{"Version":1,"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#;

/// Tokens of the tests' clients: `marker-token-` and the client's name, so that a leak is easy to find.
fn token(client: &str) -> String {
    format!("marker-token-{client}")
}

fn digest(token: &str) -> String {
    Sha256::digest(token).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A table that a client's token identifies, with more lines of it.
fn client(name: &str, lines: &str) -> String {
    format!("[client.{name}]\ntoken_sha256 = \"{}\"\n{lines}\n", digest(&token(name)))
}

/// An endpoint that keeps what it receives and answers everything with an empty document.
#[derive(Clone)]
struct Endpoint {
    address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = Self { address: listener.local_addr().unwrap(), received: Arc::default() };
        let received = Arc::clone(&endpoint.received);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let received = Arc::clone(&received);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(message) = message(&mut reader) {
                        received.lock().unwrap().extend_from_slice(message.as_bytes());
                        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<A/>").unwrap();
                    }
                });
            }
        });
        endpoint
    }

    fn seen(&self) -> String {
        String::from_utf8(self.received.lock().unwrap().clone()).unwrap()
    }
}

/// Head and body of one message with a Content-Length; nothing at the end of the connection.
fn message(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let start = text.len();
        if reader.read_line(&mut text).unwrap_or(0) == 0 {
            return None;
        }
        let line = text[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    text.push_str(&String::from_utf8(body).unwrap());
    Some(text)
}

struct Proxy {
    process: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    directory: TempDir,
    endpoint: Endpoint,
}

impl Proxy {
    /// Starts the program with clients of these tables, logging all there is to log.
    fn start(listener: &str, clients: &str) -> Self {
        let endpoint = Endpoint::start();
        let directory = tempfile::tempdir().unwrap();
        let identities = Identities::generate();
        let sealed = seal(KEY, &identities.recipients()).unwrap();
        let identity = identities.to_file(jiff::Timestamp::UNIX_EPOCH);
        write_secret_file(&directory.path().join("identity"), &identity, Existing::Refuse).unwrap();
        write_secret_file(&directory.path().join("key.age"), &sealed, Existing::Refuse).unwrap();
        let text = format!(
            "[listener.local]\naddress = \"127.0.0.1:0\"\nauthenticate = [\"token\"]\n{listener}\n{clients}\n\
             [route.ie]\nendpoint = \"http://{}/\"\n\
             [key.main]\nfile = \"{1}/key.age\"\nidentity_file = \"{1}/identity\"\n\
             [log]\nformat = \"json\"\nlevel = \"trace\"\n[process]\nworkers = 2\n",
            endpoint.address,
            directory.path().display()
        );
        fs::write(directory.path().join("countersign.toml"), text).unwrap();
        Self::run(directory, endpoint)
    }

    fn run(directory: TempDir, endpoint: Endpoint) -> Self {
        let mut process = program(&["run", "--config", directory.path().join("countersign.toml").to_str().unwrap()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<String>>::default();
        let mut reader = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            assert!(reader.read_line(&mut line).unwrap() > 0, "the proxy did not start: {}", log.lock().unwrap());
            log.lock().unwrap().push_str(&line);
            let event: Option<Value> = serde_json::from_str(&line).ok();
            if let Some(event) = event.filter(|event| event["message"] == "listening") {
                break event["address"].as_str().unwrap().parse().unwrap();
            }
            line.clear();
        };
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                let mut log = lines.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { process, address, log, directory, endpoint }
    }

    fn config(&self) -> PathBuf {
        self.directory.path().join("countersign.toml")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Sends a form with these header lines on a connection of its own; status and code of the answer.
    fn send(&self, headers: &str, form: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(self.request(&format!("Connection: close\r\n{headers}"), form).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        summary(&answer)
    }

    /// Calls as the client whose token this is.
    fn call(&self, client: &str, form: &str) -> String {
        self.send(&format!("Authorization: Bearer {}\r\n", token(client)), form)
    }

    fn request(&self, headers: &str, form: &str) -> String {
        format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\
             Content-Length: {}\r\n\r\n{form}",
            self.address,
            form.len()
        )
    }

    /// The lines of all exchanges logged, of which there will be `count`.
    fn exchanges(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let log = self.log.lock().unwrap().clone();
            let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let exchanges: Vec<Value> = events.filter(|event| event["message"] == "exchange").collect();
            if exchanges.len() >= count || Instant::now() > deadline {
                assert_eq!(exchanges.len(), count);
                return exchanges;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn summary(answer: &str) -> String {
    let status = answer.split(' ').nth(1).unwrap_or("none");
    let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    code.map_or_else(|| status.to_owned(), |code| format!("{status} {code}"))
}

const GET: &str = "Action=GetStatus&JobId=marker-value&Version=2010-06-03";

fn reader() -> String {
    client("reader", "allow = [\"ie:Get*\", \"*:ListJobs\"]\ndeny = [\"ie:GetShippingLabel\"]")
}

#[test]
fn only_a_known_token_in_exactly_one_field_is_let_in() {
    let proxy = Proxy::start("", &reader());
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(proxy.call("reader", GET), "200");
    assert_eq!(proxy.send("", GET), "403 MissingAuthenticationToken");
    assert_eq!(proxy.send(&bearer(""), GET), "403 MissingAuthenticationToken");
    assert_eq!(proxy.send("Authorization: AWS4-HMAC-SHA256 Credential=x\r\n", GET), "403 MissingAuthenticationToken");
    for wrong in ["marker-token-reade", "marker-token-reader2", "MARKER-TOKEN-READER", "x, marker-token-reader"] {
        assert_eq!(proxy.send(&bearer(wrong), GET), "403 InvalidClientTokenId", "{wrong:?}");
    }
    let twice = format!("{0}{0}", bearer("marker-token-reader"));
    assert_eq!(proxy.send(&twice, GET), "403 InvalidClientTokenId");
    assert_eq!(proxy.send(&bearer(&digest("marker-token-reader")), GET), "403 InvalidClientTokenId");
    let in_form = format!("{GET}&Authorization=Bearer+marker-token-reader&token=marker-token-reader");
    assert_eq!(proxy.send("", &in_form), "403 MissingAuthenticationToken");
    assert_eq!(proxy.endpoint.seen().matches("POST ").count(), 1);
}

#[test]
fn the_token_shows_neither_upstream_nor_in_the_log() {
    let proxy = Proxy::start("", &reader());
    assert_eq!(proxy.call("reader", GET), "200");
    assert_eq!(proxy.call("reader", "Action=CreateJob&Manifest=marker-manifest"), "403 AccessDenied");
    assert_eq!(proxy.send("Authorization: Bearer marker-token-wrong\r\n", GET), "403 InvalidClientTokenId");
    proxy.exchanges(3);
    let log = proxy.log.lock().unwrap().clone();
    assert!(!proxy.endpoint.seen().to_ascii_lowercase().contains("authorization"));
    assert!(proxy.endpoint.seen().contains("JobId=marker-value"));
    for secret in ["marker-token", &digest("marker-token-reader"), "marker-manifest", "marker-value"] {
        assert!(!log.contains(secret), "{secret} in {log}");
        assert!(secret == "marker-value" || !proxy.endpoint.seen().contains(secret));
    }
}

#[test]
fn rules_decide_for_each_call_and_what_none_allows_is_denied() {
    let planner = client(
        "planner",
        "[[client.planner.rule]]\neffect = \"allow\"\nactions = [\"ie:CreateJob\"]\n\
         when = [{ parameter = \"ValidateOnly\", equals = \"true\" }, { parameter = \"JobType\", one_of = [\"Import\"] }]\n\
         [[client.planner.rule]]\neffect = \"deny\"\nactions = [\"*:*\"]\n\
         when = [{ parameter = \"ManifestAddendum\", absent = false }]",
    );
    let proxy = Proxy::start("", &format!("{}{planner}{}", reader(), client("idle", "")));
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
        assert_eq!(proxy.call(client, form), expected, "{client} {form}");
    }
    let seen = proxy.endpoint.seen();
    assert_eq!(seen.matches("POST ").count(), 4, "{seen}");
    let exchanges = proxy.exchanges(13);
    let field = |number: usize, name: &str| exchanges[number][name].as_str().unwrap_or("none").to_owned();
    assert_eq!((field(0, "client"), field(0, "identified_by")), ("reader".into(), "token".into()));
    assert_eq!((field(0, "decision"), field(0, "rule")), ("allow".into(), "allow[1]".into()));
    assert_eq!((field(2, "decision"), field(2, "rule")), ("deny".into(), "deny[1]".into()));
    assert_eq!((field(3, "decision"), field(3, "rule")), ("deny".into(), "none".into()));
    assert_eq!(field(10, "rule"), "rule[2]");
}

#[test]
fn calls_on_one_connection_are_judged_one_by_one() {
    let proxy = Proxy::start("", &reader());
    let mut stream = proxy.connect();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let authorized = format!("Authorization: Bearer {}\r\n", token("reader"));
    for (headers, form, expected) in [
        (authorized.as_str(), "Action=GetStatus", "200"),
        (&authorized, "Action=CreateJob", "403 AccessDenied"),
        (&authorized, "Action=ListJobs", "200"),
        ("", "Action=ListJobs", "403 MissingAuthenticationToken"),
    ] {
        stream.write_all(proxy.request(headers, form).as_bytes()).unwrap();
        assert_eq!(summary(&message(&mut reader).unwrap()), expected, "{form}");
    }
    assert!(message(&mut reader).is_none(), "a stranger's connection is closed");
}

#[test]
fn strangers_are_refused_before_their_body_is_read() {
    let proxy = Proxy::start("", &reader());
    let mut stream = proxy.connect();
    let head = proxy.request("Authorization: Bearer wrong\r\n", "").replace("Content-Length: 0", "Content-Length: 100");
    stream.write_all(head.as_bytes()).unwrap();
    let answer = message(&mut BufReader::new(stream)).unwrap();
    assert_eq!(summary(&answer), "403 InvalidClientTokenId");
    assert!(answer.to_ascii_lowercase().contains("connection: close\r\n"), "{answer}");
}

#[test]
fn a_client_over_its_rate_is_throttled_and_others_are_not() {
    let bounded = client("bounded", "allow = [\"*:*\"]\nrate = \"1/m\"\nburst = 3");
    let proxy = Proxy::start("", &format!("{bounded}{}", reader()));
    let answers: Vec<String> = (0..5).map(|_| proxy.call("bounded", GET)).collect();
    assert_eq!(answers, ["200", "200", "200", "400 Throttling", "400 Throttling"]);
    assert_eq!(proxy.call("reader", GET), "200");
    let mut stream = proxy.connect();
    let authorized = format!("Authorization: Bearer {}\r\n", token("bounded"));
    stream.write_all(proxy.request(&authorized, GET).as_bytes()).unwrap();
    let answer = message(&mut BufReader::new(stream)).unwrap().to_ascii_lowercase();
    let seconds: u64 = answer.split_once("retry-after: ").unwrap().1.split_once("\r\n").unwrap().0.parse().unwrap();
    assert!((50..=60).contains(&seconds), "{answer}");
    assert!(answer.contains("x-proxy-sent: no") && answer.contains("<message>rate exceeded</message>"), "{answer}");
}

#[test]
fn a_required_header_is_required() {
    let proxy = Proxy::start("required_header = \"x-requested-by\"", &reader());
    assert_eq!(proxy.call("reader", GET), "403 AccessDenied");
    let headers = format!("X-Requested-By: me\r\nAuthorization: Bearer {}\r\n", token("reader"));
    assert_eq!(proxy.send(&headers, GET), "200");
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
    let mut proxy = Proxy::start("", &client("learner", "mode = \"record\"\ndeny = [\"ie:CancelJob\"]"));
    for form in [GET, GET, "Action=ListJobs"] {
        assert_eq!(proxy.call("learner", form), "200");
    }
    let exchanges = proxy.exchanges(3);
    assert!(exchanges.iter().all(|exchange| exchange["decision"] == "recorded"), "{exchanges:?}");
    let record = proxy.directory.path().join("audit.jsonl");
    fs::write(&record, audit(&exchanges, &["Action", "JobId"])).unwrap();

    let (config, record) = (proxy.config(), record.display().to_string());
    let suggested = output(&["policy", "suggest", "--config", config.to_str().unwrap(), "--record", &record]);
    assert!(suggested.status.success(), "{suggested:?}");
    let suggested = String::from_utf8(suggested.stdout).unwrap();
    assert!(suggested.contains("\"ie:GetStatus\", # 2 times, with JobId"), "{suggested}");

    let text = fs::read_to_string(&config).unwrap().replace("\"record\"", "\"enforce\"");
    fs::write(&config, format!("{text}\n{suggested}")).unwrap();
    proxy.process.kill().unwrap();
    proxy.process.wait().unwrap();
    let directory = std::mem::replace(&mut proxy.directory, tempfile::tempdir().unwrap());
    let proxy = Proxy::run(directory, proxy.endpoint.clone());
    assert_eq!(proxy.call("learner", GET), "200");
    assert_eq!(proxy.call("learner", "Action=ListJobs"), "200");
    assert_eq!(proxy.call("learner", "Action=CreateJob"), "403 AccessDenied");
    assert_eq!(proxy.call("learner", "Action=CancelJob"), "403 AccessDenied");
}

#[test]
fn a_broken_record_is_named_by_its_line_and_not_repeated() {
    let proxy = Proxy::start("", &reader());
    let (config, record) = (proxy.config(), proxy.directory.path().join("audit.jsonl"));
    let suggest = |text: &str| {
        fs::write(&record, text).unwrap();
        output(&["policy", "suggest", "--config", config.to_str().unwrap(), "--record", record.to_str().unwrap()])
    };
    let broken = suggest("{\"decision\":\"deny\"}\n\n{\"decision\":\"marker\"}\n");
    assert_eq!(broken.status.code(), Some(65));
    let message = String::from_utf8(broken.stderr).unwrap();
    assert!(message.contains("audit.jsonl:3:") && !message.contains("marker"), "{message}");
    let foreign = suggest("{\"decision\":\"allow\",\"client\":\"x\\n[key\",\"route\":\"ie\",\"action\":\"A\"}\n");
    assert_eq!((foreign.status.code(), foreign.stdout.as_slice()), (Some(1), b"".as_slice()));
    assert!(String::from_utf8(foreign.stderr).unwrap().contains("1 calls were of clients or routes"));
}

#[test]
fn explain_says_allow_or_deny_and_which_rule() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config/clients.toml");
    let explain = |client: &str, call: &[&str]| {
        let explained =
            output(&[&["policy", "explain", "--config", config, "--client", client, "--action"], call].concat());
        (explained.status.code().unwrap(), String::from_utf8(explained.stdout).unwrap())
    };
    let (code, text) = explain("reporting", &["GetStatus"]);
    assert_eq!(
        (code, text.as_str()),
        (0, "allow importexport:GetStatus: allow[1] of client reporting: importexport:Get*\n")
    );
    let (code, text) = explain("reporting", &["GetShippingLabel"]);
    assert!(code == 1 && text.starts_with("deny importexport:GetShippingLabel: deny[1] of client reporting"), "{text}");
    let (code, text) = explain("reporting", &["CreateJob"]);
    assert_eq!((code, text.as_str()), (1, "deny importexport:CreateJob: no rule of client reporting allows it\n"));
    let (code, text) = explain("planner", &["CreateJob", "ValidateOnly=true", "JobType=Import"]);
    assert!(code == 0 && text.contains("rule[1]") && text.contains("when ValidateOnly equals \"true\" and"), "{text}");
    assert_eq!(explain("planner", &["CreateJob", "ValidateOnly=true", "JobType=Import", "ManifestAddendum=a=b"]).0, 1);
    assert_eq!(explain("migration", &["CreateJob"]).0, 1, "the answer that holds once rules are enforced");
    for wrong in [("nobody", ["GetStatus"].as_slice()), ("planner", &["Get Status"]), ("planner", &["GetStatus", "x"])]
    {
        assert_eq!(explain(wrong.0, wrong.1).0, 65, "{wrong:?}");
    }
}

#[test]
fn check_prints_clients_and_rules_and_never_a_digest() {
    let record = client("learner", "mode = \"record\"\nrate = \"5/s\"");
    let other = "[client.other]\nuid = 7\nallow = [\"*:*\"]\n";
    let proxy = Proxy::start("", &format!("{}{record}{other}", reader()));
    let checked = output(&["check", "--config", proxy.config().to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
    let text = String::from_utf8(checked.stdout).unwrap();
    for line in [
        "callers: clients, by token",
        "client reader: identified by a token",
        "deny[1]: deny ie:GetShippingLabel",
        "WARNING mode record",
        "rate: 5 calls in 1s, 5 at once",
        "allow[1]: allow *:*",
        "WARNING no listener can identify it",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert!(!text.contains(&digest("marker-token-reader")), "{text}");
}

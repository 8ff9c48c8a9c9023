//! Clients that sign with issued keys, as far as this needs no signer but ours: scopes, replaced keys, several methods,
//! and what an unverified claim uses up. The signatures of others are verified by `test_issued_keys.py`.

use std::net::SocketAddr;

use crate::harness::clients::{client, token};
use crate::harness::{Client, Draft, Endpoint, FORM, ID, Outcome, Proxy, SECRET, Setup, document, eventually, program};

pub const AGENT: (&str, &str) = ("CSGNAGENTEXAMPLEAAAA", "agent-secret-of-an-example-of-forty-char");
const SECOND: (&str, &str) = ("CSGNSECONDEXAMPLEAAA", "second-secret-of-an-example-of-40-chars.");

/// A form that `countersign sign` signs by aws-v4 for a scope, such as `ec2/eu-central-1`.
pub fn signed(address: SocketAddr, key: (&str, &str), scope: &str, form: &str) -> Draft {
    signed_at(address, key, scope, form, "/")
}

/// The same, for a path.
pub fn signed_at(address: SocketAddr, (id, secret): (&str, &str), scope: &str, form: &str, path: &str) -> Draft {
    let (service, region) = scope.split_once('/').unwrap();
    let endpoint = format!("http://{address}{path}");
    let mut command = program();
    command.args(["sign", "--headers", "--dialect", "aws-v4", "--endpoint", &endpoint, "--access-key-id", id]);
    command.args(["--region", region, "--service", service]).env("AWS_SECRET_ACCESS_KEY", secret);
    let Outcome { code, stdout, stderr } = Outcome::of(&mut command, form);
    assert_eq!(code, 0, "{stderr}");
    let (fields, body) = stdout.split_once("\n\n").unwrap();
    let fields = fields.lines().map(|line| line.split_once(": ").unwrap());
    fields.fold(Draft::form(body.trim_end_matches('\n')).at(path), |draft, (name, value)| draft.instead(name, value))
}

/// A setup whose listener knows `[client.agent]` by a key in a file, with more lines of that client.
pub fn with_agent(setup: Setup, lines: &str) -> Setup {
    let file = setup.of_vault().put("agent.json", &document(AGENT.0, AGENT.1, ""));
    let tables = format!(
        "[client.agent]\nissued_keys = [\"agent\"]\nallow = [\"*:*\"]\n{lines}\n\
         [key.agent]\nkind = \"file\"\nfile = {file:?}\n"
    );
    let mut setup = setup.more(&tables);
    setup.callers = "authenticate = [\"issued-key\"]";
    setup
}

/// Another route, which only this scope chooses.
fn scoped(endpoint: &Endpoint, name: &str, scope: &str) -> String {
    format!("[route.{name}]\nendpoint = \"{}\"\nkey = \"main\"\nscope = \"{scope}\"\n", endpoint.url())
}

#[test]
fn the_verified_scope_of_a_signature_chooses_the_route() {
    let [ec2, iam, other] = [Endpoint::obliging(), Endpoint::obliging(), Endpoint::obliging()];
    let routes = scoped(&ec2, "ec2", "ec2/eu-central-1") + &scoped(&iam, "iam", "iam/us-east-1");
    let proxy = with_agent(Setup::to(&other), "").more(&routes).start();
    for scope in ["ec2/eu-central-1", "iam/us-east-1", "ec2/us-east-1", "sdb/eu-central-1"] {
        proxy.call(&signed(proxy.address, AGENT, scope, FORM)).expect(200);
    }
    assert_eq!([&ec2, &iam, &other].map(|endpoint| endpoint.requests().len()), [1, 1, 2]);
    // who changes the scope has no signature for it
    let changed = signed(proxy.address, (AGENT.0, "wrong"), "ec2/eu-central-1", FORM);
    proxy.assert_own(&proxy.call(&changed), 403, "SignatureDoesNotMatch", "no");
    let unsigned = proxy.post(FORM);
    proxy.assert_own(&unsigned, 403, "MissingAuthenticationToken", "no");
    assert_eq!(ec2.requests().len(), 1);
}

#[test]
fn a_route_with_a_scope_is_reached_by_no_other_credential() {
    let [ec2, other] = [Endpoint::obliging(), Endpoint::obliging()];
    let routes = scoped(&ec2, "ec2", "ec2/eu-central-1") + &client("reader", "allow = [\"*:*\"]");
    let mut setup = with_agent(Setup::to(&other).route("path = \"/other\""), "").more(&routes);
    setup.callers = "authenticate = [\"issued-key\", \"token\"]";
    let proxy = setup.start();
    let bearer = format!("Bearer {}", token("reader"));
    let call = Draft::form(FORM).field("Authorization", &bearer);
    proxy.assert_own(&proxy.call(&call), 404, "ProxyRouteNotFound", "no");
    let elsewhere = proxy.call(&signed(proxy.address, AGENT, "ec2/us-east-1", FORM));
    proxy.assert_own(&elsewhere, 404, "ProxyRouteNotFound", "no");
    assert!(elsewhere.text().contains("ec2/us-east-1"), "{}", elsewhere.text());
    // a claim that chooses no route because it is malformed is refused for that
    let malformed = signed(proxy.address, AGENT, "ec2/eu-central-1", FORM).field("X-Amz-Security-Token", "none");
    proxy.assert_own(&proxy.call(&malformed), 400, "IncompleteSignature", "no");
    proxy.call(&Draft::form(FORM).path("/other").field("Authorization", &bearer)).expect(200);
    proxy.call(&signed(proxy.address, AGENT, "ec2/eu-central-1", FORM)).expect(200);
    assert_eq!((ec2.requests().len(), other.requests().len()), (1, 1));
}

#[test]
fn an_issued_key_that_is_replaced_in_its_file_is_known_soon_and_the_old_one_no_more() {
    let endpoint = Endpoint::obliging();
    let proxy = with_agent(Setup::to(&endpoint), "").start();
    proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM)).expect(200);
    proxy.vault.put("agent.json", &document(SECOND.0, SECOND.1, ""));
    eventually("the key of the file", || {
        (proxy.call(&signed(proxy.address, SECOND, "iam/us-east-1", FORM)).status == 200).then_some(())
    });
    let old = proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM));
    proxy.assert_own(&old, 403, "InvalidClientTokenId", "no");
}

#[test]
fn all_credentials_of_a_signed_request_must_be_of_one_client() {
    let endpoint = Endpoint::obliging();
    let mut setup = with_agent(Setup::to(&endpoint), "").more(&client("reader", "allow = [\"*:*\"]"));
    setup.callers = "authenticate = [\"token\", \"issued-key\"]";
    let proxy = setup.start();
    let bearer = format!("Bearer {}", token("reader"));
    proxy.call(&Draft::form(FORM).field("Authorization", &bearer)).expect(200);
    proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM)).expect(200);
    // a form that claims a signature is verified although a token identifies the client
    let form =
        format!("{FORM}&AWSAccessKeyId=none&Signature=bm9uZQ%3D%3D&SignatureVersion=2&SignatureMethod=HmacSHA256");
    let both = Draft::form(&format!("{form}&Timestamp=2026-01-01T00%3A00%3A00Z")).field("Authorization", &bearer);
    proxy.assert_own(&proxy.call(&both), 403, "InvalidClientTokenId", "no");
    let two = signed(proxy.address, AGENT, "iam/us-east-1", FORM).field("Authorization", &bearer);
    proxy.assert_own(&proxy.call(&two), 400, "IncompleteSignature", "no");
}

#[test]
fn a_claim_that_does_not_verify_uses_up_nothing_of_the_client() {
    let endpoint = Endpoint::obliging();
    let proxy = with_agent(Setup::to(&endpoint), "rate = \"1/m\"").start();
    let forged = signed(proxy.address, (AGENT.0, "wrong"), "iam/us-east-1", FORM);
    for _ in 0..5 {
        let answer = proxy.call(&forged);
        proxy.assert_own(&answer, 403, "SignatureDoesNotMatch", "no");
        let line = proxy.log.exchange(&answer.request_id());
        assert!(line["client"].is_null(), "{line}");
        assert!(line["error"].as_str().unwrap().ends_with(&format!("the issued key {}", AGENT.0)), "{line}");
    }
    let first = proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM)).expect(200);
    let line = proxy.log.exchange(&first.request_id());
    assert_eq!((line["client"].as_str(), line["identified_by"].as_str()), (Some("agent"), Some("issued-key")));
    let second = proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM)).expect(400);
    assert_eq!(second.element("Code"), "Throttling");
}

#[test]
fn forms_of_strangers_take_a_tenth_of_the_memory_and_leave_the_rest_to_clients() {
    let endpoint = Endpoint::obliging();
    let setup = with_agent(Setup::to(&endpoint).route("limits.body = \"100 KiB\""), "");
    let proxy = setup.process("workers = 1\nbodies = \"1 MiB\"").start();
    let half =
        format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n", proxy.address);
    let half = format!("{half}Content-Length: 90000\r\n\r\nAction=A&B={}", "x".repeat(80_000));
    let mut held = Client::connect(proxy.address);
    held.write(half.as_bytes());
    let refused = eventually("a stranger without memory", || {
        let mut second = Client::connect(proxy.address);
        second.write(half.replace("Content-Length: 90000", "Content-Length: 80011").as_bytes());
        let answer = second.answer();
        (answer.status != 403).then_some(answer)
    });
    assert_eq!(refused.status, 503);
    proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", &format!("{FORM}&B={}", "x".repeat(80_000)))).expect(200);
    drop(held);
}

/// Half a request of somebody who is not known yet: the server has read its head, and waits for its form.
fn half(proxy: &Proxy, draft: Draft) -> Client {
    let mut client = proxy.connect();
    client.send(&draft.unframed().body(b"").field("Content-Length", "900").field("Expect", "100-continue"));
    assert_eq!(client.wire.head().unwrap().unwrap().first_line, "HTTP/1.1 100 Continue");
    client.write(b"Action=A");
    client
}

#[test]
fn forms_that_strangers_never_end_keep_no_connection_from_clients_and_fill_no_log() {
    const PLACES: usize = 4;
    let endpoint = Endpoint::obliging();
    let setup = with_agent(Setup::to(&endpoint), "").listener(&format!("limits.connections = {PLACES}"));
    let proxy = setup.process("workers = 1").start();
    let unsigned = Draft::form("");
    // whoever knows the id of a key is a stranger too
    let forged = signed(proxy.address, (AGENT.0, "wrong"), "iam/us-east-1", FORM);
    for draft in [unsigned, forged] {
        let held: Vec<Client> = (0..PLACES).map(|_| half(&proxy, draft.clone())).collect();
        proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM)).expect(200);
        // those of the strangers make room for each other, oldest first
        let more: Vec<Client> = (0..20).map(|_| half(&proxy, draft.clone())).collect();
        drop((held, more));
    }
    let lines = proxy.logged(|line| line.contains(r#""reason":"evicted""#) && line.contains(r#""message":"exchange""#));
    assert_eq!(lines, 10, "the others are counted");
    let evicted = || proxy.metric("countersign_evicted_connections_total{listener=\"local\",rank=\"stranger\"}");
    eventually("the evictions", || (evicted() >= 30.0).then_some(()));
}

#[test]
fn two_issued_keys_with_one_id_or_with_a_session_token_are_refused_by_check_as_by_run() {
    let endpoint = Endpoint::obliging();
    for (more, words) in [
        ("", "key.twin: it has the same access key ID as key.agent: each issued key needs one of its own"),
        (",\"SessionToken\":\"example\"", "key.twin: it has a session token, which issued keys have not"),
    ] {
        let setup = with_agent(Setup::to(&endpoint), "");
        let id = if more.is_empty() { AGENT.0 } else { SECOND.0 };
        let file = setup.of_vault().put("twin.json", &document(id, SECOND.1, more));
        let setup = setup
            .more(&format!("[client.twin]\nissued_keys = [\"twin\"]\n[key.twin]\nkind = \"file\"\nfile = {file:?}\n"));
        for command in ["check", "run"] {
            let outcome = Outcome::of(&mut setup.command(command), "");
            assert!(outcome.stderr.contains(words) || outcome.stdout.contains(words), "{command}: {outcome:?}");
            assert_eq!(outcome.code, 78, "{command}");
        }
    }
}

#[test]
fn a_key_of_the_cloud_identifies_no_client_and_is_refused_under_a_second_name() {
    let endpoint = Endpoint::obliging();
    let mut setup = with_agent(Setup::to(&endpoint), "");
    setup.of_vault().put("agent.json", &document(ID, SECRET, ""));
    for command in ["check", "run"] {
        let outcome = Outcome::of(&mut setup.command(command), "");
        let words = "key.agent: it has the same access key ID as key.main, which signs for the cloud";
        assert!(outcome.stderr.contains(words) || outcome.stdout.contains(words), "{command}: {outcome:?}");
        assert_eq!(outcome.code, 78, "{command}");
    }
    // a store may give it later
    setup.of_vault().put("agent.json", &document(AGENT.0, AGENT.1, ""));
    setup.callers = "authenticate = [\"issued-key\"]";
    let proxy = setup.start();
    let clouds = signed(proxy.address, (ID, SECRET), "iam/us-east-1", FORM);
    proxy.assert_own(&proxy.call(&clouds), 403, "InvalidClientTokenId", "no");
    proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM)).expect(200);
    proxy.vault.put("agent.json", &document(ID, SECRET, ""));
    proxy.log.wait_for("the key", |line| line.contains("a changed key is in use").then_some(()));
    proxy.assert_own(&proxy.call(&clouds), 403, "InvalidClientTokenId", "no");
    assert_eq!(endpoint.requests().len(), 1);
}

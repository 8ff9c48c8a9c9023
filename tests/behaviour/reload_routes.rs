//! What a reload makes of the settings of a route: each new value is in use, and what is known of an endpoint stays
//! known.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::sleep;
use std::time::{Duration, Instant};

use countersign::credentials::seal::{Existing, write_secret_file};
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;
use rustix::process::Signal;

use crate::egress::EgressProxy;
use crate::harness::{
    After, Answer, CREATE, Draft, Ending, Endpoint, FORM, ID, OTHER_ID, OTHER_SECRET, Proxy, SECRET, Setup, Vault,
    endpoint, eventually,
};
use crate::issued_keys::{AGENT, signed, with_agent};
use crate::outages::refusing;
use crate::untrusted::{Authority, VALID, secure};

/// Old values of timeouts that no test waits for.
const NEVER: &str = "1h";
/// By when a test knows that a timeout was not the old one.
const SOON: Duration = Duration::from_secs(60);

/// A proxy that was started with `before` and serves `after` now.
#[track_caller]
fn reloaded(before: &Setup, after: &Setup) -> Proxy {
    let proxy = before.clone().start();
    proxy.reload(after);
    proxy
}

/// The same setup with the old and the new value of a setting of its route.
fn changed(setup: Setup, before: &str, after: &str) -> (Setup, Setup) {
    (setup.clone().route(before), setup.route(after))
}

#[track_caller]
fn soon(call: impl FnOnce() -> Answer) -> Answer {
    let begun = Instant::now();
    let answer = call();
    assert!(begun.elapsed() < SOON, "the old timeout is in use");
    answer
}

/// An endpoint whose clock is so many hours ahead, and which refuses what is more than 15 minutes off.
fn endpoint_ahead(hours: i64) -> Endpoint {
    Endpoint::scripted(move |exchange| {
        let now = countersign::clock::now() + SignedDuration::from_hours(hours);
        let signed: jiff::Timestamp = exchange.request.parameter("Timestamp").parse().unwrap();
        let expired = "<Error><Code>RequestExpired</Code></Error>";
        let far = now.duration_since(signed).abs() > SignedDuration::from_mins(15);
        let (status, body) = if far { ("400 Bad Request", expired) } else { ("200 OK", "<Done/>") };
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
        let head = format!("HTTP/1.1 {status}\r\nDate: {date}\r\nContent-Length: {}\r\n\r\n", body.len());
        exchange.write(format!("{head}{body}").as_bytes());
        After::KeepOpen
    })
}

#[test]
fn an_endpoint_that_is_down_stays_down_when_a_timeout_changes() {
    const DOWN: &str = r#"countersign_endpoint_down{route="importexport"}"#;
    let (_held, address) = refusing();
    let setup = Setup::to_url(&format!("http://{address}/")).process("workers = 1\ndanger_unconfined = true");
    let proxy = setup.clone().start();
    eventually("the outage", || (proxy.post(CREATE).status == 503).then_some(()));
    proxy.reload(&setup.clone().route("timeouts.first_byte = \"29s\""));
    assert_eq!(proxy.metric(DOWN), 1.0, "its connections are made anew, but it is the same endpoint");
    assert_eq!(proxy.metric(r#"countersign_endpoint_outages_total{route="importexport"}"#), 1.0);
    proxy.reload(&setup.redirected(&Endpoint::obliging()));
    assert_eq!(proxy.metric(DOWN), 0.0, "of another endpoint nothing is known");
    proxy.post(CREATE).expect(200);
}

#[test]
fn the_clock_of_an_endpoint_stays_known_when_a_timeout_changes() {
    let endpoint = endpoint_ahead(3);
    let setup = Setup::to(&endpoint);
    let proxy = setup.clone().start();
    proxy.post(CREATE).expect(200);
    assert_eq!(endpoint.requests().len(), 2, "refused for its time once");
    proxy.reload(&setup.route("timeouts.first_byte = \"29s\""));
    proxy.post(CREATE).expect(200);
    assert_eq!(endpoint.requests().len(), 3, "the second time was right at once");
}

#[test]
fn connections_stay_while_nothing_about_the_call_has_changed() {
    for (line, connections) in [
        ("limits.body = \"1 MiB\"", 1),
        ("audit_values = [\"JobId\"]", 1),
        ("timeouts.idle = \"29s\"", 2),
        ("limits.pool = 63", 2),
        ("limits.failures = 4", 2),
    ] {
        let endpoint = Endpoint::obliging();
        let setup = Setup::to(&endpoint);
        let proxy = setup.clone().start();
        proxy.post(FORM).expect(200);
        proxy.reload(&setup.route(line));
        proxy.post(FORM).expect(200);
        assert_eq!(endpoint.connections(), connections, "{line}");
    }
}

/// A test for each setting of a route: it sees the new value in use after a reload.
const SETTINGS: &[(&str, fn())] = &[
    ("endpoint", new_endpoint),
    ("connect", new_next_hop),
    ("egress", new_egress),
    ("egress_ca_file", new_egress_ca_file),
    ("egress_credentials_file", new_egress_credentials),
    ("key", new_key),
    ("probe", new_probe),
    ("ca_file", new_ca_file),
    ("client_certificate", crate::client_certificates::new_client_certificate),
    ("client_key", crate::client_certificates::new_client_certificate),
    ("pinned_public_keys", crate::client_certificates::new_pinned_public_key),
    ("minimum_tls", crate::client_certificates::new_minimum_tls),
    ("danger_plaintext", new_danger_plaintext),
    ("clock", new_clock),
    ("hosts", new_hosts),
    ("path", new_path),
    ("scope", new_scope),
    ("accept", new_accept),
    ("forward_headers", new_forward_headers),
    ("safe_to_repeat", new_safe_to_repeat),
    ("known_actions", new_known_actions),
    ("audit_values", new_audit_values),
    ("profile.dialect", new_dialect),
    ("profile.signature_method", new_signature_method),
    ("profile.region", new_region),
    ("profile.errors", new_errors),
    ("profile.service", new_service),
    ("limits.body", new_body),
    ("limits.parameters", new_parameters),
    ("limits.in_flight", new_in_flight),
    ("limits.pool", new_pool),
    ("limits.warm", new_warm),
    ("limits.failures", new_failures),
    ("timeouts.connect", new_connect),
    ("timeouts.first_byte", new_first_byte),
    ("timeouts.idle", new_idle),
    ("timeouts.pool_idle", new_pool_idle),
    ("timeouts.probe", new_pause_between_probes),
    ("fallback", crate::failover::new_fallback),
];

/// The settings of a route that the reference configuration names, commented out or not. The table of a fallback counts
/// as one: the same functions read and build the endpoints of both tables.
fn documented_settings() -> Vec<String> {
    let reference = include_str!("../../config/reference.toml");
    let mut table = None;
    let mut settings = Vec::new();
    for line in reference.lines() {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_end_matches(']');
            table = name.strip_prefix("route.importexport").map(|below| below.trim_start_matches('.').to_owned());
            continue;
        }
        if let Some(name) = line.strip_prefix("# e.g. [[route.importexport.") {
            settings.push(name.trim_end_matches(']').to_owned());
            table = None;
        }
        let line = line.strip_prefix("# e.g. ").or_else(|| line.strip_prefix('#')).unwrap_or(line);
        let key = line.split_once(" = ").map(|(key, _)| key);
        let key = key.filter(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        if let (Some(table), Some(key)) = (&table, key) {
            settings.push(if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") });
        }
    }
    settings
}

#[test]
fn a_new_value_of_every_setting_of_a_route_is_in_use_after_a_reload() {
    let mut documented = documented_settings();
    let mut tested: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
    documented.sort();
    tested.sort_unstable();
    assert_eq!(tested, documented, "every setting in config/reference.toml needs its test in this file");
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let tests: Vec<_> = SETTINGS
            .iter()
            .map(|(name, test)| (name, scope.spawn(move || catch_unwind(AssertUnwindSafe(test)).is_err())))
            .collect();
        tests.into_iter().filter_map(|(name, test)| test.join().unwrap().then_some(*name)).collect()
    });
    assert!(failed.is_empty(), "after a reload the old values of these are in use: {failed:?}");
}

fn new_endpoint() {
    let (one, two) = (Endpoint::obliging(), Endpoint::obliging());
    let setup = Setup::to(&one).process("workers = 1\ndanger_unconfined = true");
    let proxy = reloaded(&setup, &setup.clone().redirected(&two));
    proxy.post(FORM).expect(200);
    assert_eq!((one.requests().len(), two.requests().len()), (0, 1));
}

fn new_next_hop() {
    let (one, two) = (Endpoint::obliging(), Endpoint::obliging());
    let setup = Setup::to(&one).process("workers = 1\ndanger_unconfined = true");
    let proxy = reloaded(&setup, &setup.clone().route(&format!("connect = \"{}\"", two.address)));
    proxy.post(FORM).expect(200);
    assert_eq!((one.requests().len(), two.requests().len()), (0, 1));
}

fn new_egress() {
    let authority = Authority::new();
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "x"), After::KeepOpen);
    let (one, two) = (EgressProxy::in_clear(), EgressProxy::in_clear());
    let line = |proxy: &EgressProxy| format!("egress = \"{}\"", proxy.url());
    let setup = Setup::to(&endpoint).trusting(&authority.pem).process("workers = 1\ndanger_unconfined = true");
    let (before, after) = changed(setup, &line(&one), &line(&two));
    let proxy = before.start();
    proxy.post(FORM).expect(200);
    proxy.reload(&after);
    proxy.post(FORM).expect(200);
    assert_eq!((one.heads().len(), two.heads().len()), (1, 1), "no connection of before is used");
}

fn new_egress_ca_file() {
    let (authority, other) = (Authority::new(), Authority::new());
    let answer = endpoint::answer("200 OK", "x");
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &answer, After::KeepOpen);
    let egress = EgressProxy::over_tls(other.server(&["127.0.0.1"], VALID));
    let setup = Setup::to(&endpoint).trusting(&authority.pem).route(&format!("egress = \"{}\"", egress.url()));
    for (name, authority) in [("good.pem", &other), ("bad.pem", &authority)] {
        std::fs::write(setup.vault_path(name), &authority.pem).unwrap();
    }
    let line = |name| format!("egress_ca_file = {:?}", setup.vault_path(name));
    let proxy = setup.clone().route(&line("bad.pem")).start();
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyEgressUntrusted", "no");
    proxy.reload(&setup.clone().route(&line("good.pem")));
    proxy.post(FORM).expect(200);
}

fn new_egress_credentials() {
    let authority = Authority::new();
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "x"), After::KeepOpen);
    let egress = EgressProxy::in_clear();
    let setup = Setup::to(&endpoint).trusting(&authority.pem).route(&format!("egress = \"{}\"", egress.url()));
    let file = |name: &str, text: &str| {
        let path = setup.vault_path(name);
        write_secret_file(&path, text.as_bytes(), Existing::Replace).unwrap();
        format!("egress_credentials_file = {path:?}")
    };
    let (before, after) = (file("before", "u:p\n"), file("after", "v:q\n"));
    let proxy = setup.clone().route(&before).process("workers = 1").start();
    proxy.post(FORM).expect(200);
    proxy.reload(&setup.clone().route(&after).process("workers = 1"));
    proxy.post(FORM).expect(200);
    let shown: Vec<bool> = egress.heads().iter().map(|head| head.contains("authorization: Basic dTpw")).collect();
    assert_eq!(shown, [true, false], "{:?}", egress.heads());
}

#[test]
fn a_password_of_a_proxy_that_was_replaced_is_shown_after_a_reload() {
    let authority = Authority::new();
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "x"), After::KeepOpen);
    let egress = EgressProxy::in_clear();
    let setup = Setup::to(&endpoint).trusting(&authority.pem).route(&format!("egress = \"{}\"", egress.url()));
    let path = setup.vault_path("credentials");
    write_secret_file(&path, b"u:p\n", Existing::Refuse).unwrap();
    let proxy = setup.route(&format!("egress_credentials_file = {path:?}")).start();
    proxy.post(FORM).expect(200);
    write_secret_file(&path, b"v:q\n", Existing::Replace).unwrap();
    proxy.signal(Signal::HUP);
    eventually("the other password", || {
        proxy.post(FORM).expect(200);
        egress.heads().last().is_some_and(|head| head.contains("authorization: Basic djpx")).then_some(())
    });
}

/// What needs rights that a serving process has given up is told with its place.
#[test]
fn a_proxy_at_another_port_takes_a_restart_of_a_confined_process() {
    let authority = Authority::new();
    let endpoint = secure(authority.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "x"), After::KeepOpen);
    let egress = EgressProxy::in_clear();
    let setup = Setup::to(&endpoint).trusting(&authority.pem);
    let proxy = setup.clone().start();
    setup.route(&format!("egress = \"{}\"", egress.url())).publish();
    let told = format!("egress: no connection can be made to port {} any more", egress.port());
    proxy.log.wait_for("the refusal", |line| line.contains(&told).then_some(()));
    proxy.post(FORM).expect(200);
    assert_eq!(egress.heads(), Vec::<String>::new());
}

fn new_key() {
    let endpoint = Endpoint::obliging();
    let other = Vault::with(OTHER_ID, OTHER_SECRET);
    let key = format!("[key.other]\nfile = {:?}\nidentity_file = {:?}\n", other.key_file(), other.identity_file());
    let setup = Setup::to(&endpoint).more(&key);
    let proxy = reloaded(&setup, &setup.clone().signed_with("other"));
    proxy.post(FORM).expect(200);
    let ids: Vec<_> = endpoint.requests().iter().map(|request| request.parameter("AWSAccessKeyId")).collect();
    assert_eq!(ids, [OTHER_ID]);
}

fn new_probe() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("probe = \"ListJobs\""));
    proxy.vault.publish(OTHER_ID, OTHER_SECRET, "");
    proxy.signal(Signal::HUP);
    eventually("the probe of the next key", || {
        let probes = |request: &endpoint::Received| request.parameter("Action") == "ListJobs";
        endpoint.requests().iter().find(|request| probes(request)).map(|probe| {
            assert_eq!(probe.parameter("AWSAccessKeyId"), OTHER_ID);
        })
    });
}

fn new_ca_file() {
    let (good, other) = (Authority::new(), Authority::new());
    let endpoint = secure(good.server(&["127.0.0.1"], VALID), &endpoint::answer("200 OK", "over TLS"), After::KeepOpen);
    let setup = Setup::to(&endpoint);
    for (name, authority) in [("good.pem", &good), ("other.pem", &other)] {
        std::fs::write(setup.vault_path(name), &authority.pem).unwrap();
    }
    let line = |name| format!("ca_file = {:?}", setup.vault_path(name));
    let proxy = setup.clone().route(&line("other.pem")).start();
    proxy.assert_own(&proxy.post(FORM), 502, "ProxyUpstreamUntrusted", "no");
    proxy.reload(&setup.clone().route(&line("good.pem")));
    proxy.post(FORM).expect(200);
}

/// The permission itself changes nothing that is sent: with it, an endpoint can be called that could not be without.
fn new_danger_plaintext() {
    let endpoint = Endpoint::on("0.0.0.0:0", None, |exchange| {
        exchange.write(&endpoint::answer("200 OK", "<Done/>"));
        After::KeepOpen
    });
    let port = endpoint.address.port();
    let setup = Setup::to_url(&format!("http://127.0.0.1:{port}/"));
    let beyond = setup.clone().redirected(&endpoint);
    let proxy = setup.start();
    beyond.publish();
    proxy.log.wait_for("refusal", |line| {
        (line.contains("is not used: what was served before stays in use") && line.contains("danger_plaintext"))
            .then_some(())
    });
    proxy.reload(&beyond.route("danger_plaintext = true"));
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.requests()[0].head.field("host"), Some(format!("0.0.0.0:{port}").as_str()));
}

fn new_clock() {
    let endpoint = endpoint_ahead(3);
    let (before, after) = changed(Setup::to(&endpoint), "clock = \"host\"", "clock = \"endpoint\"");
    let proxy = before.start();
    proxy.post(CREATE).expect(400);
    proxy.reload(&after);
    proxy.post(CREATE).expect(200);
}

fn new_hosts() {
    let endpoint = Endpoint::obliging();
    let (before, after) = changed(Setup::to(&endpoint), "hosts = []", "hosts = [\"ie.internal\"]");
    let proxy = before.start();
    let call = Draft::form(FORM).field("Host", "ie.internal");
    proxy.assert_own(&proxy.call(&call), 403, "AccessDenied", "no");
    proxy.reload(&after);
    proxy.call(&call).expect(200);
}

fn new_path() {
    let endpoint = Endpoint::obliging();
    let (before, after) = changed(Setup::to(&endpoint), "path = \"/\"", "path = \"/ie\"");
    let proxy = reloaded(&before, &after);
    proxy.assert_own(&proxy.post(FORM), 404, "ProxyRouteNotFound", "no");
    proxy.call(&Draft::form(FORM).path("/ie")).expect(200);
}

fn new_scope() {
    let endpoint = Endpoint::obliging();
    let setup = with_agent(Setup::to(&endpoint), "");
    let (before, after) = changed(setup, "scope = \"iam/us-east-1\"", "scope = \"ec2/eu-central-1\"");
    let proxy = reloaded(&before, &after);
    let call = |scope: &str| proxy.call(&signed(proxy.address, AGENT, scope, FORM));
    proxy.assert_own(&call("iam/us-east-1"), 404, "ProxyRouteNotFound", "no");
    call("ec2/eu-central-1").expect(200);
}

fn new_accept() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint).listener("required_header = \"x-requested-by\"");
    let (before, after) = changed(setup, "", "accept = [\"post\", \"get\"]");
    let proxy = before.start();
    let call = Draft::form("").line(&format!("GET /?{FORM} HTTP/1.1")).field("X-Requested-By", "test");
    proxy.assert_own(&proxy.call(&call), 405, "ProxyMethodNotAllowed", "no");
    proxy.reload(&after);
    proxy.call(&call).expect(200);
}

fn new_forward_headers() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("forward_headers = [\"traceparent\"]"));
    proxy.call(&Draft::form(FORM).field("traceparent", "seen")).expect(200);
    assert_eq!(endpoint.requests()[0].head.field("traceparent"), Some("seen"));
}

fn new_safe_to_repeat() {
    let endpoint = Endpoint::saying(b"", After::Close);
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("safe_to_repeat = [\"CreateJob\"]"));
    assert_eq!(proxy.post(FORM).status, 409, "GetStatus is no longer among them");
    assert_eq!(endpoint.requests().len(), 1);
    assert_ne!(proxy.post(CREATE).status, 409);
    assert_eq!(endpoint.requests().len(), 3, "CreateJob was sent twice");
}

fn new_known_actions() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("known_actions = [\"Peek\"]"));
    proxy.post("Action=Peek&Version=2010-06-03").expect(200);
    let seen = || proxy.admin("/metrics").expect(200).text().contains(r#"action="Peek""#);
    eventually("the Action's own name", || seen().then_some(()));
}

fn new_service() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("profile.service = \"importexport\""));
    proxy.post(FORM).expect(200);
    let seen = || proxy.admin("/metrics").expect(200).text().contains(r#"action="GetStatus""#);
    eventually("the Action's own name", || seen().then_some(()));
}

fn new_audit_values() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let directory = setup.vault_path("audit");
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("audit.jsonl");
    let setup = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", file.display()));
    let proxy = reloaded(&setup, &setup.clone().route("audit_values = [\"JobId\"]"));
    proxy.post(FORM).expect(200);
    eventually("the value", || std::fs::read_to_string(&file).is_ok_and(|text| text.contains("JOBID")).then_some(()));
}

fn new_signature_method() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("profile.signature_method = \"HmacSHA1\""));
    proxy.post(FORM).expect(200);
    let request = &endpoint.requests()[0];
    assert_eq!(request.parameter("SignatureMethod"), "HmacSHA1");
    assert_eq!(request.verify(ID, SECRET, None), Ok(()));
}

fn new_dialect() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("profile.dialect = \"nifcloud\""));
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.requests()[0].parameter("AccessKeyId"), ID);
}

fn new_region() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let signed_for = |region: &str| {
        let lines = format!("profile = {{ dialect = \"aws-v4\", service = \"iam\", region = \"{region}\" }}");
        setup.clone().route(&lines)
    };
    let proxy = reloaded(&signed_for("us-east-1"), &signed_for("us-gov-west-1"));
    proxy.post(FORM).expect(200);
    let request = &endpoint.requests()[0];
    let authorization = request.head.field("authorization").unwrap();
    assert!(authorization.contains("/us-gov-west-1/iam/aws4_request, "), "{authorization}");
}

fn new_errors() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("profile.errors = \"ec2\""));
    let text = proxy.post("JobId=x").expect(400).text();
    assert!(text.contains("<Response><Errors>"), "{text}");
}

fn new_body() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("limits.body = \"10 B\""));
    proxy.assert_own(&proxy.post(FORM), 413, "ProxyRequestTooLarge", "no");
}

fn new_parameters() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("limits.parameters = 1"));
    proxy.assert_own(&proxy.post(FORM), 400, "InvalidQueryParameter", "no");
}

fn new_in_flight() {
    let endpoint = Endpoint::silent();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("limits.in_flight = 1"));
    let mut first = proxy.connect();
    first.send(&Draft::form(FORM));
    eventually("the first call", || (endpoint.requests().len() == 1).then_some(()));
    proxy.assert_own(&proxy.post(FORM), 503, "ServiceUnavailable", "no");
}

fn new_pool() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("limits.pool = 0"));
    proxy.post(FORM).expect(200);
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.connections(), 2);
}

fn new_warm() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint);
    let proxy = reloaded(&setup, &setup.clone().route("limits.warm = 2"));
    eventually("connections", || (endpoint.connections() == 2).then_some(()));
    proxy.post(FORM).expect(200);
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (2, 1));
}

fn new_failures() {
    let (_held, address) = refusing();
    let setup = Setup::to_url(&format!("http://{address}/"));
    let (before, after) = changed(setup, "limits.failures = 0", "limits.failures = 1");
    let proxy = before.start();
    for _ in 0..8 {
        assert_eq!(proxy.post(CREATE).status, 502);
    }
    proxy.reload(&after);
    eventually("the outage", || (proxy.post(CREATE).status == 503).then_some(()));
}

fn new_connect() {
    // connections to it are made, and its TLS says nothing
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let setup = Setup::to_url(&url).trusting(&Authority::new().pem);
    let before = format!("timeouts.connect = \"{NEVER}\"");
    let (before, after) = changed(setup, &before, "timeouts.connect = \"100ms\"");
    let proxy = reloaded(&before, &after);
    let answer = soon(|| proxy.post(CREATE));
    assert_eq!((answer.status, answer.element("Code").as_str()), (504, "ProxyUpstreamUnreachable"));
}

fn new_first_byte() {
    let endpoint = Endpoint::silent();
    let before = format!("timeouts.first_byte = \"{NEVER}\"");
    let (before, after) = changed(Setup::to(&endpoint), &before, "timeouts.first_byte = \"100ms\"");
    let proxy = reloaded(&before, &after);
    let answer = soon(|| proxy.post(CREATE));
    proxy.assert_own(&answer, 409, "ProxyOutcomeUnknown", "yes");
}

fn new_idle() {
    let endpoint = Endpoint::scripted(|exchange| {
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
        exchange.is_left();
        After::Close
    });
    let before = format!("timeouts.idle = \"{NEVER}\"");
    let (before, after) = changed(Setup::to(&endpoint), &before, "timeouts.idle = \"100ms\"");
    let proxy = reloaded(&before, &after);
    let answer = soon(|| proxy.post(CREATE));
    assert_eq!((answer.status, answer.ending), (200, Ending::Broken));
}

fn new_pool_idle() {
    let endpoint = Endpoint::obliging();
    let (before, after) = changed(Setup::to(&endpoint), "timeouts.pool_idle = \"1h\"", "timeouts.pool_idle = \"50ms\"");
    let proxy = reloaded(&before, &after);
    proxy.post(FORM).expect(200);
    sleep(Duration::from_millis(100)); // twice as long as a connection may wait
    proxy.post(FORM).expect(200);
    assert_eq!(endpoint.connections(), 2);
}

fn new_pause_between_probes() {
    let (_held, address) = refusing();
    let setup = Setup::to_url(&format!("http://{address}/")).route("limits.failures = 1");
    let before = format!("timeouts.probe = \"{NEVER}\"");
    let (before, after) = changed(setup, &before, "timeouts.probe = \"1ms\"");
    let attempts = |proxy: &Proxy| {
        let statuses = (0..20).map(|_| {
            sleep(Duration::from_millis(5)); // longer than the new pause, and shorter than any old one
            proxy.post(CREATE).status
        });
        statuses.filter(|status| *status == 502).count()
    };
    let proxy = before.start();
    eventually("the outage", || (proxy.post(CREATE).status == 503).then_some(()));
    assert!(attempts(&proxy) < 15, "the pauses grow");
    proxy.reload(&after);
    assert_eq!(attempts(&proxy), 20, "the pause under way ends too");
}

//! `hide_routes`: a client sees the routes on which its rules allow something, and of others nothing. Whatever it
//! sends, it is told what a configuration without those routes would tell.

use std::fs;

use serde_json::Value;

use crate::harness::clients::{client, token};
use crate::harness::{Draft, Endpoint, FORM, Proxy, Setup, eventually};
use crate::issued_keys::{AGENT, signed, signed_at, with_agent};

const HIDE: &str = "hosts = [\"gateway.internal\"]\nhide_routes = true";
/// Routes that no rule of `agent` and `reader` allows anything on: by Host, by path, and by scope, in another dialect,
/// for other methods and with smaller limits than those of the route that is seen.
const HIDDEN: &str = "[client.owner]\nuid = 4294967294\nallow = [\"*:*\"]\n\
    [route.by-host]\nendpoint = \"http://127.0.0.1:9\"\nkey = \"main\"\nhosts = [\"hidden.internal\"]\n\
    accept = [\"post\", \"get\"]\nprofile = { dialect = \"cloudstack\" }\n\
    limits = { body = \"64 B\", parameters = 3 }\n\
    [route.by-path]\nendpoint = \"http://127.0.0.1:9\"\nkey = \"main\"\npath = \"/hidden\"\n\
    profile = { errors = \"ec2\" }\nlimits = { body = \"64 B\" }\n\
    [route.by-scope]\nendpoint = \"http://127.0.0.1:9\"\nkey = \"main\"\nscope = \"ec2/eu-central-1\"\n\
    path = \"/scoped\"\n";
/// What may call the route that is seen.
const READER: &str = "allow = [\"importexport:GetStatus\"]\ndeny = [\"by-path:List*\"]";

fn setup(endpoint: &Endpoint) -> Setup {
    let reader = client("reader", READER);
    // its `[client.agent]` may call everything unless a line says otherwise
    let mut setup = with_agent(Setup::to(endpoint), "deny = [\"by-host:*\", \"by-path:*\", \"by-scope:*\"]");
    setup.callers = "authenticate = [\"token\", \"issued-key\"]";
    setup.more(&reader).listener(HIDE)
}

/// The two gateways whose responses must not differ.
struct Twins {
    with: Proxy,
    without: Proxy,
}

impl Twins {
    fn start() -> Self {
        let endpoint = Endpoint::obliging();
        let with = setup(&endpoint).more(HIDDEN).start();
        let mut plain = with_agent(Setup::to(&endpoint), "");
        plain.callers = "authenticate = [\"token\", \"issued-key\"]";
        let reader = client("reader", &READER.replace("deny = [\"by-path:List*\"]", ""));
        Self { with, without: plain.more(&reader).listener(HIDE).start() }
    }

    /// Sends the same to both, and returns the status of the answer, which is the same but for its ID.
    #[track_caller]
    fn same(&self, what: &str, draft: impl Fn(&Proxy) -> Draft) -> u16 {
        let [with, without] = [&self.with, &self.without].map(|proxy| {
            let answer = proxy.call(&draft(proxy));
            let id = answer.request_id();
            let shown = |text: &str| text.replace(&id, "ID").replace(&proxy.address.to_string(), "ADDRESS");
            let names = answer.head.names().into_iter().filter(|name| *name != "date");
            let fields: Vec<String> = names.map(|name| format!("{name}: {:?}", answer.head.all(name))).collect();
            (answer.status, shown(&fields.join("\n")), shown(&answer.text()))
        });
        assert_eq!(with, without, "{what}");
        with.0
    }
}

/// Requests that a route could answer each in its own way.
fn probes() -> Vec<(&'static str, Draft)> {
    let query = "Action=GetStatus&JobId=J";
    vec![
        ("a form", Draft::form(FORM)),
        ("a form that is too large for the hidden routes", Draft::form(&format!("{FORM}&X={}", "x".repeat(200)))),
        ("a form with many parameters", Draft::form(&format!("{FORM}&A=1&B=2&C=3&D=4"))),
        ("a form without an Action", Draft::form("JobId=J")),
        ("no form", Draft::form("%zz")),
        ("JSON", Draft::form("{}").instead("Content-Type", "application/json")),
        ("a compressed form", Draft::form(FORM).field("Content-Encoding", "gzip")),
        ("a request of a web page", Draft::form(FORM).field("Origin", "https://attacker.example")),
        ("a request that came through countersign", Draft::form(FORM).field("Via", "1.1 countersign")),
        ("an expectation", Draft::form(FORM).field("Expect", "200-ok")),
        ("a POST of unknown length", Draft::form("").unframed()),
        ("a command of another dialect", Draft::form("command=listZones&response=json")),
        ("a GET", Draft::form("").line("GET / HTTP/1.1").unframed().without("Content-Type")),
        ("a GET with a form", Draft::form("").line(&format!("GET /?{query} HTTP/1.1")).unframed()),
        ("a POST with a query string", Draft::form("").line(&format!("POST /?{query} HTTP/1.1"))),
        ("a PUT", Draft::form(FORM).line("PUT / HTTP/1.1")),
    ]
}

/// The same request to the hidden routes: by Host and by path.
fn to_hidden(draft: &Draft) -> [Draft; 3] {
    let at = |path: &str| draft.clone().at(path).instead("Host", "gateway.internal");
    [draft.clone().instead("Host", "hidden.internal"), at("/hidden"), at("/scoped")]
}

fn bearer(draft: Draft, name: &str) -> Draft {
    draft.field("Authorization", &format!("Bearer {}", token(name)))
}

#[test]
fn whatever_a_client_sends_to_a_route_it_does_not_see_it_is_told_what_would_be_told_without_the_route() {
    let twins = Twins::start();
    for (what, probe) in probes() {
        for draft in to_hidden(&probe) {
            let known = twins.same(&format!("{what}, by a client"), |_| bearer(draft.clone(), "reader"));
            assert!(known == 403 || known == 404, "{what}: {known}");
            twins.same(&format!("{what}, by nobody"), |_| draft.clone());
            twins.same(&format!("{what}, with a wrong token"), |_| bearer(draft.clone(), "guess"));
        }
    }
    // a Host that is nobody's is refused as that of a hidden route is
    let foreign = bearer(Draft::form(FORM).field("Host", "nowhere.internal"), "reader");
    let hidden = bearer(Draft::form(FORM).field("Host", "hidden.internal"), "reader");
    let [foreign, hidden] = [foreign, hidden].map(|draft| twins.with.call(&draft));
    assert_eq!(foreign.text().replace("nowhere", "hidden").len(), hidden.text().len());
    assert_eq!((foreign.status, foreign.element("Code")), (hidden.status, hidden.element("Code")));
}

#[test]
fn who_signs_with_an_issued_key_learns_nothing_of_a_hidden_route_before_the_signature_is_verified_nor_after() {
    let twins = Twins::start();
    let forged = (AGENT.0, "wrong");
    for (key, expected) in [(AGENT, 404), (forged, 403)] {
        for path in ["/hidden", "/scoped"] {
            for form in [FORM.to_owned(), format!("{FORM}&X={}", "x".repeat(200))] {
                let draft = |proxy: &Proxy| signed_at(proxy.address, key, "ec2/eu-central-1", &form, path);
                assert_eq!(twins.same("a signed form", draft), expected);
            }
        }
        let put = |proxy: &Proxy| signed(proxy.address, forged, "ec2/eu-central-1", FORM).line("PUT /hidden HTTP/1.1");
        assert_eq!(twins.same("another method", put), 403);
    }
}

#[test]
fn a_client_calls_its_own_routes_and_is_told_why_where_a_rule_of_one_forbids_a_call() {
    let endpoint = Endpoint::obliging();
    let proxy = setup(&endpoint).more(HIDDEN).start();
    proxy.call(&bearer(Draft::form(FORM), "reader")).expect(200);
    let denied = proxy.call(&bearer(Draft::form("Action=CancelJob&JobId=J"), "reader"));
    proxy.assert_own(&denied, 403, "AccessDenied", "no");
    proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", FORM)).expect(200);
    // a signed form that is larger than the seen route allows, and not larger than any
    let much = format!("{FORM}&X={}", "x".repeat(300 * 1024));
    let large = proxy.call(&signed(proxy.address, AGENT, "iam/us-east-1", &much));
    assert_eq!(large.status, 413, "{}", large.text());
    assert_eq!(endpoint.requests().len(), 2);
}

#[test]
fn log_and_audit_name_the_hidden_route_and_the_client() {
    let endpoint = Endpoint::obliging();
    let setup = setup(&endpoint);
    let file = setup.vault_path("audit.jsonl");
    let audit = format!("[audit]\ntarget = \"file:{}\"\n", file.display());
    let proxy = setup.more(HIDDEN).more(&audit).start();
    let answer = proxy.call(&bearer(Draft::form(FORM).at("/hidden"), "reader"));
    proxy.assert_own(&answer, 404, "ProxyRouteNotFound", "no");
    assert!(!answer.text().contains("by-path"), "{}", answer.text());
    let line = proxy.log.exchange(&answer.request_id());
    assert_eq!([&line["route"], &line["client"], &line["reason"]], ["by-path", "reader", "route.hidden"]);
    assert!(
        line["error"]
            .as_str()
            .unwrap()
            .ends_with("route by-path is hidden from this client, whose rules allow nothing there"),
        "{line}"
    );
    let line: Value = eventually("the line of the audit", || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().next().and_then(|line| serde_json::from_str(line).ok())
    });
    assert_eq!(
        [&line["route"], &line["client"], &line["decision"], &line["reason"]],
        ["by-path", "reader", "deny", "denied"]
    );
    assert_eq!(line["code"], "ProxyRouteNotFound");
}

#[test]
fn a_call_of_a_hidden_route_uses_up_no_rate() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint).more(&client("reader", "allow = [\"importexport:*\"]\nrate = \"1/m\""));
    setup.callers = "authenticate = [\"token\"]";
    let proxy = setup.listener(HIDE).more(OTHER).start();
    let call = |path: &str| proxy.call(&bearer(Draft::form(FORM).at(path), "reader"));
    for path in ["/other", "/nowhere", "/other"] {
        proxy.assert_own(&call(path), 404, "ProxyRouteNotFound", "no");
    }
    call("/").expect(200);
    assert_eq!(call("/").expect(400).element("Code"), "Throttling");
}

/// A route that no rule names.
const OTHER: &str = "[route.other]\nendpoint = \"http://127.0.0.1:9\"\nkey = \"main\"\npath = \"/other\"\n";

#[test]
fn a_reload_hides_routes_and_shows_them_again() {
    let endpoint = Endpoint::obliging();
    let mut setup = Setup::to(&endpoint).more(&client("reader", "allow = [\"importexport:*\"]")).more(OTHER);
    setup.callers = "authenticate = [\"token\"]";
    let proxy = setup.clone().start();
    let call = || proxy.call(&bearer(Draft::form(FORM).at("/other"), "reader"));
    proxy.assert_own(&call(), 403, "AccessDenied", "no");
    proxy.reload(&setup.clone().listener("hide_routes = true"));
    proxy.assert_own(&call(), 404, "ProxyRouteNotFound", "no");
    proxy.reload(&setup);
    proxy.assert_own(&call(), 403, "AccessDenied", "no");
}

#[test]
fn all_that_a_stranger_learns_of_hidden_routes_is_the_largest_limit() {
    let large = "[route.large]\nendpoint = \"http://127.0.0.1:9\"\nkey = \"main\"\npath = \"/large\"\n\
        limits.body = \"2 MiB\"\n";
    let endpoint = Endpoint::obliging();
    let told = |more: &str| {
        let deny = "deny = [\"by-host:*\", \"by-path:*\", \"by-scope:*\", \"large:*\"]";
        let mut setup = with_agent(Setup::to(&endpoint), if more.is_empty() { "" } else { deny });
        setup.callers = "authenticate = [\"token\", \"issued-key\"]";
        let proxy = setup.listener(HIDE).more(more).start();
        let call = Draft::form("").unframed().field("Content-Length", "99999999");
        proxy.call(&call).expect(413).element("Message")
    };
    let with = told(&format!("{HIDDEN}{large}"));
    assert!(told("").contains("262144 bytes") && with.contains("2097152 bytes"), "{with}");
}

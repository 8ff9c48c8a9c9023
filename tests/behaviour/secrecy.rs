//! Nothing secret is seen from outside, at no log level: not in the log, not in answers, not in metrics.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::harness::program::program;
use crate::harness::{After, Draft, Endpoint, FORM, Setup, Vault, endpoint};
use crate::untrusted::{Authority, VALID};

const ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "MARKERSECRET/K7MDENG/bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "MARKERTOKENdzEJrEXAMPLETOKEN";

/// Does what the JobId asks for.
fn endpoint(authority: &Authority) -> Endpoint {
    let config = Arc::new(authority.server(&["127.0.0.1"], VALID));
    Endpoint::on("127.0.0.1:0", Some(config), |exchange| {
        let deed = exchange.request.parameters().into_iter().find(|(name, _)| name == "Deed");
        match deed.as_ref().map(|(_, deed)| deed.as_str()) {
            Some("reset") => After::Reset,
            Some("garbage") => {
                exchange.write(b"MARKERANSWER is no HTTP\r\n\r\n");
                After::Close
            }
            Some("cut") => {
                exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nMARK");
                After::Close
            }
            Some("silence") => {
                exchange.is_left();
                After::Close
            }
            _ => {
                exchange.write(&endpoint::answer("200 OK", "fine"));
                After::KeepOpen
            }
        }
    })
}

/// Requests that succeed, fail at every stage, and are malformed; all of them full of markers.
fn requests() -> Vec<Draft> {
    let form = |more: &str| {
        Draft::form(&format!("{FORM}&Manifest=MARKERVALUE&Signature=MARKERVALUE&AWSAccessKeyId=MARKERVALUE{more}"))
            .field("Authorization", "AWS4-HMAC-SHA256 Credential=MARKERAUTH")
            .field("Cookie", "MARKERCOOKIE")
    };
    let mut drafts: Vec<Draft> = ["", "&Deed=reset", "&Deed=garbage", "&Deed=cut", "&Deed=silence"].map(form).into();
    drafts
        .extend(["&Manifest=MARKERVALUE", "&a=MARKERVALUE%", "&a=MARKERVALUE%ff", "&signature=MARKERVALUE"].map(form));
    drafts.extend(
        ["MARKERVALUE", "Action=LaunchRocket&b=MARKERVALUE", "Action=MARKER-VALUE", "Action=&b=MARKERVALUE"]
            .map(Draft::form),
    );
    // Host, path and media type are named in refusals on purpose: who sent them has to see what came
    drafts.push(form("").path("/nowhere"));
    drafts.push(form("").path("/?MARKERQUERY=MARKERVALUE"));
    drafts.push(form("").line("GET /?Action=MARKERVALUE HTTP/1.1"));
    drafts.push(form("").instead("Host", "other.host"));
    drafts.push(form("").field("Origin", "https://marker.example"));
    drafts.push(form("").instead("Content-Type", "other/type"));
    drafts.push(form("").field("Expect", "marker-expectation"));
    drafts.push(form("").line("POST / HTTP/9.MARKER"));
    drafts.push(form("").field("Transfer-Encoding", "MARKERCODING"));
    drafts.push(Draft::form("").body(b"\x00\xffMARKERVALUE"));
    drafts.extend(queries());
    drafts
}

/// Forms in query strings: served, and refused at every stage.
fn queries() -> Vec<Draft> {
    let good = format!("{FORM}&Manifest=MARKERVALUE&Signature=MARKERVALUE&AWSAccessKeyId=MARKERVALUE");
    let get = |query: &str| Draft::form("").line(&format!("GET /?{query} HTTP/1.1"));
    let mut drafts: Vec<Draft> = ["", "&a=MARKERVALUE%", "&a=MARKERVALUE%ff", "&a=1&a=MARKERVALUE", "&Deed=silence"]
        .map(|more| get(&format!("{good}{more}")))
        .into();
    drafts.push(Draft::form("").path(&format!("/?{good}")));
    drafts.push(get(&good).line(&format!("PUT /?{good} HTTP/1.1")));
    drafts.push(get(&good).line(&format!("GET /nowhere?{good} HTTP/1.1")));
    drafts.push(get(&good).line(&format!("GET http://other.host/?{good} HTTP/1.1")));
    drafts.push(get(&good).line(&format!("GET /?{good}<> HTTP/1.1")));
    drafts.push(get(&good).line(&format!("GET /?{good} HTTP/1.1 MARKERVALUE")));
    drafts.push(get(&format!("{good}&a={}", "x".repeat(20_000))));
    drafts.push(get(&format!("{good}&a={}", "x".repeat(3_000))));
    drafts.push(get(&good).body(b"MARKERVALUE"));
    drafts.push(get(&good).field("Referer", "https://marker.example/?MARKERVALUE"));
    drafts
}

/// Runs everything and returns all that could be seen of it, with what was sent.
fn everything(format: &'static str) -> (String, Endpoint) {
    let authority = Authority::new();
    let vault = Vault::empty();
    vault.publish(ID, SECRET, &format!(r#","SessionToken":"{TOKEN}""#));
    let endpoint = endpoint(&authority);
    let untrusted =
        Endpoint::on("127.0.0.1:0", Some(Arc::new(Authority::new().server(&["127.0.0.1"], VALID))), |_| After::Close);
    let mut proxy = Setup::to(&endpoint)
        .log(format, "trace")
        .vault(vault)
        .trusting(&authority.pem)
        .route(r#"timeouts.first_byte = "3s""#)
        .route(r#"accept = ["post", "get", "post-query"]"#)
        .route(r#"limits.body = "2 KiB""#)
        .listener(r#"required_header = "x-requested-by""#)
        .more(&format!(
            "[route.untrusted]\nendpoint = \"{}\"\nkey = \"main\"\npath = \"/untrusted\"\n",
            untrusted.url()
        ))
        .start_with(|command| command.env("SSL_CERT_FILE", env!("CARGO_MANIFEST_DIR")).env("RUST_LOG", "trace"));
    let mut seen = String::new();
    for draft in requests().into_iter().chain([Draft::form(&format!("{FORM}&a=MARKERVALUE")).path("/untrusted")]) {
        let answer = proxy.call(&draft.field("X-Requested-By", "test"));
        write!(seen, "{} {:?}\n{}\n", answer.status, answer.head, answer.text().replace("MARK", "")).unwrap();
        if answer.ending == crate::harness::Ending::Whole {
            assert!(!answer.text().contains("MARK"), "{}", answer.text());
        }
    }
    // a secret put where only a sealed one should be, and a key that replaces another
    let more = format!(r#","SessionToken":"{TOKEN}2""#);
    std::fs::write(
        proxy.vault.key_file(),
        format!(r#"{{"Version":1,"AccessKeyId":"{ID}","SecretAccessKey":"{SECRET}"}}"#),
    )
    .unwrap();
    proxy.log.wait_for("warning", |line| line.contains("the key cannot be loaded").then_some(()));
    proxy.vault.publish(ID, SECRET, &more);
    proxy.log.wait_for("change", |line| line.contains("a changed key is in use").then_some(()));
    seen.push_str(&proxy.call(&Draft::form(FORM).field("X-Requested-By", "test")).expect(200).text());
    for path in ["/metrics", "/readyz", "/livez", "/MARKERPATH"] {
        seen.push_str(&proxy.admin(path).text());
    }
    proxy.signal(rustix::process::Signal::TERM);
    proxy.wait();
    let log = proxy.log.to_the_end();
    assert!(log.matches("exchange").count() >= 20, "there is a log to look through: {log}");
    (format!("{seen}\n{log}"), endpoint)
}

#[track_caller]
fn assert_clean(seen: &str, endpoint: &Endpoint) {
    let signatures = endpoint.requests().into_iter().map(|request| request.parameter("Signature"));
    let signatures: Vec<String> = signatures.collect();
    assert!(signatures.len() >= 6, "{signatures:?}");
    let encoded = signatures.iter().map(|signature| countersign::query::percent::encode(signature).to_string());
    let times = endpoint.requests().into_iter().map(|request| request.parameter("Timestamp").replace(':', "%3A"));
    let forbidden =
        ["MARKER", "marker", "POST\\n", "Signature=", "SignatureVersion=2", "AWSAccessKeyId=", "AGE-SECRET-KEY"];
    let forbidden =
        forbidden.map(str::to_owned).into_iter().chain(encoded).chain(times).chain(signatures.iter().cloned());
    for needle in forbidden {
        if let Some(at) = seen.find(&needle) {
            let line = seen[..at].rfind('\n').map_or(0, |start| start + 1);
            panic!("{needle} in: {}", seen[line..].lines().next().unwrap());
        }
    }
}

#[test]
fn at_trace_a_json_log_answers_and_metrics_hold_no_secret() {
    let (seen, endpoint) = everything("json");
    assert_clean(&seen, &endpoint);
}

#[test]
fn at_trace_a_human_log_answers_and_metrics_hold_no_secret() {
    let (seen, endpoint) = everything("human");
    assert_clean(&seen, &endpoint);
}

#[test]
fn check_and_the_arguments_show_the_id_of_a_key_and_nothing_else_of_it() {
    let vault = Vault::with(ID, SECRET);
    let setup = Setup::to(&Endpoint::obliging()).vault(vault);
    let checked = setup.command("check").output().unwrap();
    let text = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert!(text.contains(ID) && !text.contains("MARKER"), "{text}");
    // a secret set where no secret belongs is not shown
    let misplaced = program().args(["check"]).env("COUNTERSIGN__KEY__MAIN__SECRET", SECRET).output().unwrap();
    let text = String::from_utf8([misplaced.stdout, misplaced.stderr].concat()).unwrap();
    assert!(text.contains("COUNTERSIGN__KEY__MAIN__SECRET") && !text.contains("MARKER"), "{text}");
}

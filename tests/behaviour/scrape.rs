//! What a scrape gets: the format it asks for, series that are there before they are counted, and no series that a
//! client makes.

use std::collections::BTreeSet;

use crate::harness::clients::{reader, token};
use crate::harness::endpoint::answer;
use crate::harness::{After, Answer, Client, Draft, Endpoint, FORM, Proxy, Setup, eventually};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Scrapes with these values of `Accept`, a field each.
#[track_caller]
fn scrape(proxy: &Proxy, accept: &[&str]) -> Answer {
    let draft = Draft::form("").line("GET /metrics HTTP/1.1");
    let draft = accept.iter().fold(draft, |draft, value| draft.field("Accept", value));
    Client::connect(proxy.admin).call(&draft).expect(200)
}

/// The metrics of a scrape, each as its name in `# TYPE`, its kind and the names of its samples.
fn families(text: &str) -> Vec<(String, String, BTreeSet<String>)> {
    let mut families: Vec<(String, String, BTreeSet<String>)> = Vec::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(meta) = line.strip_prefix("# ") {
            let [keyword, name, rest] = meta.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            assert!(matches!(keyword, "HELP" | "TYPE" | "UNIT"), "{line}");
            if keyword == "TYPE" {
                assert!(families.iter().all(|(known, ..)| known != name), "{name} twice");
                families.push((name.to_owned(), rest.to_owned(), BTreeSet::new()));
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (family, _, samples) = families.last_mut().expect("a type before its samples");
        assert!(series.starts_with(&**family), "{series} under {family}");
        samples.insert(series.split('{').next().unwrap().to_owned());
    }
    families
}

/// Asserts that the samples of each metric are called as its kind wants it.
fn assert_named(text: &str, counter: &str, info: &str) {
    let families = families(text);
    assert!(families.len() > 30, "{families:?}");
    for (name, kind, samples) in &families {
        let suffixes: &[&str] = match &**kind {
            "counter" => &[counter],
            "info" => &[info],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            other => panic!("{other}"),
        };
        let expected: BTreeSet<String> = suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect();
        assert_eq!(*samples, expected);
        assert!(name.starts_with("countersign_") || name.starts_with("process_"), "{name}");
    }
}

#[test]
fn whoever_asks_for_openmetrics_gets_it_with_units_and_an_end() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    proxy.post(FORM).expect(200);
    let answer = scrape(&proxy, &["application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"]);
    assert_eq!(answer.head.field("content-type"), Some(OPEN_METRICS));
    let text = answer.text();
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    assert!(text.contains("\n# UNIT process_cpu_seconds seconds\n"), "{text}");
    assert_named(&text, "_total", "_info");
}

#[test]
fn whoever_does_not_ask_for_openmetrics_gets_the_text_format() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    proxy.post(FORM).expect(200);
    for accept in [&[][..], &["*/*"], &["text/plain;version=0.0.4"], &["application/openmetrics-text;q=0.1", "*/*"]] {
        let answer = scrape(&proxy, accept);
        assert_eq!(answer.head.field("content-type"), Some(TEXT), "{accept:?}");
        assert_eq!(answer.head.field("vary"), Some("accept"));
        let text = answer.text();
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
        assert_named(&text, "", "");
    }
}

#[test]
fn the_head_of_a_scrape_says_the_format_and_length_that_a_get_has() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    for (accept, expected) in [("*/*", TEXT), ("application/openmetrics-text", OPEN_METRICS)] {
        let mut client = Client::connect(proxy.admin);
        let draft = Draft::form("").line("HEAD /metrics HTTP/1.1").field("Accept", accept);
        client.send(&draft.field("Connection", "close"));
        let head = client.answer_head();
        assert_eq!(head.first_line, "HTTP/1.1 200 OK");
        assert_eq!(head.field("content-type"), Some(expected));
        assert!(head.field("content-length").unwrap().parse::<usize>().unwrap() > 10_000, "{head:?}");
        assert_eq!(client.until_closed(), b"");
    }
}

/// The series of a scrape, without their values.
fn series(proxy: &Proxy) -> BTreeSet<String> {
    let text = proxy.admin("/metrics").expect(200).text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// A proxy with one client that has a token and may read.
fn with_a_client() -> Proxy {
    let endpoint = Endpoint::saying(&answer("200 OK", "<A/>"), After::KeepOpen);
    let mut setup =
        Setup::to(&endpoint).route("profile.service = \"importexport\"").more(&reader()).process("workers = 1");
    setup.callers = "authenticate = [\"token\"]";
    setup.start()
}

/// What strangers and a client that knows a token can think of, with another word each time.
fn hostile(word: &str) -> Vec<Draft> {
    let bearer = format!("Bearer {}", token("reader"));
    let known = |form: &str| Draft::form(form).field("Authorization", &bearer);
    vec![
        known(&format!("Action={word}")),
        known(&format!("Action={word}&A=1&A=2")),
        known(&format!("Action=GetStatus&{word}={word}&{word}=2")),
        known(&format!("Action=Get%00{word}")),
        known(&format!("{word}=1")),
        known(FORM).path(&format!("/{word}")),
        known(FORM).instead("Host", &format!("{word}.example")),
        known(FORM).line(&format!("{word} / HTTP/1.1")),
        known(FORM).line(&format!("POST / {word}/1.1")),
        known(FORM).field(word, word).field("Origin", &format!("https://{word}.example")),
        known(FORM).instead("Content-Type", &format!("application/{word}")),
        known(FORM).field("Expect", word),
        known(FORM).field("X-Request-Id", word).field("traceparent", word).field("User-Agent", word),
        Draft::form(FORM).field("Authorization", &format!("Bearer {word}")),
        Draft::form(FORM).field("Authorization", &format!("{word} {word}")),
        Draft::form(&format!("Action=GetStatus&AWSAccessKeyId={word}&Signature={word}")),
        Draft::form(FORM),
    ]
}

#[test]
fn no_client_makes_a_series_whatever_it_sends() {
    let proxy = with_a_client();
    let before = series(&proxy);
    for number in 0..12 {
        for draft in hostile(&format!("Hostile{number}")) {
            proxy.call(&draft);
        }
    }
    // the last of the only worker: all are counted. Refusals of strangers would not all have lines
    let known = Draft::form("Action=LaunchRocket").field("Authorization", &format!("Bearer {}", token("reader")));
    proxy.log.exchange(&proxy.call(&known).request_id());
    let after = series(&proxy);
    let made: Vec<&String> = after.difference(&before).collect();
    // GetStatus is an Action that the route knows: one series for each outcome
    let is_known =
        |series: &&&String| series.starts_with("countersign_exchanges_total{") && series.contains("GetStatus");
    assert_eq!((made.len(), made.iter().filter(is_known).count()), (9, 9), "made by clients: {made:?}");
    assert!(before.is_subset(&after), "{:?}", before.difference(&after));
    assert!(!after.iter().any(|series| series.to_lowercase().contains("hostile")));
}

#[test]
fn there_are_at_most_nine_series_for_each_action_that_is_known() {
    let proxy = with_a_client();
    let before = series(&proxy);
    let bearer = format!("Bearer {}", token("reader"));
    let actions = ["CreateJob", "UpdateJob", "CancelJob", "GetStatus", "ListJobs", "GetShippingLabel"];
    for action in actions {
        for form in [format!("Action={action}&JobId=1"), format!("Action={action}&A=1&A=2")] {
            let answer = proxy.call(&Draft::form(&form).field("Authorization", &bearer));
            proxy.log.exchange(&answer.request_id());
        }
    }
    let after = series(&proxy);
    let made: Vec<&String> = after.difference(&before).collect();
    assert!(made.iter().all(|series| series.starts_with("countersign_exchanges_total{")), "{made:?}");
    assert!((actions.len()..=9 * actions.len()).contains(&made.len()), "{made:?}");
}

#[test]
fn refusals_are_counted_by_their_code_and_exchanges_by_their_client() {
    let proxy = with_a_client();
    let bearer = format!("Bearer {}", token("reader"));
    let known = |form: &str| Draft::form(form).field("Authorization", &bearer);
    let calls = [
        known("Action=GetStatus&JobId=1"),
        known("Action=GetStatus&A=1&A=2"),
        known("Action=CreateJob"),
        known("A=1"),
        Draft::form(FORM),
        Draft::form(FORM).field("Authorization", "Bearer guess"),
        known(FORM).path("/nowhere"),
    ];
    for call in &calls {
        proxy.log.exchange(&proxy.call(call).request_id());
    }
    let codes = [
        ("InvalidQueryParameter", 1.0),
        ("AccessDenied", 1.0),
        ("MissingAction", 1.0),
        ("MissingAuthenticationToken", 1.0),
        ("InvalidClientTokenId", 1.0),
        ("ServiceUnavailable", 0.0),
    ];
    for (code, count) in codes {
        let counter = format!(r#"countersign_refusals_total{{route="importexport",code="{code}"}}"#);
        assert_eq!(proxy.metric(&counter), count, "{code}");
    }
    let of_client = |outcome: &str| {
        proxy.metric(&format!(r#"countersign_client_exchanges_total{{client="reader",outcome="{outcome}"}}"#))
    };
    // those of strangers are nobody's; a token is not read before there is a route
    assert_eq!(["answered_2xx", "refused", "unknown"].map(of_client), [1.0, 3.0, 0.0]);
    let unrouted = r#"countersign_unrouted_total{listener="local",code="ProxyRouteNotFound"}"#;
    assert_eq!(proxy.metric(unrouted), 1.0);
}

#[test]
fn users_of_any_local_are_one_client() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    for form in [FORM, "A=1"] {
        proxy.log.exchange(&proxy.post(form).request_id());
    }
    let of_client = |outcome: &str| {
        proxy.metric(&format!(r#"countersign_client_exchanges_total{{client="any-local",outcome="{outcome}"}}"#))
    };
    assert_eq!(["answered_2xx", "refused"].map(of_client), [1.0, 1.0]);
}

#[test]
fn levels_stand_beside_their_limits() {
    let proxy = Setup::to(&Endpoint::silent())
        .listener("limits.connections = 7")
        .route("limits.in_flight = 5")
        .process("workers = 1\nbodies = \"1 MiB\"")
        .start();
    let mut calls = [proxy.connect(), proxy.connect()];
    for call in &mut calls {
        call.send(&Draft::form(FORM));
    }
    let in_flight = || proxy.metric(r#"countersign_in_flight{route="importexport"}"#);
    eventually("two calls in flight", || (in_flight() == 2.0).then_some(()));
    for (limit, expected) in [
        (r#"in_flight_limit{route="importexport"}"#, 5.0),
        (r#"client_connections{listener="local"}"#, 2.0),
        (r#"client_connections_limit{listener="local"}"#, 7.0),
        ("bodies_limit_bytes", 1_048_576.0),
        ("audit_refusing", 0.0),
    ] {
        assert_eq!(proxy.metric(&format!("countersign_{limit}")), expected, "{limit}");
    }
    drop(calls);
    eventually("no call in flight", || (in_flight() == 0.0).then_some(()));
}

#[test]
fn connections_to_the_endpoint_are_counted_as_opened_reused_and_idle() {
    let endpoint = Endpoint::obliging();
    let proxy = Setup::to(&endpoint).process("workers = 2").start();
    for _ in 0..5 {
        proxy.log.exchange(&proxy.post(FORM).expect(200).request_id());
    }
    let [opened, reused, idle] = ["pool_opened_total", "pool_reused_total", "pool_idle_connections"]
        .map(|name| proxy.metric(&format!(r#"countersign_{name}{{route="importexport"}}"#)));
    assert_eq!(opened, endpoint.connections() as f64);
    assert_eq!(opened + reused, 5.0);
    assert_eq!(idle, opened, "each of them waits for the next call");
}

#[test]
fn the_process_says_what_it_uses_also_when_it_is_confined() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    let connections: Vec<Client> = (0..9)
        .map(|_| {
            let mut client = proxy.connect();
            client.call(&Draft::form(FORM)).expect(200);
            client
        })
        .collect();
    let open = proxy.metric("process_open_fds");
    drop(connections);
    eventually("the descriptors given back", || (proxy.metric("process_open_fds") <= open - 9.0).then_some(()));
    assert!(proxy.metric("process_max_fds") > open);
    assert!(proxy.metric("process_threads") >= 3.0);
    assert!(proxy.metric("process_cpu_seconds_total") > 0.0);
    let resident = proxy.metric("process_resident_memory_bytes");
    assert!(resident > 1e6 && proxy.metric("process_virtual_memory_bytes") >= resident);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - proxy.metric("process_start_time_seconds");
    assert!((-1.0..3600.0).contains(&age), "{age}");
}

#[test]
fn a_route_that_a_reload_removes_leaves_the_scrape() {
    let endpoint = Endpoint::obliging();
    let setup = Setup::to(&endpoint).listener("routes = [\"importexport\"]");
    let other =
        format!("[route.other]\nendpoint = \"{}\"\nkey = \"main\"\nhosts = [\"other.internal\"]\n", endpoint.url());
    let proxy = setup.clone().more(&other).start();
    let of_route = || series(&proxy).iter().any(|series| series.contains("route=\"other\""));
    assert!(of_route());
    setup.publish();
    eventually("the route to leave", || (!of_route()).then_some(()));
    proxy.log.exchange(&proxy.post(FORM).expect(200).request_id());
}

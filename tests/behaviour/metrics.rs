//! Metrics of routes, and what log and audit say of the same calls.

use std::fs;

use serde_json::Value;

use crate::harness::{After, Draft, Endpoint, FORM, Proxy, Setup, endpoint, eventually};
use crate::untrusted::{Authority, VALID, secure};

const KNOWN: &str = "profile.service = \"importexport\"";

/// Calls, and waits until the exchange is counted, which happens right before it is logged.
fn call(proxy: &Proxy, form: &str) -> Value {
    proxy.log.exchange(&proxy.post(form).request_id())
}

/// The series of exchanges, each as its Action, its outcome and its value. Without those of `other` that are at 0,
/// which every route has.
fn exchanges(proxy: &Proxy) -> Vec<String> {
    let text = proxy.admin("/metrics").expect(200).text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("countersign_exchanges_total{"));
    let mut series: Vec<String> = lines
        .map(|line| {
            let parts: Vec<&str> = line.split('"').collect();
            format!("{} {}{}", parts[3], parts[5], parts[6].trim_start_matches('}'))
        })
        .collect();
    series.retain(|series| !(series.starts_with("other ") && series.ends_with(" 0")));
    series.sort();
    series
}

#[test]
fn a_route_that_nobody_has_called_has_its_series_at_zero() {
    let proxy = Setup::to(&Endpoint::obliging()).route(KNOWN).start();
    let text = proxy.admin("/metrics").expect(200).text();
    let of_route: Vec<&str> = text.lines().filter(|line| line.contains("route=\"importexport\"")).collect();
    let is_zero = |line: &&str| line.ends_with(" 0") || line.ends_with(" 0.0");
    let others: Vec<&&str> = of_route.iter().filter(|line| !is_zero(line)).collect();
    assert!(matches!(others[..], [limit] if limit.contains("in_flight_limit")), "{others:?}");
    let unknown = r#"countersign_exchanges_total{route="importexport",action="other",outcome="unknown"} 0"#;
    assert!(of_route.contains(&unknown), "{of_route:?}");
}

#[test]
fn an_action_that_is_called_has_a_series_for_each_outcome_and_others_have_none() {
    let proxy = Setup::to(&Endpoint::obliging()).route(KNOWN).start();
    call(&proxy, FORM);
    call(&proxy, FORM);
    let outcomes =
        ["abandoned", "answered_2xx", "answered_3xx", "answered_4xx", "answered_5xx", "cut", "refused", "unavailable"];
    let expected: Vec<String> = outcomes
        .into_iter()
        .chain(["unknown"])
        .map(|outcome| format!("GetStatus {outcome} {}", if outcome == "answered_2xx" { 2 } else { 0 }))
        .collect();
    assert_eq!(exchanges(&proxy), expected);
}

#[test]
fn a_refused_call_makes_one_series_and_an_unknown_action_counts_as_other() {
    let proxy = Setup::to(&Endpoint::obliging()).route(KNOWN).start();
    call(&proxy, "Action=CreateJob&A=1&A=2");
    call(&proxy, "Action=LaunchRocket&A=1&A=2");
    call(&proxy, "A=1");
    assert_eq!(exchanges(&proxy), ["CreateJob refused 1", "other refused 2"]);
}

#[test]
fn a_route_knows_the_actions_of_the_service_at_its_host() {
    // the forms are refused, so that nothing is sent there
    let proxy = Setup::to_url("https://sdb.eu-west-1.amazonaws.com/").trusting(&Authority::new().pem).start();
    call(&proxy, "Action=BatchPutAttributes&A=1&A=2");
    call(&proxy, "Action=CreateJob&A=1&A=2");
    assert_eq!(exchanges(&proxy), ["BatchPutAttributes refused 1", "other refused 1"]);
}

#[test]
fn a_route_to_an_endpoint_of_no_known_service_knows_no_action() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    assert_eq!(call(&proxy, FORM)["action"], "GetStatus");
    assert!(exchanges(&proxy).contains(&"other answered_2xx 1".to_owned()), "{:?}", exchanges(&proxy));
    assert!(exchanges(&proxy).iter().all(|series| series.starts_with("other ")));
}

#[test]
fn log_and_audit_show_the_action_of_every_form_and_nothing_that_is_none() {
    let setup = Setup::to(&Endpoint::obliging());
    let directory = setup.vault_path("audit");
    fs::create_dir(&directory).unwrap();
    let file = directory.join("audit.jsonl");
    let proxy = setup.more(&format!("[audit]\ntarget = \"file:{}\"\n", file.display())).start();
    let longest = "A".repeat(128);
    let forms = [
        ("Action=GetStatus", Some("GetStatus")),
        ("Action=LaunchRocket", Some("LaunchRocket")),
        (&*format!("Action={longest}"), Some(&*longest)),
        ("Action=CreateJob&A=1&A=2", Some("CreateJob")),
        ("Action=CreateJob&A=%zz", Some("CreateJob")),
        ("Action=CreateJob&Operation=CancelJob", Some("CreateJob")),
        ("Action=CreateJob&Action=CancelJob", None),
        ("Action=NOT-AN-ACTION", None),
        (&*format!("Action={longest}A"), None),
        ("Version=2010-06-03", None),
    ];
    for (form, action) in forms {
        assert_eq!(call(&proxy, form)["action"].as_str(), action, "{form}");
    }
    let lines = || fs::read_to_string(&file).unwrap_or_default();
    eventually("a line for each form", || (lines().lines().count() == forms.len()).then_some(()));
    let audited = lines();
    for (line, (form, action)) in audited.lines().zip(forms) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["action"].as_str(), action, "{form}");
    }
    assert!(!audited.contains("NOT-AN-ACTION") && !proxy.log.text().contains("NOT-AN-ACTION"));
    let metrics = proxy.admin("/metrics").text();
    assert!(!metrics.contains("LaunchRocket") && !metrics.contains("AAAA"), "{metrics}");
}

#[test]
fn the_human_log_shows_the_action_of_every_call() {
    let proxy = Setup::to(&Endpoint::obliging()).log("human", "info").start();
    proxy.call(&Draft::form("Action=LaunchRocket")).expect(200);
    proxy.log.wait_for("line", |line| {
        line.contains("exchange route=\"importexport\" action=\"LaunchRocket\"").then_some(())
    });
}

/// How many exchanges a histogram of times has counted.
fn timed(proxy: &Proxy, name: &str) -> u32 {
    proxy.metric(&format!("countersign_{name}_seconds_count{{route=\"importexport\"}}")) as u32
}

#[test]
fn the_time_to_connect_is_shown_for_a_call_that_made_a_connection_and_for_no_other() {
    let authority = Authority::new();
    let config = authority.server(&["127.0.0.1"], VALID);
    let endpoint = secure(config, &endpoint::answer("200 OK", "<Done/>"), After::KeepOpen);
    let proxy = Setup::to(&endpoint).trusting(&authority.pem).start();
    let (first, second) = (call(&proxy, FORM), call(&proxy, FORM));
    assert_eq!(endpoint.connections(), 1);
    let micros = |line: &Value, name: &str| line[name].as_u64();
    let [connect, sign, first_byte, total] =
        ["connect_us", "sign_us", "first_byte_us", "total_us"].map(|name| micros(&first, name).unwrap());
    assert!(connect > 0 && connect + sign + first_byte <= total, "{first}");
    assert!(second.get("connect_us").is_none() && micros(&second, "first_byte_us").is_some(), "{second}");
    let counted = ["connect", "sign", "first_byte", "exchange"].map(|name| timed(&proxy, name));
    assert_eq!(counted, [1, 2, 2, 2]);
}

#[test]
fn the_time_to_connect_is_shown_of_an_endpoint_that_accepts_and_never_speaks_tls() {
    let endpoint = Endpoint::silent();
    let url = endpoint.url().replace("http:", "https:");
    let setup = Setup::to_url(&url).trusting(&Authority::new().pem).route("timeouts.connect = \"300ms\"");
    let proxy = setup.start();
    let line = call(&proxy, FORM);
    assert_eq!((&line["outcome"], &line["status"]), (&"unavailable".into(), &504.into()), "{line}");
    assert!(line["connect_us"].as_u64().unwrap() >= 300_000, "{line}");
    assert!(line.get("sign_us").is_none() && line.get("first_byte_us").is_none(), "{line}");
    assert_eq!(["connect", "sign", "first_byte", "exchange"].map(|name| timed(&proxy, name)), [1, 0, 0, 1]);
}

#[test]
fn a_refused_call_has_no_times_but_its_own_and_is_in_no_histogram() {
    let proxy = Setup::to(&Endpoint::obliging()).start();
    let line = call(&proxy, "Action=GetStatus&A=1&A=2");
    assert!(line["total_us"].is_u64() && line.get("connect_us").is_none(), "{line}");
    assert_eq!(["connect", "sign", "first_byte", "exchange"].map(|name| timed(&proxy, name)), [0; 4]);
}

//! Tests of the metrics as a scrape shows them, and of the page of the reference that lists them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::*;
use crate::telemetry::outcome::Outcome;
use crate::telemetry::reference_page;

fn counted(action: Option<KnownAction>, outcome: Outcome) -> Counted {
    let [sign, first_byte, connect] = [7, 3_000, 30_000].map(|micros| Some(Duration::from_micros(micros)));
    let total = Duration::from_millis(41);
    let (code, received, returned) = (None, 120, 700);
    let (repeats, reused, opened) = (1, 1, 1);
    Counted { action, outcome, code, received, returned, repeats, reused, opened, connect, sign, first_byte, total }
}

fn listener() -> ListenerState<'static> {
    ListenerState {
        listener: "local",
        connections: 1,
        limit: 16,
        certificate_ends: Some(1_767_225_600),
        revocation_list_ends: Some(1_767_225_600),
        handshakes: vec!["expired"],
        ranks: &["stranger"],
        fetches_keys: true,
    }
}

fn route(name: &str) -> RouteState<'_> {
    RouteState {
        route: name,
        endpoints: vec![EndpointState { endpoint: "https://a.example/", down: 0, sent: 0 }],
        down: 0,
        outages: 0,
        name_lost: 0,
        in_flight: 2,
        in_flight_limit: 8,
        pool_idle: 3,
        client_certificate_ends: Some(1_767_225_600),
    }
}

fn snapshot<'s>(clients: &'s ClientExchanges, routes: &[&'s str]) -> Snapshot<'s> {
    Snapshot {
        listeners: vec![listener()],
        keys: vec![KeyState { key: "main", expires_at: Some(1_767_225_600), usable: 1, degraded: 0 }],
        routes: routes.iter().copied().map(route).collect(),
        clients,
        shared_limits: &["in_flight", "bodies"],
        signature_causes: &["clock", "key"],
        load: 0.25,
        bodies_held: 0,
        bodies_limit: 1 << 20,
        audit_refusing: 0,
        log_lost: 0,
        rate_store: Some(RateStoreState {
            store: "valkey://127.0.0.1:6379".to_owned(),
            up: 1,
            replicas: 4,
            round_trips: 5,
            round_trip_seconds: 0.25,
            outages: 1,
            waits: 3,
            late: 1,
            leased: 70,
            returned: 7,
        }),
        quotas: Vec::new(),
        process: None,
    }
}

/// A scrape of metrics of which every one has a value.
fn full_scrape(metrics: &Metrics) -> String {
    let of_route = metrics.route("importexport", &[]);
    of_route.set_clock_offset(0.5);
    metrics.configuration.is_served(1, Some("e3b0c442"));
    let (clients, process) = (ClientExchanges::of(["reporting"], None), OwnProcess::open(crate::clock::now()));
    let quotas = vec![QuotaState { client: "reporting", calls: 1000, used: 10 }];
    let snapshot = Snapshot { process: Some(&process), quotas, ..snapshot(&clients, &["importexport"]) };
    metrics.render(&snapshot, Exposition::OpenMetrics).unwrap()
}

/// A scrape while one route, `importexport`, is served.
fn scrape(metrics: &Metrics) -> String {
    metrics.render(&snapshot(&ClientExchanges::default(), &["importexport"]), Exposition::OpenMetrics).unwrap()
}

/// The names of all registered metrics, without prefix and unit: the registry shows them in its debug form alone.
fn registered(metrics: &Metrics) -> Vec<String> {
    let shown = format!("{:?}", metrics.registry);
    let names = shown.split("Descriptor { name: \"").skip(1);
    names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// What a scrape says of one metric.
#[derive(Default)]
struct Described {
    help: String,
    kind: String,
    labels: String,
}

fn described(scrape: &str) -> BTreeMap<String, Described> {
    let mut found = BTreeMap::<String, Described>::new();
    let mut current = String::new();
    for line in scrape.lines().filter(|line| *line != "# EOF") {
        if let Some(meta) = line.strip_prefix("# ") {
            let [keyword, name, rest] = meta.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            current = name.to_owned();
            let entry = found.entry(current.clone()).or_default();
            match keyword {
                "HELP" => entry.help = rest.trim_end_matches('.').to_owned(),
                "TYPE" => entry.kind = rest.to_owned(),
                _ => assert_eq!(keyword, "UNIT"),
            }
        } else if let Some((_, labels)) = line.rsplit_once(' ').unwrap().0.split_once('{') {
            let names = labels.split("\",").filter_map(|label| label.split('=').next());
            let names: Vec<String> = names.filter(|name| *name != "le").map(|name| format!("`{name}`")).collect();
            found.get_mut(&current).unwrap().labels = names.join(", ");
        }
    }
    found
}

#[test]
fn every_metric_is_in_the_reference() {
    let metrics = Metrics::new();
    let described = described(&full_scrape(&metrics));
    for name in registered(&metrics) {
        let is_there = described.keys().any(|full| full.starts_with(&format!("countersign_{name}")));
        assert!(is_there, "give {name} a value in `full_scrape`, so that the reference can describe it");
    }
    let ours = described.keys().filter(|name| name.starts_with("countersign_"));
    assert_eq!(ours.count(), registered(&metrics).len());
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for (name, Described { help, kind, labels }) in described {
        let suffix = match &*kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        writeln!(table, "| `{name}{suffix}` | {kind} | {labels} | {help} |").unwrap();
    }
    reference_page::check("docs/reference/metrics.md", "metrics", &table);
}

#[test]
fn an_unknown_action_counts_as_other() {
    let metrics = Metrics::new();
    let route = metrics.route("importexport", &["ListJobs".into()]);
    route.count(&counted(route.known_action("ListJobs"), Outcome::Answered2xx));
    route.count(&counted(route.known_action("DropTables"), Outcome::Answered2xx));
    route.count(&counted(None, Outcome::Refused));
    let text = scrape(&metrics);
    let line = |action: &str, outcome: &str, n: u8| {
        format!(r#"countersign_exchanges_total{{route="importexport",action="{action}",outcome="{outcome}"}} {n}"#)
    };
    for expected in [line("ListJobs", "answered_2xx", 1), line("other", "answered_2xx", 1), line("other", "refused", 1)]
    {
        assert!(text.contains(&expected), "{expected} in {text}");
    }
    assert!(!text.contains("DropTables"));
}

/// The bounds of a histogram's buckets, and how many are in the bucket of each and those below.
fn buckets(scrape: &str, name: &str) -> Vec<(f64, u64)> {
    let prefix = format!("countersign_{name}_seconds_bucket{{le=\"");
    let lines = scrape.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines
        .map(|line| {
            let bound = line.split('"').next().unwrap();
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
            (bound, line.rsplit(' ').next().unwrap().parse().unwrap())
        })
        .collect()
}

#[test]
fn every_histogram_of_times_has_bounds_from_a_quarter_of_a_millisecond_to_a_minute() {
    let metrics = Metrics::new();
    metrics.route("importexport", &[]).count(&counted(None, Outcome::Answered2xx));
    let scrape = scrape(&metrics);
    let times: Vec<&str> = scrape.lines().filter(|line| line.ends_with("_seconds histogram")).collect();
    assert_eq!(times.len(), 4, "{times:?}");
    for (name, seconds) in [("exchange", 0.041), ("connect", 0.03), ("sign", 0.000_007), ("first_byte", 0.003)] {
        let buckets = buckets(&scrape, name);
        let bounds: Vec<f64> = buckets.iter().map(|(bound, _)| *bound).collect();
        for expected in [0.000_25, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0] {
            assert!(bounds.contains(&expected), "{name}: {bounds:?}");
        }
        assert!(bounds.is_sorted() && bounds.ends_with(&[60.0, f64::INFINITY]), "{name}: {bounds:?}");
        assert!(buckets.iter().all(|(bound, count)| *count == u64::from(seconds <= *bound)), "{name}: {buckets:?}");
    }
}

#[test]
fn refused_exchanges_do_not_hide_how_long_the_others_take() {
    let metrics = Metrics::new();
    let route = metrics.route("importexport", &[]);
    route.count(&counted(None, Outcome::Refused));
    route.count(&counted(None, Outcome::Unavailable));
    let scrape = scrape(&metrics);
    assert!(scrape.contains(r#"countersign_exchange_seconds_count{route="importexport"} 1"#), "{scrape}");
}

#[test]
fn a_listener_route_key_or_client_that_was_removed_leaves_the_scrape() {
    let metrics = Metrics::new();
    let full = full_scrape(&metrics);
    assert!(full.contains(r#"countersign_client_connections{listener="local"} 1"#), "{full}");
    assert!(full.contains(r#"countersign_endpoint_down{route="importexport"} 0"#), "{full}");
    metrics.route("importexport", &[]).count(&counted(None, Outcome::Answered2xx));
    metrics.listener("local").count_unrouted("ProxyRouteNotFound");
    metrics.keys.count_load("main", LoadResult::Changed);
    metrics.shares.count("reporting", "in_flight");
    let clients = ClientExchanges::default();
    let empty = Snapshot { listeners: Vec::new(), keys: Vec::new(), ..snapshot(&clients, &[]) };
    let after = metrics.render(&empty, Exposition::OpenMetrics).unwrap();
    for gone in ["importexport", "local", "main", "reporting"] {
        assert!(!after.contains(&format!("\"{gone}\"")), "{gone} in {after}");
    }
}

#[test]
fn a_route_that_still_counts_keeps_its_series_whether_it_is_served_any_more_or_not_yet() {
    let metrics = Metrics::new();
    let route = metrics.route("old", &[]);
    route.count(&counted(None, Outcome::Answered2xx));
    let line = r#"countersign_exchanges_total{route="old",action="other",outcome="answered_2xx"}"#;
    assert!(scrape(&metrics).contains(&format!("{line} 1\n")), "an exchange may be under way");
    route.count(&counted(None, Outcome::Answered2xx));
    assert!(scrape(&metrics).contains(&format!("{line} 2\n")));
    drop(route);
    assert!(!scrape(&metrics).contains("\"old\""));
    // the same name again, as after a reload
    metrics.route("old", &[]).count(&counted(None, Outcome::Answered2xx));
    let clients = ClientExchanges::default();
    let text = metrics.render(&snapshot(&clients, &["old"]), Exposition::Text).unwrap();
    assert!(text.contains(&format!("{line} 1\n")), "{text}");
}

#[test]
fn what_a_rate_is_taken_of_is_there_at_zero_before_it_is_counted() {
    let metrics = Metrics::new();
    let clients = ClientExchanges::of(["reporting"], None);
    let text = metrics.render(&snapshot(&clients, &["importexport"]), Exposition::Text).unwrap();
    let of_outcomes = Outcome::ALL.map(Outcome::as_str).map(|outcome| {
        let route = format!(r#"exchanges_total{{route="importexport",action="other",outcome="{outcome}"}}"#);
        [route, format!(r#"client_exchanges_total{{client="reporting",outcome="{outcome}"}}"#)]
    });
    let results = ["changed", "unchanged", "waiting", "failed"];
    let loads = results.map(|result| format!(r#"key_loads_total{{key="main",result="{result}"}}"#));
    let others = [
        r#"refusals_total{route="importexport",code="AccessDenied"}"#,
        r#"refusals_total{route="importexport",code="ProxyOutcomeUnknown"}"#,
        r#"signature_refusals_total{route="importexport",cause="clock"}"#,
        r#"repeats_total{route="importexport"}"#,
        r#"clock_repeats_total{route="importexport"}"#,
        r#"pool_opened_total{route="importexport"}"#,
        r#"pool_reused_total{route="importexport"}"#,
        r#"request_body_bytes_total{route="importexport"}"#,
        r#"response_body_bytes_total{route="importexport"}"#,
        r#"endpoint_outages_total{route="importexport"}"#,
        r#"route_endpoint_requests_total{route="importexport",endpoint="https://a.example/"}"#,
        r#"exchange_seconds_count{route="importexport"}"#,
        r#"connect_seconds_bucket{le="60.0",route="importexport"}"#,
        r#"over_share_total{client="reporting",limit="bodies"}"#,
        r#"unrouted_total{listener="local",code="ProxyRouteNotFound"}"#,
        r#"refused_handshakes_total{listener="local",reason="expired"}"#,
        r#"evicted_connections_total{listener="local",rank="stranger"}"#,
        r#"token_key_loads_total{listener="local",result="failed"}"#,
        r#"config_reloads_total{result="refused"}"#,
        "audit_lost_total",
        "panics_total",
    ];
    let all = of_outcomes.concat().into_iter().chain(loads).chain(others.map(str::to_owned));
    for series in all {
        assert!(text.contains(&format!("\ncountersign_{series} 0\n")), "{series} in {text}");
    }
    let no_route = r#"refusals_total{route="importexport",code="ProxyRouteNotFound"}"#;
    assert!(!text.contains(no_route), "no route refuses with it");
}

#[test]
fn every_scrape_has_the_same_series_in_the_same_order() {
    let metrics = Metrics::new();
    let names: Vec<String> = (0..40).map(|number| format!("r{number}")).collect();
    let (routes, clients): (Vec<&str>, _) = (names.iter().map(String::as_str).collect(), ClientExchanges::default());
    let series = || {
        let text = metrics.render(&snapshot(&clients, &routes), Exposition::Text).unwrap();
        text.lines().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    let before = series();
    for name in names.iter().rev() {
        metrics.route(name, &[]).count(&counted(None, Outcome::Refused));
    }
    assert!(series() == before, "what is counted makes no series and moves none");
}

#[test]
fn the_build_is_named_in_both_formats() {
    let metrics = Metrics::new();
    let features = crate::build_info::FEATURES.join(",");
    let (version, commit) = (crate::build_info::VERSION, crate::build_info::COMMIT);
    let build =
        format!("countersign_build_info{{version=\"{version}\",commit=\"{commit}\",features=\"{features}\"}} 1\n");
    for (exposition, typed) in [(Exposition::OpenMetrics, "build info"), (Exposition::Text, "build_info gauge")] {
        let text = metrics.render(&snapshot(&ClientExchanges::default(), &[]), exposition).unwrap();
        assert!(text.contains(&build) && text.contains(&format!("# TYPE countersign_{typed}\n")), "{text}");
    }
}

#[test]
fn the_totals_of_a_route_are_what_its_metrics_say_also_after_its_known_actions_have_changed() {
    let metrics = Metrics::new();
    let route = metrics.route("importexport", &["ListJobs".into()]);
    assert_eq!(route.totals(), None);
    route.count(&counted(route.known_action("ListJobs"), Outcome::Answered2xx));
    route.count(&counted(None, Outcome::Answered2xx));
    route.count(&counted(None, Outcome::Refused));
    let totals = route.totals().unwrap();
    assert_eq!((totals.outcomes.of(Outcome::Answered2xx), totals.outcomes.of(Outcome::Refused)), (2, 1));
    assert_eq!(totals.exchange.mean(), Some(0.041), "refused exchanges have no part in it");
    let after = metrics.route("importexport", &["GetStatus".into(), "ListJobs".into()]);
    assert_eq!(after.totals(), None);
    assert_eq!(after.continued().totals(), Some(totals));
}

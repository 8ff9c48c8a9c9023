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
    Counted { action, outcome, received: 120, returned: 700, repeats: 1, connect, sign, first_byte, total }
}

fn snapshot<'a>() -> Snapshot<'a> {
    let (certificates, keys) = (Vec::new(), Vec::new());
    Snapshot { connections: Vec::new(), certificates, keys, endpoints: Vec::new(), bodies_held: 0 }
}

/// A scrape of metrics of which every one has a value.
fn full_scrape(metrics: &Metrics) -> String {
    let route = metrics.route("importexport", &[]);
    route.count(&counted(None, Outcome::Answered2xx));
    route.set_clock_offset(0.5);
    route.count_clock_repeat();
    route.count_refusal("clock");
    metrics.listener("local").count_unrouted("ProxyRouteNotFound");
    metrics.listener("local").count_refused_handshake("expired");
    metrics.listener("local").count_evicted("stranger");
    metrics.listeners.count_token_key_load("local", LoadResult::Changed);
    metrics.keys.count_load("main", LoadResult::Changed);
    metrics.configuration.is_served(1, Some("e3b0c442"));
    metrics.shares.count("reporting", "in_flight");
    let endpoints = vec![EndpointState { route: "importexport", down: 0, outages: 0, name_lost: 0 }];
    let keys = vec![KeyState { key: "main", expires_at: Some(1_767_225_600), usable: 1, degraded: 0 }];
    let (connections, certificates) = (vec![("local", 1)], vec![("local", 1_767_225_600)]);
    metrics.render(&Snapshot { connections, certificates, keys, endpoints, bodies_held: 0 }).unwrap()
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
    assert_eq!(described.len(), registered(&metrics).len());
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for (name, Described { help, kind, labels }) in described {
        let suffix = if kind == "counter" { "_total" } else { "" };
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
    let text = metrics.render(&snapshot()).unwrap();
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
    let scrape = metrics.render(&snapshot()).unwrap();
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
    let scrape = metrics.render(&snapshot()).unwrap();
    assert!(scrape.contains(r#"countersign_exchange_seconds_count{route="importexport"} 1"#), "{scrape}");
}

#[test]
fn a_listener_or_route_that_was_removed_leaves_the_scrape() {
    let metrics = Metrics::new();
    let full = full_scrape(&metrics);
    assert!(full.contains(r#"countersign_client_connections{listener="local"} 1"#), "{full}");
    assert!(full.contains(r#"countersign_endpoint_down{route="importexport"} 0"#), "{full}");
    let after = metrics.render(&snapshot()).unwrap();
    assert!(!after.contains("client_connections") && !after.contains("endpoint_down"), "{after}");
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

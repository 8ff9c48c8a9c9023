//! `[trace]`.

use std::time::Duration;

use crate::config::grammar::resource;
use crate::config::reading::quantity::{count, duration, share_of_one};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, flag, shown, text};
use crate::config::settings::{Export, Trace};
use crate::config::tables::endpoint;
use crate::telemetry::trace::{ExportSettings, Forwarding, ParentFlag, Ratio, Sampling};

/// As the SDKs of OpenTelemetry have it.
const QUEUE: usize = 2048;
/// Exchanges have four spans each, of which SDKs send 512 at once.
const BATCH: usize = 128;
const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(10);
/// 64 MiB of names at worst: a larger queue only delays the news that the collector is away.
pub(crate) const MOST_QUEUED: usize = 65_536;
/// Some 10 MB in one request, of which collectors take 20 MiB by default.
pub(crate) const MOST_IN_BATCH: usize = 1024;

/// The keys that mean nothing without `endpoint`.
pub(crate) const OF_EXPORT: [&str; 9] = [
    "ca_file",
    "danger_plaintext",
    "headers_file",
    "queue",
    "batch",
    "interval",
    "timeout",
    "service_name",
    "resource",
];

/// Reads `[trace]`: `None` when a fault was reported, `Some(None)` when the table is absent.
pub(crate) fn read_if_there(root: &mut Table<'_>) -> Option<Option<Trace>> {
    let there = root.has("trace");
    let table = root.section("trace");
    if there { read(table).map(Some) } else { Some(None) }
}

fn read(mut table: Table<'_>) -> Option<Trace> {
    let forward = table.get("forward", false, flag);
    let ratio = table.get("sample_ratio", Ratio::ALL, share_of_one(Ratio::new));
    let parent_based = table.get("parent_based", true, flag);
    let collector = endpoint::read_collector(&mut table);
    let directory = table.directory();
    let headers_file = table.get("headers_file", None, |given| directory.file(given).map(Some));
    let queue = table.get("queue", QUEUE, count(1..=MOST_QUEUED));
    let batch = table.get("batch", BATCH, count(1..=MOST_IN_BATCH));
    let interval = table.get("interval", INTERVAL, duration);
    let timeout = table.get("timeout", TIMEOUT, duration);
    let service_name = table.get("service_name", "countersign".to_owned(), service_name);
    let resource = table.list("resource", Vec::new(), resource::attribute);
    let collector = collector.filter(|collector| fits(&table, collector.is_some(), forward));
    table.finish();
    let sampling =
        Sampling { ratio: ratio?, parent: if parent_based? { ParentFlag::Followed } else { ParentFlag::Ignored } };
    let settings = ExportSettings {
        queue: queue?,
        batch: batch?,
        interval: interval?,
        timeout: timeout?,
        service_name: service_name?,
        resource: resource?,
    };
    let headers_file = headers_file?;
    let export = collector?.map(|collector| Export { collector, headers_file, settings });
    Some(Trace { sampling, forwarding: if forward? { Forwarding::On } else { Forwarding::Off }, export })
}

/// Whether the table does anything, and nothing in it is without effect.
fn fits(table: &Table<'_>, exports: bool, forward: Option<bool>) -> bool {
    if exports && !cfg!(feature = "otlp") {
        let message = "cannot be used: this build has no exporter of spans; build with the feature `otlp`";
        table.fault("endpoint", message);
        return false;
    }
    if exports {
        return true;
    }
    let idle: Vec<_> = OF_EXPORT.into_iter().filter(|key| table.has(key)).collect();
    for key in &idle {
        table.fault(key, "has no effect without `endpoint`, the collector of spans: add it, or remove this line");
    }
    let does_nothing = forward == Some(false) && idle.is_empty();
    if does_nothing {
        table.missing(
            "endpoint",
            "[trace] does nothing: name the collector of spans, e.g. \"http://127.0.0.1:4318\", or set \
             `forward = true`, or remove the table",
        );
    }
    idle.is_empty() && !does_nothing
}

fn service_name(given: &Given<'_>) -> Result<String, String> {
    let text = text(given)?;
    let is_name = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| format!("{} is not a name: write 1 to 255 visible characters without spaces", shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, parse_with, settings};
    use crate::config::settings::Transport;
    use crate::trust::Roots;

    fn read_trace(lines: &str) -> Trace {
        settings(&format!("{LEAST}[trace]\n{lines}")).trace.unwrap()
    }

    fn fault(lines: &str) -> String {
        let found = faults(&format!("{LEAST}[trace]\n{lines}"));
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        found[0].clone()
    }

    #[test]
    fn nothing_is_traced_unless_the_table_is_there() {
        assert_eq!(settings(LEAST).trace, None);
        let told = fault("");
        assert!(told.contains("trace.endpoint") && told.contains("[trace] does nothing"), "{told}");
        assert!(fault("forward = false").contains("does nothing"));
    }

    #[test]
    fn a_trace_has_the_documented_defaults() {
        let read = read_trace("endpoint = \"http://127.0.0.1:4318\"");
        let expected = ExportSettings {
            queue: 2048,
            batch: 128,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            service_name: "countersign".to_owned(),
            resource: Vec::new(),
        };
        let export = read.export.unwrap();
        assert_eq!((export.settings, export.headers_file), (expected, None));
        assert_eq!(read.forwarding, Forwarding::Off);
        assert_eq!(read.sampling, Sampling { ratio: Ratio::ALL, parent: ParentFlag::Followed });
        assert_eq!(export.collector.url(), "http://127.0.0.1:4318/v1/traces");
        let forwarded = read_trace("forward = true");
        assert_eq!((forwarded.forwarding, forwarded.export), (Forwarding::On, None));
    }

    #[test]
    fn every_line_of_a_trace_is_read() {
        let read = read_trace(
            "endpoint = \"https://collector.example/otlp/\"\nca_file = \"/ca.pem\"\nheaders_file = \"/headers\"\n\
             forward = true\nsample_ratio = 0.25\nparent_based = false\nqueue = 10\nbatch = 3\n\
             interval = \"100ms\"\ntimeout = \"2s\"\nservice_name = \"signer\"\n\
             resource = [\"deployment.environment.name=test\", \"k8s.pod.name=a=b\"]",
        );
        let export = read.export.unwrap();
        assert_eq!(export.collector.url(), "https://collector.example/otlp/v1/traces");
        let Transport::Tls { trust, .. } = &export.collector.transport else { panic!() };
        assert_eq!(trust, &Roots::File("/ca.pem".into()));
        assert_eq!(export.headers_file, Some("/headers".into()));
        assert_eq!((export.settings.queue, export.settings.batch), (10, 3));
        assert_eq!((export.settings.interval.as_millis(), export.settings.timeout.as_secs()), (100, 2));
        assert_eq!(export.settings.service_name, "signer");
        let resource = [("deployment.environment.name", "test"), ("k8s.pod.name", "a=b")];
        assert_eq!(export.settings.resource, resource.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(read.sampling, Sampling { ratio: Ratio::new(0.25).unwrap(), parent: ParentFlag::Ignored });
        assert_eq!(read.forwarding, Forwarding::On);
        let variables = [("COUNTERSIGN__TRACE__ENDPOINT", "http://[::1]"), ("COUNTERSIGN__TRACE__SAMPLE_RATIO", "0.5")];
        let by_variables = parse_with(LEAST, &variables).unwrap().trace.unwrap();
        assert_eq!(by_variables.sampling.ratio, Ratio::new(0.5).unwrap());
        assert_eq!(by_variables.export.unwrap().collector.url(), "http://[::1]/v1/traces");
    }

    #[test]
    fn plaintext_beyond_loopback_needs_the_danger_line() {
        let told = fault("endpoint = \"http://collector:4318\"");
        assert!(told.contains("trace.endpoint: `collector` is not this machine"), "{told}");
        assert!(told.contains("danger_plaintext = true"), "{told}");
        let read = read_trace("endpoint = \"http://collector:4318\"\ndanger_plaintext = true");
        assert!(!read.export.unwrap().collector.is_authentic());
    }

    #[test]
    fn bad_values_and_lines_without_effect_are_refused() {
        const ENDPOINT: &str = "endpoint = \"http://127.0.0.1:4318\"\n";
        for (lines, why) in [
            ("sample_ratio = 1.1", "is not a part from 0 to 1"),
            ("sample_ratio = \"half\"", "is not a part from 0 to 1"),
            ("sample_ratio = -1", "is not a part from 0 to 1"),
            ("queue = 0", "is not between"),
            ("batch = 2000", "is not between"),
            ("service_name = \"a b\"", "is not a name"),
            ("resource = [\"a\"]", "`a` is not an attribute"),
            ("resource = [\"service.name=x\"]", "`service_name`"),
            ("ca_file = \"/ca.pem\"", "is for an https `endpoint`"),
            ("path = \"/x\"", "unknown key"),
        ] {
            let told = fault(&format!("{ENDPOINT}{lines}"));
            assert!(told.contains(why), "{lines}: {told}");
        }
        assert!(fault("endpoint = \"http://127.0.0.1:4318/v1/traces\"").contains("write the base URL"));
        assert!(fault("forward = true\nqueue = 9").contains("trace.queue: has no effect without `endpoint`"));
    }
}

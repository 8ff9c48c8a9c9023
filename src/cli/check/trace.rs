//! The part of `countersign check` that says what is traced, and where spans go.

use super::findings::{Findings, Kind};
use crate::config::settings::{Settings, Trace, Transport};
use crate::telemetry::trace::Forwarding;

/// The port of OTLP over gRPC, by IANA. OTLP over HTTP has the next one.
const GRPC: u16 = 4317;

/// Describes `[trace]`.
pub(super) fn section(found: &mut Findings, settings: &Settings) {
    let Some(Trace { sampling: _, forwarding, export }) = &settings.trace else {
        found.section(Kind::Trace, None, "off; a client's trace ID is in log and audit");
        return;
    };
    let told = match forwarding {
        Forwarding::On => "endpoints are told of the trace",
        Forwarding::Off => "endpoints are told nothing",
    };
    let Some(export) = export else {
        found.section(Kind::Trace, None, format!("no spans are exported; {told}"));
        return;
    };
    let url = export.collector.url();
    let section = found.section(Kind::Trace, None, format!("spans go to {url}; {told}"));
    section.fact("endpoint", url);
    match &export.collector.transport {
        Transport::Tls { .. } => {}
        Transport::Plaintext if export.collector.is_authentic() => {}
        Transport::Plaintext => section.danger(
            "danger_plaintext: whoever is on the way to the collector sees who calls what, and what is in `headers_file`",
        ),
    }
    if let Some(path) = &export.headers_file {
        section.detail(format!("header fields of requests to it: from {}", path.display()));
    }
    if export.collector.port == GRPC {
        section
            .warn(format!("port {GRPC} is usually OTLP over gRPC, which countersign does not speak; HTTP is at 4318"));
    }
}

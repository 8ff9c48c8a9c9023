//! The part of `countersign check` that says what is traced, and where spans go.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::findings::{Findings, Kind};
use crate::config::settings::{Settings, Trace, Transport};
use crate::error_chain::causes;
use crate::fetch::Upload;
use crate::telemetry::trace::{Forwarding, ParentFlag};

/// The port of OTLP over gRPC, by IANA. OTLP over HTTP has the next one.
const GRPC: u16 = 4317;

/// Describes `[trace]`.
pub(super) fn section(found: &mut Findings, settings: &Settings) {
    let Some(Trace { sampling, forwarding, export }) = &settings.trace else {
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
    section.detail(match sampling.parent {
        ParentFlag::Followed => "sampled: as an identified client says, else by `sample_ratio`",
        ParentFlag::Ignored => "sampled: by `sample_ratio`, whatever clients say",
    });
    match &export.collector.transport {
        Transport::Tls { .. } => {}
        Transport::Plaintext if export.collector.is_authentic() => {}
        Transport::Plaintext => section.danger(
            "danger_plaintext: whoever is on the way to the collector sees who calls what, and what `headers_file` has",
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

/// Asks the collector whether it takes spans: with a request that has none, which is an empty message.
pub(super) async fn ask(collector: Arc<Upload>, limit: Duration) -> Result<(), String> {
    let media_type = HeaderValue::from_static("application/x-protobuf");
    match collector.post(media_type, Bytes::new(), limit).await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("it answered {}", response.status())),
        Err(error) => Err(causes(&error)),
    }
}

/// Tells what it said. That it is away is no fault: calls go on without it.
pub(super) fn asked(found: &mut Findings, answer: &Result<(), String>) {
    match answer {
        Ok(()) => {
            found.section(Kind::Online, Some(&"trace.endpoint"), "the collector takes spans");
        }
        Err(why) => {
            let text = format!("the collector takes no spans, which would be dropped: {}", why.escape_debug());
            found.warning(Kind::Online, Some(&"trace.endpoint"), text);
        }
    }
}

//! Health, readiness and metrics, on a listener of their own: reachable when the listeners of the proxy are full, and
//! without access to keys.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;

use crate::downstream::server::ExchangeGuard;
use crate::downstream::{Handler, HeadFault, PeerEvidence, Reply, RequestBody, RequestHead};
use crate::telemetry::metrics::MEDIA_TYPE;

/// What the admin listener reports of the process.
pub trait Status: Send + Sync {
    /// Why the process is not ready, one reason per line of the response; empty if it is ready.
    fn not_ready(&self) -> Vec<String>;

    /// What is wrong although the process is ready, one problem per line; empty if all is well.
    fn degraded(&self) -> Vec<String>;

    /// The metrics as they are now, in the OpenMetrics text format.
    fn metrics(&self) -> String;
}

/// Answers `/livez`, `/readyz` and `/metrics`.
pub struct Admin {
    status: Arc<dyn Status>,
}

impl Admin {
    /// Reports `status`.
    #[must_use]
    pub fn new(status: Arc<dyn Status>) -> Rc<Self> {
        Rc::new(Self { status })
    }

    fn respond(&self, method: &str, path: &str) -> Reply<Full<Bytes>> {
        if !["GET", "HEAD"].contains(&method) {
            let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            reply.fields.push("allow", b"GET, HEAD");
            return reply;
        }
        match path {
            // a process that should be restarted does not get here
            "/livez" => plain(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => self.readiness(),
            "/metrics" => text(StatusCode::OK, MEDIA_TYPE, self.status.metrics()),
            _ => plain(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
        }
    }

    fn readiness(&self) -> Reply<Full<Bytes>> {
        let reasons = self.status.not_ready();
        if reasons.is_empty() {
            let notes = self.status.degraded();
            let text = notes.iter().fold("ready\n".to_owned(), |text, note| format!("{text}degraded: {note}\n"));
            return plain(StatusCode::OK, text);
        }
        plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready:\n{}\n", reasons.join("\n")))
    }
}

impl Handler for Admin {
    type Body = Full<Bytes>;

    async fn handle(
        &self,
        _: Rc<PeerEvidence>,
        _exchange: ExchangeGuard,
        head: RequestHead,
        _: RequestBody,
    ) -> Reply<Full<Bytes>> {
        self.respond(head.method(), head.path())
    }

    fn refuse(&self, _: Rc<PeerEvidence>, _exchange: ExchangeGuard, fault: HeadFault) -> Reply<Full<Bytes>> {
        plain(StatusCode::BAD_REQUEST, format!("{fault}\n"))
    }
}

fn plain(status: StatusCode, content: String) -> Reply<Full<Bytes>> {
    text(status, "text/plain; charset=utf-8", content)
}

fn text(status: StatusCode, media_type: &str, content: String) -> Reply<Full<Bytes>> {
    let fields = [("content-type", media_type), ("cache-control", "no-store")].into_iter().collect();
    Reply { status, fields, body: Full::new(Bytes::from(content)) }
}

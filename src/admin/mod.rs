//! Health, readiness and metrics, on a listener of their own: reachable when the proxy's are full, and never beside keys.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::downstream::stream::ExchangeGuard;
use crate::downstream::{Handler, HeadFault, PeerEvidence, RequestBody};
use crate::telemetry::metrics::MEDIA_TYPE;

/// What the admin listener reports of the rest of the process.
pub trait Status: Send + Sync {
    /// Why the process is not ready, one reason per line of the answer; empty when it is.
    fn not_ready(&self) -> Vec<String>;

    /// What is the matter although the process is ready, one thing per line; empty when all is well.
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

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if *method != Method::GET && *method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            // answering at all is being alive: a process that should be restarted does not get here
            "/livez" => plain(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => self.readiness(),
            "/metrics" => {
                let mut response = plain(StatusCode::OK, self.status.metrics());
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
                response
            }
            _ => plain(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
        }
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
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
        request: Request<RequestBody>,
    ) -> Response<Full<Bytes>> {
        self.answer(request.method(), request.uri().path())
    }

    fn refuse(&self, _: Rc<PeerEvidence>, _exchange: ExchangeGuard, fault: HeadFault) -> Response<Full<Bytes>> {
        plain(StatusCode::BAD_REQUEST, format!("{fault}\n"))
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

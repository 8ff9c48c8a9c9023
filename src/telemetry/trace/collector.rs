//! The HTTP client of the exporter: the library makes the body, and [`Upload`] sends it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use opentelemetry_http::{HttpClient, HttpError};

use super::response::PartialSuccess;
use crate::error_chain::causes;
use crate::fetch::Upload;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// The collector took it.
    Taken(PartialSuccess),
    /// It does not take it, and will not at another time.
    Refused(String),
    /// It may take it later; not before so long, if it says that.
    Later(String, Option<Duration>),
}

/// The collector, as the library calls it. The library returns less than it hears, so what it hears is kept here.
#[derive(Debug)]
pub(super) struct Collector {
    upload: Arc<Upload>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: Duration,
    heard: Option<Heard>,
}

impl Collector {
    pub(super) const fn new(upload: Arc<Upload>) -> Self {
        Self { upload, state: Mutex::new(State { limit: Duration::ZERO, heard: None }) }
    }

    /// Says how long the next request may take.
    pub(super) fn expect_within(&self, limit: Duration) {
        *self.lock() = State { limit, heard: None };
    }

    /// What came of the last request; `None` if none was made.
    pub(super) fn take_heard(&self) -> Option<Heard> {
        self.lock().heard.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the library's request only the body is sent: its fields may come from the environment, which configures
    /// nothing here.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let media_type = request.headers().get(CONTENT_TYPE).cloned().unwrap_or(PROTOBUF);
        let limit = self.lock().limit;
        let response = self.upload.post(media_type, request.into_body(), limit).await;
        let heard = match &response {
            Ok(response) => heard(response),
            Err(error) => Heard::Later(causes(error), None),
        };
        self.lock().heard = Some(heard);
        response.map_err(Into::into)
    }
}

impl HttpClient for Collector {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.send(request))
    }
}

/// OTLP/HTTP, "Failures": four statuses say that the same request may be taken later.
fn heard(response: &Response<Bytes>) -> Heard {
    let status = response.status();
    match status {
        success if success.is_success() => Heard::Taken(PartialSuccess::read(response.body())),
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Heard::Later(format!("the collector answered {status}"), pause(response)),
        redirect if redirect.is_redirection() => {
            Heard::Refused(format!("the collector answered {status}; no redirect is followed: name where it leads"))
        }
        _other => Heard::Refused(format!("the collector answered {status}")),
    }
}

/// `Retry-After` in seconds. A date says nothing: clocks may be apart.
fn pause(response: &Response<Bytes>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<&str>) -> Heard {
        let mut response = Response::builder().status(status);
        if let Some(value) = retry_after {
            response = response.header(RETRY_AFTER, value);
        }
        heard(&response.body(Bytes::new()).unwrap())
    }

    #[test]
    fn four_statuses_mean_that_the_same_spans_may_be_taken_later() {
        for status in [429, 502, 503, 504] {
            assert!(matches!(answered(status, None), Heard::Later(_, None)), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 408, 413, 500, 501] {
            assert!(matches!(answered(status, Some("1")), Heard::Refused(_)), "{status}");
        }
        assert_eq!(answered(200, None), Heard::Taken(PartialSuccess::default()));
    }

    #[test]
    fn a_collector_says_in_seconds_when_it_has_time() {
        for (value, expected) in [("7", Some(7)), ("0", Some(0)), ("-1", None), ("Fri, 31 Dec 1999 23:59:59 GMT", None)]
        {
            let Heard::Later(_, pause) = answered(429, Some(value)) else { panic!("{value}") };
            assert_eq!(pause, expected.map(Duration::from_secs), "{value}");
        }
    }
}

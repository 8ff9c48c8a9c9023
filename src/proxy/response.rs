//! The response to a client: a relayed body or an error document of our own, and the record that ends with it.

use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use super::fault::{Fault, Retry};
use super::headers::{PROXY_STATUS, REQUEST_ID, SENT};
use crate::downstream::server::ExchangeGuard;
use crate::downstream::{Place, Reply};
use crate::faults::{self, codes};
use crate::http1::{Fields, Persistence};
use crate::query::{ErrorDialect, ErrorDocument, Notation};
use crate::telemetry::{ExchangeRecord, Outcome, Refusal};
use crate::upstream::{AnswerBody, Delivery, answer::AnswerError};

/// The body of every response. Dropping it ends the exchange and writes its record.
pub struct ResponseBody {
    content: Content,
    record: Box<ExchangeRecord>,
    _place: Option<Place>,
    exchange: ExchangeGuard,
}

enum Content {
    Document(Option<Bytes>),
    Relayed(Box<AnswerBody>),
}

impl ResponseBody {
    /// Relays the endpoint's response.
    #[must_use]
    pub(super) fn relayed(
        body: Box<AnswerBody>,
        mut record: Box<ExchangeRecord>,
        place: Place,
        exchange: ExchangeGuard,
    ) -> Self {
        record.write_audit(Outcome::answered(record.status.unwrap_or_default()));
        Self { content: Content::Relayed(body), record, _place: Some(place), exchange }
    }

    fn document(document: String, record: Box<ExchangeRecord>, exchange: ExchangeGuard) -> Self {
        Self { content: Content::Document(Some(document.into())), record, _place: None, exchange }
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        let length = frame.data_ref().map_or(0, Bytes::len);
        self.record.returned = self.record.returned.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
}

/// How a client's SDK expects an error to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorFormat {
    /// The shape, of the route's endpoint.
    pub(super) dialect: ErrorDialect,
    /// What the client asked for, if it got so far.
    pub(super) notation: Notation,
}

impl ErrorFormat {
    /// That of a client that has not said anything.
    pub(super) const fn usual(dialect: ErrorDialect) -> Self {
        Self { dialect, notation: dialect.usual_notation() }
    }
}

/// Writes a fault as the client's SDK expects an error. `methods` are those that the route accepts.
pub(super) fn refuse(
    fault: &Fault,
    ErrorFormat { dialect, notation }: ErrorFormat,
    methods: &str,
    mut record: Box<ExchangeRecord>,
    exchange: ExchangeGuard,
) -> Reply<ResponseBody> {
    let request_id = record.request_id;
    // a number alone would not say which of our errors it is
    let message = if dialect.has_numbers() { &format!("{}: {}", fault.code, fault.message) } else { &fault.message };
    let code = codes::in_dialect(fault.code, dialect);
    let document = ErrorDocument { error_type: fault.blame, code, message, request_id: request_id.as_str() };
    let document = document.write(dialect, notation, record.called_action());
    let status = if dialect.is_answered_with_200() { StatusCode::OK } else { fault.status };
    record.status = Some(status.as_u16());
    record.code = Some(fault.code);
    record.refusal = Some(Refusal { audit: fault.audit, cause: fault.cause, remedy: fault.remedy });
    record.outcome = fault.outcome;
    record.write_audit(fault.outcome);
    let retry_after = match fault.retry {
        Retry::Unmentioned => None,
        Retry::Soon => {
            Some(1_u64.saturating_add(u64::from(request_id.as_bytes().first().copied().unwrap_or_default() % 3)))
        }
        Retry::After(seconds) => Some(seconds),
    };

    let sent = match fault.delivery {
        Delivery::NotSent => "no",
        Delivery::MaybeSent => "yes",
    };
    let mut fields = Fields::default();
    let mut say = |name, value: &str| fields.push(name, value.as_bytes());
    say("content-type", notation.media_type());
    say(SENT, sent);
    say(REQUEST_ID, request_id.as_str());
    say(PROXY_STATUS, &proxy_status(fault));
    if fault.status == StatusCode::METHOD_NOT_ALLOWED {
        say("allow", methods);
    }
    if let Some(seconds) = retry_after {
        say("retry-after", &seconds.to_string());
    }
    if fault.persistence == Persistence::Close {
        say("connection", "close");
    }
    Reply { status, fields, body: ResponseBody::document(document, record, exchange) }
}

/// RFC 9209: our name, the error type, and our code as its detail.
fn proxy_status(fault: &Fault) -> String {
    let mut value = format!("countersign; error={}", fault.proxy_status);
    let _infallible = write!(value, "; details=\"{}\"", fault.code);
    value
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        let polled = match &mut this.content {
            Content::Document(document) => Poll::Ready(document.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Relayed(body) => Pin::new(body.as_mut()).poll_frame(cx),
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => this.note(frame),
            Poll::Ready(Some(Err(error))) => {
                this.exchange.cut();
                this.record.outcome = Outcome::Cut;
                this.record.log_reason = Some(faults::endpoint::RESPONSE_CUT);
                this.record.error = Some(crate::error_chain::causes(error));
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Document(document) => document.is_none(),
            Content::Relayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Document(document) => {
                SizeHint::with_exact(document.as_ref().map_or(0, |d| u64::try_from(d.len()).unwrap_or(u64::MAX)))
            }
            Content::Relayed(body) => body.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    /// This is the last point at which it is known whether the client got all of the endpoint's response.
    fn drop(&mut self) {
        if let Content::Relayed(body) = &self.content
            && body.is_complete()
            && self.record.outcome != Outcome::Cut
        {
            self.record.outcome = Outcome::answered(self.record.status.unwrap_or_default());
        }
        if let Some(slow) = self.exchange.slow_reader() {
            self.record.outcome = Outcome::Abandoned;
            self.record.log_reason = Some(faults::client::SLOW_READER);
            self.record.error = Some(format!("the client takes its response {slow}"));
        }
    }
}

//! One request and its response: reads it, has the dialect's verifier judge it, and writes in the cloud's shape.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, DATE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::echo::{can_name_a_response, echoed};
use super::seen::Seen;
use super::shape::{Document, Format, Frame, Shape};
use super::words::{Refused, words};
use crate::clock;
use crate::http1::Persistence;
use crate::query::{Action, FormError};
use crate::sandbox::pacing::Paced;
use crate::sandbox::reception::{Respond, read_form};
use crate::sandbox::refusal::Refusal;
use crate::signing::verify::{Problem, Reading, Received, Verifier, VerifyingKey};

/// The longest form, in MiB. SimpleDB's largest documented call, a BatchPutAttributes of 1 MB, is up to three times as
/// long once it is encoded.
const LONGEST: usize = 4;

/// A cloud: how its servers verify and write, and the keys that they know.
pub struct Cloud {
    /// How requests are verified.
    pub verifier: Verifier,
    /// How responses are written.
    pub shape: Shape,
    /// The access keys.
    pub keys: Vec<VerifyingKey>,
    /// How far its clock is ahead of the system's.
    pub clock_offset: SignedDuration,
}

/// Called for each request before its response is sent, on the endpoint's own thread.
pub type Sighted = Box<dyn Fn(&Sighting) + Send + Sync>;

/// One request and its result.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// When the form had arrived, by the endpoint's clock.
    pub time: Timestamp,
    /// The operation, as far as it was read.
    pub operation: Option<String>,
    /// The id of the access key, likewise.
    pub key_id: Option<String>,
    /// The status of the response.
    pub status: u16,
    /// Code and reason of a refusal, without values.
    pub refusal: Option<String>,
}

/// The endpoint.
pub(in crate::sandbox) struct AnyAction {
    cloud: Cloud,
    seen: Mutex<Seen>,
    observer: Option<Sighted>,
}

/// A request that was read.
struct Taken {
    head: Parts,
    body: Bytes,
    now: Timestamp,
}

/// The operation and the reading of a request that is accepted, or why it is refused and what was read of it.
struct Judged {
    reading: Option<Reading>,
    outcome: Result<Action, Refused>,
}

impl AnyAction {
    /// `None` if two keys have the same id.
    pub(in crate::sandbox) fn new(cloud: Cloud, observer: Option<Sighted>) -> Option<Self> {
        let mut ids: Vec<_> = cloud.keys.iter().map(|key| key.id().as_str()).collect();
        ids.sort_unstable();
        let twice = ids.windows(2).any(|pair| pair.first() == pair.last());
        (!twice).then(|| Self { cloud, seen: Mutex::default(), observer })
    }

    fn now(&self) -> Timestamp {
        let now = clock::now();
        now.checked_add(self.cloud.clock_offset).unwrap_or(now)
    }

    fn judge(&self, taken: &Taken) -> Judged {
        let Taken { head, body, now } = taken;
        let fields: Vec<_> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let host = head.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let received = Received { host, path, query, fields: &fields, body };
        match self.cloud.verifier.read(&received) {
            Err(problem) => Judged { reading: None, outcome: Err(Refused::Signature(problem)) },
            Ok(reading) => {
                // servers also check who calls before what is called
                let outcome = self
                    .authenticate(&reading, *now)
                    .map_err(Refused::Signature)
                    .and_then(|()| self.operation(&reading).map_err(|error| Refused::Request(error.into())));
                Judged { reading: Some(reading), outcome }
            }
        }
    }

    fn authenticate(&self, reading: &Reading, now: Timestamp) -> Result<(), Problem> {
        let key = self.cloud.keys.iter().find(|key| key.id().as_str() == reading.key_id);
        let key = key.filter(|key| !key.is_expired(now)).ok_or(Problem::UnknownKey)?;
        if let Some(problem) = reading.problems(key, now).into_iter().next() {
            return Err(problem);
        }
        let Some(once) = &reading.once else { return Ok(()) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_first(once.clone(), now) { Ok(()) } else { Err(Problem::Replayed(once.name)) }
    }

    fn operation(&self, reading: &Reading) -> Result<Action, FormError> {
        let name = self.cloud.verifier.dialect().vocabulary().operation;
        let value = parameter(reading, name).filter(|value| !value.is_empty());
        let action = Action::parse(value.ok_or(FormError::MissingAction(name))?);
        action.filter(can_name_a_response).ok_or(FormError::InvalidAction(name))
    }

    /// The status, the document, and whether the connection can go on.
    fn answer(&self, judged: &Judged, host: &str, request_id: &str) -> (u16, Document) {
        let (shape, vocabulary) = (self.cloud.shape, self.cloud.verifier.dialect().vocabulary());
        let reading = judged.reading.as_ref();
        let chosen = shape.choice().zip(reading).is_some_and(|((name, json), reading)| {
            parameter(reading, name).is_some_and(|value| value.eq_ignore_ascii_case(json))
        });
        let named = reading.and_then(|reading| self.operation(reading).ok());
        let frame = Frame {
            shape,
            operation: named.as_ref().map(Action::as_str),
            format: if chosen { Format::Json } else { Format::Xml },
            host,
            request_id,
        };
        match &judged.outcome {
            Ok(_) => {
                let parameters = reading.map(|reading| echoed(&reading.parameters, vocabulary));
                (200, frame.echo(&parameters.unwrap_or_default()))
            }
            Err(refused) => {
                let words = words(shape, refused, reading);
                (words.status, frame.refusal(&words))
            }
        }
    }

    fn observe(&self, judged: &Judged, time: Timestamp, status: u16) {
        let Some(observer) = &self.observer else { return };
        let reading = judged.reading.as_ref();
        let refusal = judged.outcome.as_ref().err().map(|refused| {
            let code = words(self.cloud.shape, refused, reading).code;
            match refused {
                Refused::Request(refusal) => format!("{code}: {refusal}"),
                Refused::Signature(problem) => format!("{code}: {problem}"),
            }
        });
        let operation = self.cloud.verifier.dialect().vocabulary().operation;
        observer(&Sighting {
            time,
            operation: reading.and_then(|reading| parameter(reading, operation)).map(str::to_owned),
            key_id: reading.map(|reading| reading.key_id.clone()),
            status,
            refusal,
        });
    }
}

impl Respond for AnyAction {
    async fn respond_to(&self, request: Request<Incoming>) -> Result<Response<Paced>, Infallible> {
        let (head, body) = request.into_parts();
        let read = read_form(&head, body, LONGEST).await;
        let (now, id) = (self.now(), Uuid::new_v4().to_string());
        let host = head.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let judged = match read {
            Ok(body) => self.judge(&Taken { head, body, now }),
            Err(refusal) => Judged { reading: None, outcome: Err(Refused::Request(refusal)) },
        };
        let (status, document) = self.answer(&judged, &host, &id);
        self.observe(&judged, now, status);
        let mut response = response(status, document, now, &id);
        complete(response.headers_mut(), &judged);
        Ok(response)
    }
}

/// Says what else is to be known of a request that is no form.
fn complete(headers: &mut HeaderMap, judged: &Judged) {
    let Err(Refused::Request(refusal)) = &judged.outcome else { return };
    if *refusal == Refusal::Method {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    // the rest of the request may still arrive, so the connection cannot be used again
    if refusal.class().persistence == Persistence::Close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

fn response(status: u16, (text, media_type): Document, now: Timestamp, request_id: &str) -> Response<Paced> {
    let mut response = Response::new(Paced::whole(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default();
    for (name, value) in [(DATE, date.as_str()), (HeaderName::from_static("x-amzn-requestid"), request_id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn parameter<'a>(reading: &'a Reading, name: &str) -> Option<&'a str> {
    reading.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

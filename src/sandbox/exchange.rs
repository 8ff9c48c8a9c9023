//! One request and its response: reads the form, verifies it, carries it out, and tells the observer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use uuid::Uuid;

use super::call::Call;
use super::jobs::Jobs;
use super::keyring::Keyring;
use super::observation::{Observation, Observer, Verification};
use super::operation::Operation;
use super::operations::{self, Caller};
use super::pacing::Paced;
use super::reception::{Respond, read_form};
use super::refusal::Refusal;
use super::xml::{self, Elements};
use crate::clock;
use crate::http1::Persistence;
use crate::query::{Action, FormError, FormLimits, Parameters};
use crate::signing::SigningTarget;

/// What all requests share: keys, jobs, and who observes.
pub(super) struct Endpoint {
    keyring: Keyring,
    /// By access key ID. Only IDs of the keyring get in, so the map is bounded.
    accounts: Mutex<HashMap<String, Jobs>>,
    pause: Option<Duration>,
    observer: Option<Observer>,
}

/// A request that was read.
struct Received {
    target: SigningTarget,
    query: Option<String>,
    body: Bytes,
}

/// What came of a form: the operation, and the contents of its response.
type Outcome = Result<(Operation, Elements), Refusal>;

/// The longest form, in MiB.
const LONGEST: usize = 1;

impl Endpoint {
    /// An endpoint without jobs.
    #[must_use]
    pub(super) fn new(keyring: Keyring, pause: Option<Duration>, observer: Option<Observer>) -> Self {
        Self { keyring, accounts: Mutex::new(HashMap::new()), pause, observer }
    }

    /// Everything between reading a request and responding; `seed` is random.
    fn judge(&self, received: &Received, now: Timestamp, seed: u128) -> (Verification, Outcome) {
        let parameters = match Parameters::parse(&received.body, FormLimits::DEFAULT) {
            Ok(parameters) => parameters,
            Err(error) => return (Verification::NotReached, Err(error.into())),
        };
        // AWS also checks who calls before what is called
        let key = match self.keyring.verify(&parameters, &received.target, now) {
            Ok(key) => key,
            Err(error) => return (Verification::Refused(error.clone()), Err(error.into())),
        };
        let outcome = operation(&parameters, received.query.as_deref()).and_then(|operation| {
            let call = Call::new(&parameters)?;
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            let jobs = accounts.entry(key.id().as_str().to_owned()).or_default();
            let elements = operations::perform(operation, &call, &mut Caller { key, jobs, now, seed })?;
            Ok((operation, elements))
        });
        (Verification::Verified, outcome)
    }

    fn observe(
        &self,
        received: Received,
        time: Timestamp,
        verification: Verification,
        outcome: &Outcome,
        request_id: &str,
    ) {
        let Some(observer) = &self.observer else { return };
        let SigningTarget { host, path } = received.target;
        let most = FormLimits::DEFAULT.max_parameters();
        observer(&Observation {
            time,
            host,
            path,
            parameters: form_urlencoded::parse(&received.body).into_owned().take(most).collect(),
            verification,
            refusal: outcome.as_ref().err().cloned(),
            request_id: request_id.to_owned(),
        });
    }

    fn response(&self, outcome: Outcome, request_id: &str) -> Response<Paced> {
        let mut response = match outcome {
            Ok((operation, elements)) => {
                let document = elements.into_document(operation, request_id);
                Response::new(match operation {
                    // the two whose responses are long, as they have the signature file and the manifest
                    Operation::CreateJob | Operation::GetStatus => Paced::in_pieces(document, self.pause),
                    Operation::UpdateJob | Operation::CancelJob | Operation::ListJobs | Operation::GetShippingLabel => {
                        Paced::whole(document)
                    }
                })
            }
            Err(refusal) => refuse(&refusal, request_id),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(xml::CONTENT_TYPE));
        if let Ok(request_id) = HeaderValue::from_str(request_id) {
            headers.insert(HeaderName::from_static("x-amzn-requestid"), request_id);
        }
        response
    }
}

impl Respond for Endpoint {
    async fn respond_to(&self, request: Request<Incoming>) -> Result<Response<Paced>, Infallible> {
        let (head, body) = request.into_parts();
        let read = read_form(&head, body, LONGEST).await;
        let received = Received {
            target: target(&head),
            query: head.uri.query().map(str::to_owned),
            body: read.as_ref().cloned().unwrap_or_default(),
        };
        let (now, id) = (clock::now(), Uuid::new_v4());
        let (verification, outcome) = match read {
            Ok(_) => self.judge(&received, now, id.as_u128()),
            Err(refusal) => (Verification::NotReached, Err(refusal)),
        };
        let request_id = id.to_string();
        self.observe(received, now, verification, &outcome, &request_id);
        Ok(self.response(outcome, &request_id))
    }
}

fn refuse(refusal: &Refusal, request_id: &str) -> Response<Paced> {
    let mut response = Response::new(Paced::whole(xml::refusal_document(refusal, request_id)));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    if *refusal == Refusal::Method {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    // the rest of the request may still arrive, so the connection cannot be used again
    if refusal.class().persistence == Persistence::Close {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Host and path as received; the host in lower case, as it was signed.
fn target(head: &Parts) -> SigningTarget {
    let host = head.headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    SigningTarget { host: host.to_ascii_lowercase(), path: head.uri.path().to_owned() }
}

/// The operation that Action names.
fn operation(parameters: &Parameters<'_>, query: Option<&str>) -> Result<Operation, Refusal> {
    let action = action(parameters)?;
    let operation = operations::named(&action)?;
    check_query(query, &action)?;
    Ok(operation)
}

fn action(parameters: &Parameters<'_>) -> Result<Action, FormError> {
    let name = parameters.get("Action").filter(|name| !name.is_empty()).ok_or(FormError::MissingAction("Action"))?;
    Action::parse(name).ok_or(FormError::InvalidAction("Action"))
}

/// In the SDKs' model of Import/Export every request line ends in `?Operation=` and the Action, and some SDKs send it.
/// Signature Version 2 does not cover it in a POST, so it may say nothing else.
fn check_query(query: Option<&str>, action: &Action) -> Result<(), Refusal> {
    match query {
        None | Some("") => Ok(()),
        Some(query) if query.strip_prefix("Operation=") == Some(action.as_str()) => Ok(()),
        Some(_) => Err(Refusal::QueryString),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(body: &str, query: Option<&str>) -> Result<Operation, &'static str> {
        let parameters = Parameters::parse(body.as_bytes(), FormLimits::DEFAULT).unwrap();
        operation(&parameters, query).map_err(|refusal| refusal.code())
    }

    #[test]
    fn the_query_string_may_only_repeat_the_action() {
        assert_eq!(named("Action=GetStatus", None), Ok(Operation::GetStatus));
        assert_eq!(named("Action=GetStatus", Some("Operation=GetStatus")), Ok(Operation::GetStatus));
        for query in ["Operation=CancelJob", "Operation=GetStatus&JobId=A", "Action=GetStatus"] {
            assert_eq!(named("Action=GetStatus", Some(query)), Err("InvalidQueryParameter"), "{query}");
        }
    }

    #[test]
    fn a_missing_an_impossible_and_an_unknown_action_are_told_apart() {
        assert_eq!(named("", None), Err("MissingAction"));
        assert_eq!(named("Action=", None), Err("MissingAction"));
        assert_eq!(named("Action=Get%20Status", None), Err("InvalidAction"));
        assert_eq!(named("Action=LaunchRocket", None), Err("InvalidAction"));
    }
}

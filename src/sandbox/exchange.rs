//! One request and its response: reads the form, verifies it, carries it out, and tells the observer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::time::timeout;
use uuid::Uuid;

use super::behaviour::Behaviour;
use super::call::Call;
use super::echo;
use super::jobs::Jobs;
use super::keyring::Keyring;
use super::limits::BODY_TIMEOUT;
use super::observation::{Observation, Observer, Verification};
use super::operation::Operation;
use super::operations::{self, Caller};
use super::pacing::Paced;
use super::refusal::Refusal;
use super::xml::{self, Elements};
use crate::clock;
use crate::http1::Persistence;
use crate::query::{Action, FormError, Parameters};
use crate::signing::SigningTarget;

const FORM: &str = "application/x-www-form-urlencoded";

/// What all requests share: keys, jobs, and who observes.
pub(super) struct Endpoint {
    behaviour: Behaviour,
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

/// What came of a form whose signature is valid.
enum Performed {
    Operation(Operation, Elements),
    Echoed(Action, Elements),
}

type Outcome = Result<Performed, Refusal>;

impl Endpoint {
    /// An endpoint without jobs.
    #[must_use]
    pub(super) fn new(
        behaviour: Behaviour,
        keyring: Keyring,
        pause: Option<Duration>,
        observer: Option<Observer>,
    ) -> Self {
        Self { behaviour, keyring, accounts: Mutex::new(HashMap::new()), pause, observer }
    }

    /// Responds to a request; refusals are responses too.
    ///
    /// # Errors
    /// None.
    pub(super) async fn respond_to(&self, request: Request<Incoming>) -> Result<Response<Paced>, Infallible> {
        let (head, body) = request.into_parts();
        let read = read(&head, body, self.behaviour).await;
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

    /// Everything between reading a request and responding; `seed` is random.
    fn judge(&self, received: &Received, now: Timestamp, seed: u128) -> (Verification, Outcome) {
        let parameters = match Parameters::parse(&received.body, self.behaviour.form_limits()) {
            Ok(parameters) => parameters,
            Err(error) => return (Verification::NotReached, Err(error.into())),
        };
        // AWS also checks who calls before what is called
        let key = match self.keyring.verify(&parameters, &received.target, now) {
            Ok(key) => key,
            Err(error) => return (Verification::Refused(error.clone()), Err(error.into())),
        };
        let query = received.query.as_deref();
        let outcome = match self.behaviour {
            Behaviour::AnyAction => echoed(&parameters, query),
            Behaviour::ImportExport => operation(&parameters, query).and_then(|operation| {
                let call = Call::new(&parameters)?;
                let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
                let jobs = accounts.entry(key.id().as_str().to_owned()).or_default();
                let elements = operations::perform(operation, &call, &mut Caller { key, jobs, now, seed })?;
                Ok(Performed::Operation(operation, elements))
            }),
        };
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
        let most = self.behaviour.form_limits().max_parameters();
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
            Ok(Performed::Echoed(action, elements)) => {
                let document = elements.into_named_document(action.as_str(), echo::NAMESPACE, request_id);
                Response::new(Paced::whole(document))
            }
            Ok(Performed::Operation(operation, elements)) => {
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

async fn read(head: &Parts, body: Incoming, behaviour: Behaviour) -> Result<Bytes, Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(FORM) {
        return Err(Refusal::MediaType);
    }
    match timeout(BODY_TIMEOUT, Limited::new(body, behaviour.body_limit()).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::TooLarge { limit_in_mib: behaviour.body_limit_in_mib() })
        }
        Ok(Err(_)) => Err(Refusal::BrokenBody),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// The operation that Action names.
fn operation(parameters: &Parameters<'_>, query: Option<&str>) -> Result<Operation, Refusal> {
    let action = action(parameters)?;
    let operation = operations::named(&action)?;
    check_query(query, &action)?;
    Ok(operation)
}

fn echoed(parameters: &Parameters<'_>, query: Option<&str>) -> Outcome {
    let action = action(parameters)?;
    if !echo::can_name_a_response(&action) {
        return Err(FormError::InvalidAction("Action").into());
    }
    check_query(query, &action)?;
    Ok(Performed::Echoed(action, echo::elements(parameters)))
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
        let parameters = Parameters::parse(body.as_bytes(), Behaviour::ImportExport.form_limits()).unwrap();
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

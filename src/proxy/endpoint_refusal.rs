//! What an endpoint's refusal means for a signed request: its timestamp, so that signing anew helps, or another fault
//! of the signature.

use std::time::Duration;

use tokio::time::timeout;

use super::attempt::Attempt;
use super::route::Route;
use crate::authorize::Authorized;
use crate::query::EndpointError;
use crate::signing::diagnose::{RefusalClass, classify};
use crate::signing::skew::TimeRefusal;
use crate::signing::{RequestTimestamp, prepare};
use crate::telemetry::ExchangeRecord;
use crate::upstream::Sent;

/// The longest response body, in bytes, that is held back to be read. Error documents have a few hundred bytes, and
/// one that repeats the string to sign is little longer than the form.
const LONGEST: usize = 64 * 1024;

/// How long a response is held back. One that arrives more slowly is passed on as it arrives.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Reads the error document of a response that blames the request (4xx), if the document is short. The client still
/// gets all of it.
pub(super) async fn read_error(sent: &mut Sent) -> Option<EndpointError> {
    if !sent.status.is_client_error() {
        return None;
    }
    let document = Box::pin(timeout(LONGEST_WAIT, sent.body.read_ahead(LONGEST))).await.ok()??;
    EndpointError::read(&document)
}

/// Whether a request was refused for the timestamp it was signed with, and would be accepted with the endpoint's
/// time. Such a request was not carried out: endpoints check the timestamp before they look at the Action.
pub(super) fn is_for_the_timestamp(route: &Route, attempt: &Attempt, error: &EndpointError) -> bool {
    TimeRefusal::of(&error.code)
        .is_some_and(|refusal| route.clock.explains(refusal, attempt.sent.for_skew(), attempt.signing_time))
}

/// Logs and counts why a signature was refused. Neither log nor metric shows a parameter's value.
pub(super) fn diagnose(
    route: &Route,
    allowed: &Authorized<'_>,
    attempt: &Attempt,
    error: &EndpointError,
    record: &ExchangeRecord,
) {
    let blames_the_time = TimeRefusal::of(&error.code) == Some(TimeRefusal::Certain);
    if !blames_the_time && !RefusalClass::is_meant_by(&error.code) {
        return;
    }
    let is_far_off = || route.clock.is_far_from(attempt.sent.for_skew(), attempt.signing_time);
    let (cause, differences) = if blames_the_time || is_far_off() {
        (RefusalClass::Clock, Vec::new())
    } else {
        // the same key and time give the same string to sign again
        let timestamp = RequestTimestamp::at(attempt.signing_time);
        let unsealed = prepare(allowed, &attempt.key, route.upstream.target(), route.profile, &timestamp);
        classify(&String::from_utf8_lossy(unsealed.string_to_sign()), error)
    };
    route.metrics.count_refusal(cause.as_str());
    let differs: Vec<String> = differences.iter().map(ToString::to_string).collect();
    tracing::warn!(
        target: "countersign::signature",
        route = &*route.name,
        request_id = %record.request_id,
        key_id = attempt.key.id().as_str(),
        cause = cause.as_str(),
        endpoint_has = (!differs.is_empty()).then(|| differs.join("; ")),
        "the endpoint refuses the signature: {}",
        cause.remedy()
    );
}

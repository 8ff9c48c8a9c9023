//! A second look at an endpoint's refusal: was it the time, so that signing anew helps, or what is wrong with the signature?

use std::time::Duration;

use tokio::time::timeout;

use super::deliver::Stamp;
use super::route::Route;
use crate::authorize::Authorized;
use crate::query::EndpointError;
use crate::signing::diagnose::{Refusal, refusal};
use crate::signing::skew::TimeRefusal;
use crate::signing::{RequestTimestamp, prepare};
use crate::telemetry::ExchangeRecord;
use crate::upstream::Sent;

/// The longest answer that is held back to be looked at, in bytes. Error documents have some hundred, and one that repeats the
/// string to sign is little longer than the form.
const LONGEST: usize = 64 * 1024;

/// How long an answer is held back. One that comes more slowly is passed on as it comes.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The error document of an answer, if it blames the request (4xx) and is short. The client gets all of it nonetheless.
pub(super) async fn read(sent: &mut Sent) -> Option<EndpointError> {
    if !sent.status.is_client_error() {
        return None;
    }
    let document = Box::pin(timeout(LONGEST_WAIT, sent.body.read_ahead(LONGEST))).await.ok()??;
    EndpointError::read(&document)
}

/// Whether a request was refused because of the time it was signed with, and would be accepted with the endpoint's. Such a
/// request was not carried out: its time is looked at before its Action is.
pub(super) fn for_its_time(route: &Route, stamp: &Stamp, error: &EndpointError) -> bool {
    TimeRefusal::of(&error.code)
        .is_some_and(|refusal| route.clock.explains(refusal, stamp.sent.reading(), stamp.signed))
}

/// Says in log and metrics what is wrong with a signature that was refused. Neither has a value of a parameter.
pub(super) fn name_cause(
    route: &Route,
    allowed: &Authorized<'_>,
    stamp: &Stamp,
    error: &EndpointError,
    record: &ExchangeRecord,
) {
    let says_so = TimeRefusal::of(&error.code) == Some(TimeRefusal::Certain);
    if !says_so && !Refusal::is_meant_by(&error.code) {
        return;
    }
    let (cause, differences) = if says_so || route.clock.is_far_from(stamp.sent.reading(), stamp.signed) {
        (Refusal::Clock, Vec::new())
    } else {
        // the same key and time give the same string again
        let timestamp = RequestTimestamp::at(stamp.signed);
        let unsealed = prepare(allowed, &stamp.key, &route.target, route.profile, &timestamp);
        refusal(&String::from_utf8_lossy(unsealed.string_to_sign()), error)
    };
    route.metrics.count_refusal(cause.as_str());
    let differs: Vec<String> = differences.iter().map(ToString::to_string).collect();
    tracing::warn!(
        target: "countersign::signature",
        route = &*route.name,
        request_id = %record.request_id,
        key_id = stamp.key.id().as_str(),
        cause = cause.as_str(),
        endpoint_has = (!differs.is_empty()).then(|| differs.join("; ")),
        "the endpoint refuses the signature: {}",
        cause.remedy()
    );
}

//! What an endpoint's refusal means for a signed request: its timestamp, so that signing anew helps, or another fault
//! of the signature. Endpoints repeat in it what was signed: the session token is blanked before it is passed on.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use tokio::time::timeout;

use super::attempt::Attempt;
use super::route::Route;
use crate::authorize::Authorized;
use crate::credentials::{ActiveKey, SessionToken};
use crate::http1::same_name;
use crate::query::{EndpointError, blanked};
use crate::signing::diagnose::{RefusalClass, classify};
use crate::signing::skew::TimeRefusal;
use crate::signing::{Complaint, Dialect, prepare};
use crate::telemetry::ExchangeRecord;
use crate::upstream::{Repetition, SendError, Sent};

/// The longest response body, in bytes, that is held back to be read. Error documents have a few hundred bytes, and
/// one that repeats the string to sign is little longer than the form.
const LONGEST: usize = 64 * 1024;

/// How long a response is held back. One that arrives more slowly is passed on as it arrives.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The longest body, in bytes, that is searched for the session token. A longer one is not passed on.
const LONGEST_SEARCHED: usize = 256 * 1024;

/// How long a response to be searched may take. One that arrives more slowly is not passed on.
const LONGEST_SEARCHED_WAIT: Duration = Duration::from_secs(10);

/// The longest success, in bytes, that is read where endpoints refuse with status 200. Refusals have a few hundred. One
/// whose length is not announced is not read either: every other success is passed on as it arrives.
const LONGEST_IN_SUCCESS: u64 = 4 * 1024;

/// Fields with checksums, which are wrong once the body has been changed.
const CHECKSUMS: [&str; 5] = ["content-digest", "content-md5", "digest", "etag", "repr-digest"];

/// A response that is not a success, as far as it had to be read.
pub(super) struct Refusal {
    /// What was read ahead, if all of it was. The client still gets all of it.
    document: Option<Bytes>,
    /// The error in it, if it blames the request: with a status of 4xx, or with 200 where the dialect has it so.
    pub(super) error: Option<EndpointError>,
}

/// Why a refused request is signed anew and sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anew {
    /// For the time it was signed with: it would be accepted with the endpoint's.
    Time,
    /// For its nonce.
    Nonce,
}

impl Refusal {
    /// Reads the error document of a response that blames the request, if the document is short. If `key` is temporary,
    /// every response that is not a success is read: redirects and pages of a failed server repeat requests too.
    ///
    /// # Errors
    /// [`SendError::Withheld`]: the response must not be passed on, since it may repeat the session token.
    pub(super) async fn read(sent: &mut Sent, key: &ActiveKey, dialect: Dialect) -> Result<Self, SendError> {
        let shape = dialect.errors();
        let is_success = sent.status.is_success();
        let may_blame_the_request = sent.status.is_client_error() || is_success;
        let document = match key.session_token() {
            _ if is_success && shape.is_answered_with_200() => read_in_success(sent).await,
            _ if is_success => None,
            Some(_) => Some(read_to_search(sent).await?),
            None if may_blame_the_request => {
                Box::pin(timeout(LONGEST_WAIT, sent.body.read_ahead(LONGEST))).await.ok().flatten()
            }
            None => None,
        };
        let read = document.as_deref().filter(|_| may_blame_the_request);
        let error = read.and_then(|document| EndpointError::read_in(shape, document));
        Ok(Self { document: document.filter(|_| !is_success || error.is_some()), error })
    }

    /// Blanks the session token of `key` in the response's fields and body.
    pub(super) fn blank_token(self, sent: &mut Sent, key: &ActiveKey) {
        let Some(token) = key.session_token().map(SessionToken::expose_secret) else { return };
        if sent.status.is_success() && self.error.is_none() {
            return;
        }
        sent.fields.replace_values(|value| blanked(value, token));
        if let Some(document) = self.document.and_then(|document| blanked(&document, token)) {
            sent.body.replace(document.into());
            sent.fields.retain(|name| !CHECKSUMS.iter().any(|checksum| same_name(name, checksum)));
        }
    }
}

/// Reads a response that may repeat the session token.
async fn read_to_search(sent: &mut Sent) -> Result<Bytes, SendError> {
    let status = sent.status.as_u16();
    let withheld = |why| SendError::Withheld { status, why };
    let read = Box::pin(timeout(LONGEST_SEARCHED_WAIT, sent.body.read_ahead(LONGEST_SEARCHED))).await;
    let document = read.map_err(|_elapsed| withheld("took longer than 10 seconds"))?;
    let document = document.ok_or_else(|| withheld("is longer than 256 KiB, or broke off"))?;
    let is_encoded = sent.fields.all("content-encoding").any(|coding| !same_name(coding, "identity"));
    // UTF-16, or a coding that no field names
    let is_binary = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    if !document.is_empty() && is_encoded {
        Err(withheld("is compressed"))
    } else if document.iter().any(is_binary) {
        Err(withheld("is not text"))
    } else {
        Ok(document)
    }
}

/// Reads a success that may be a refusal.
async fn read_in_success(sent: &mut Sent) -> Option<Bytes> {
    let is_short = sent.body.size_hint().exact().is_some_and(|length| length <= LONGEST_IN_SUCCESS);
    if !is_short {
        return None;
    }
    Box::pin(timeout(LONGEST_WAIT, sent.body.read_ahead(LONGEST))).await.ok().flatten()
}

/// Whether a refused request is to be signed anew and sent once more. For its time: if it would be accepted with the
/// endpoint's. Such a request was not carried out: endpoints check the time before they look at the Action. For its
/// nonce: if its Action is safe to repeat. Nonces are random, so that one which was used before means that a copy of
/// the request came to the endpoint, and that one may have been carried out.
pub(super) fn signed_anew(
    route: &Route,
    attempt: &Attempt<'_>,
    error: &EndpointError,
    repetition: Repetition,
) -> Option<Anew> {
    let complaint = route.signing_dialect().complaint(error)?;
    if complaint == Complaint::Nonce {
        return (repetition == Repetition::Safe).then_some(Anew::Nonce);
    }
    let refusal = TimeRefusal::of(complaint)?;
    attempt.endpoint.clock.explains(refusal, attempt.sent.for_skew(), attempt.signing_time).then_some(Anew::Time)
}

/// Logs and counts why a signature was refused. Neither log nor metric shows a parameter's value.
pub(super) fn diagnose(
    route: &Route,
    allowed: &Authorized<'_>,
    attempt: &Attempt<'_>,
    error: &EndpointError,
    record: &ExchangeRecord,
) {
    let Some(complaint) = route.signing_dialect().complaint(error) else { return };
    let is_far_off = || attempt.endpoint.clock.is_far_from(attempt.sent.for_skew(), attempt.signing_time);
    let (cause, differences) = match complaint {
        Complaint::Time => (RefusalClass::Clock, Vec::new()),
        Complaint::Signature if is_far_off() => (RefusalClass::Clock, Vec::new()),
        Complaint::Signature => {
            // the same key and stamp give the same string to sign again
            let Attempt { endpoint, key, stamp, .. } = attempt;
            let unsealed = prepare(allowed, key, endpoint.upstream.target(), &endpoint.profile, stamp);
            let signed = unsealed.canonical_request().unwrap_or_else(|| unsealed.string_to_sign());
            classify(&String::from_utf8_lossy(signed), error)
        }
        Complaint::Key => (RefusalClass::KeyId, Vec::new()),
        Complaint::Nonce => (RefusalClass::Nonce, Vec::new()),
    };
    route.metrics.count_refusal(cause.as_str());
    record.note_refused_signature(cause.as_str(), cause.remedy());
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

//! The last stretch of the street: connect, sign, send, and again with a new signature where that is safe.

use std::ops::ControlFlow;

use http::HeaderMap;
use tokio::time::Instant;

use super::fault::{ExchangeError, UpstreamError};
use super::route::Route;
use crate::authorize::Authorized;
use crate::clock;
use crate::query::Action;
use crate::signing::{RequestTimestamp, SignedRequest, prepare};
use crate::telemetry::ExchangeRecord;
use crate::upstream::{Repetition, Sent};

/// Brings an allowed form to the endpoint of `route`, and returns when the head of the answer is here.
///
/// # Errors
/// What keeps the key from signing, when nothing was sent; [`ExchangeError::Upstream`] for all that happens on the endpoint's
/// side.
pub(super) async fn deliver(
    route: &Route,
    allowed: &Authorized<'_>,
    forwarded: &HeaderMap,
    record: &mut ExchangeRecord,
) -> Result<Sent, ExchangeError> {
    let repetition = repetition(route, allowed.form().action());
    let unanswered = |source| ExchangeError::Upstream(UpstreamError { source, repetition });
    // nothing is connected for a key that cannot sign
    route.key.current(clock::now())?;
    let mut attempts = route.upstream.call(repetition);
    loop {
        let connection = attempts.connection().await.map_err(unanswered)?;
        let signed = match sign(route, allowed, record).await {
            Ok(signed) => signed,
            Err(error) => return Err(attempts.doubt().map_or(error, unanswered)),
        };
        record.attempts = record.attempts.saturating_add(1);
        match attempts.send(connection, signed, forwarded).await.map_err(unanswered)? {
            ControlFlow::Break(sent) => {
                record.first_byte = Some(sent.answered_at.saturating_duration_since(sent.sent_at));
                return Ok(sent);
            }
            ControlFlow::Continue(()) => {}
        }
    }
}

/// Signs as of now, with the key that is current now: every attempt has a timestamp of its own.
async fn sign(
    route: &Route,
    allowed: &Authorized<'_>,
    record: &mut ExchangeRecord,
) -> Result<SignedRequest, ExchangeError> {
    let now = clock::now();
    let key = route.key.current(now)?;
    record.key_id = Some(key.id().as_str().to_owned());
    let began = Instant::now();
    let unsealed = prepare(allowed, &key, &route.target, route.profile, &RequestTimestamp::at(now));
    let mac = key.mac(unsealed.method(), unsealed.string_to_sign()).await?;
    let signed = unsealed.seal(&mac);
    record.sign = Some(began.elapsed());
    Ok(signed)
}

fn repetition(route: &Route, action: &Action) -> Repetition {
    if route.safe_to_repeat.iter().any(|pattern| pattern.matches(action)) {
        Repetition::Safe
    } else {
        Repetition::Unsafe
    }
}

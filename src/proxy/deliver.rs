//! The last stretch of the street: connect, sign, send, and again with a new signature where that is safe.

use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::fault::{ExchangeError, UpstreamError};
use super::moment::Moment;
use super::refused;
use super::route::Route;
use crate::authorize::Authorized;
use crate::credentials::ActiveKey;
use crate::fields::Fields;
use crate::query::Action;
use crate::signing::{RequestTimestamp, SignedRequest, prepare};
use crate::telemetry::ExchangeRecord;
use crate::upstream::{Repetition, Sent};

/// What an attempt was signed with.
pub(super) struct Stamp {
    /// The key.
    pub(super) key: Arc<ActiveKey>,
    /// The time in the request, by the clock that the route follows.
    pub(super) signed: Timestamp,
    /// When it was handed over to be sent.
    pub(super) sent: Moment,
}

/// Brings a form that was asked for at `asked` to the endpoint of `route`, and returns when the head of the answer is here. A form that
/// is refused for its time goes there once more.
///
/// # Errors
/// What keeps the key from signing, when nothing was sent; [`ExchangeError::Upstream`] for all that happens on the endpoint's
/// side.
pub(super) async fn deliver(
    route: &Route,
    allowed: &Authorized<'_>,
    forwarded: &Fields,
    asked: Moment,
    record: &mut ExchangeRecord,
) -> Result<Sent, ExchangeError> {
    // nothing is connected for a key that cannot sign
    route.key.check(route.clock.signing_time(asked.reading()))?;
    let (mut sent, mut stamp) = call(route, allowed, forwarded, asked, record).await?;
    let mut refusal = refused::read(&mut sent).await;
    if refusal.as_ref().is_some_and(|refusal| refused::for_its_time(route, &stamp, refusal)) {
        route.metrics.count_clock_repeat();
        // in a box: it is rare, and the first call has gone
        (sent, stamp) = Box::pin(call(route, allowed, forwarded, asked, record)).await?;
        refusal = refused::read(&mut sent).await;
    }
    if let Some(refusal) = refusal {
        refused::name_cause(route, allowed, &stamp, &refusal, record);
    }
    Ok(sent)
}

/// Attempts of one call, until one is answered.
async fn call(
    route: &Route,
    allowed: &Authorized<'_>,
    forwarded: &Fields,
    asked: Moment,
    record: &mut ExchangeRecord,
) -> Result<(Sent, Stamp), ExchangeError> {
    let repetition = repetition(route, allowed.form().action());
    let unanswered = |source| ExchangeError::Upstream(UpstreamError { source, repetition });
    let mut attempts = route.upstream.call(repetition);
    loop {
        let connection = attempts.connection().await.map_err(unanswered)?;
        let (request, stamp) = match sign(route, allowed, asked.later(connection.since()), record).await {
            Ok(signed) => signed,
            Err(error) => return Err(attempts.doubt().map_or(error, unanswered)),
        };
        record.attempts = record.attempts.saturating_add(1);
        match attempts.send(connection, request, forwarded, stamp.sent.instant).await.map_err(unanswered)? {
            ControlFlow::Break(sent) => {
                record.first_byte = Some(sent.answered_at.saturating_duration_since(stamp.sent.instant));
                route.clock.observe(stamp.sent.reading(), stamp.sent.later(sent.answered_at).reading(), &sent.fields);
                return Ok((sent, stamp));
            }
            ControlFlow::Continue(()) => {}
        }
    }
}

/// Signs as of `now`, with the key that is current now: every attempt has a timestamp of its own.
async fn sign(
    route: &Route,
    allowed: &Authorized<'_>,
    now: Moment,
    record: &mut ExchangeRecord,
) -> Result<(SignedRequest, Stamp), ExchangeError> {
    let signed = route.clock.signing_time(now.reading());
    let key = route.key.current(signed)?;
    record.key_id = Some(key.id().as_str().into());
    let unsealed = prepare(allowed, &key, &route.target, route.profile, &RequestTimestamp::at(signed));
    let mac = key.mac(unsealed.method(), unsealed.string_to_sign()).await?;
    let request = unsealed.seal(&mac);
    let sent = now.later(Instant::now());
    record.sign = Some(sent.instant.saturating_duration_since(now.instant));
    Ok((request, Stamp { key, signed, sent }))
}

fn repetition(route: &Route, action: &Action) -> Repetition {
    if route.safe_to_repeat.iter().any(|pattern| pattern.matches(action)) {
        Repetition::Safe
    } else {
        Repetition::Unsafe
    }
}

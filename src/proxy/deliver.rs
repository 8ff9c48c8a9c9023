//! The last steps of an exchange: connect, sign, send; and again with a new signature where a repetition is safe.

use std::ops::ControlFlow;

use super::attempt::{Attempt, sign};
use super::clock_reading::ClockReading;
use super::endpoint_refusal::{self, Anew, Refusal};
use super::fault::{ExchangeError, UpstreamError};
use super::route::Route;
use super::traced_call::{TracedCall, note_connecting, note_unsigned};
use crate::authorize::{Authorized, is_safe_to_repeat};
use crate::http1::Fields;
use crate::query::Action;
use crate::telemetry::ExchangeRecord;
use crate::upstream::{Repetition, Sent};

/// Sends a form, which the client called `caller` asked for at `asked`, to the endpoint of `route`, and returns when
/// the response's head has arrived. A request that the endpoint refuses for its time or its nonce is sent once more.
///
/// # Errors
/// What keeps the key from signing, when nothing was sent; [`ExchangeError::Upstream`] for all that happens on the
/// endpoint's side.
pub(super) async fn deliver(
    route: &Route,
    allowed: &Authorized<'_>,
    caller: &str,
    forwarded: &Fields,
    asked: ClockReading,
    record: &mut ExchangeRecord,
) -> Result<Sent, ExchangeError> {
    // no connection is made for a key that cannot sign
    route.key.check(route.clock.signing_time(asked.for_skew()))?;
    let (mut sent, mut attempt) = call(route, allowed, caller, forwarded, asked, record).await?;
    let (dialect, repetition) = (route.profile.dialect(), repetition(route, allowed.form().action()));
    let withheld = |source| ExchangeError::Upstream(UpstreamError { source, repetition });
    let mut refusal = Refusal::read(&mut sent, &attempt.key, dialect).await.map_err(withheld)?;
    let anew = |error| endpoint_refusal::signed_anew(route, &attempt, error, repetition);
    if let Some(why) = refusal.error.as_ref().and_then(anew) {
        if why == Anew::Time {
            route.metrics.count_clock_repeat();
        }
        // boxed: it is rare, and would otherwise double the size of the exchange's future
        (sent, attempt) = Box::pin(call(route, allowed, caller, forwarded, asked, record)).await?;
        refusal = Refusal::read(&mut sent, &attempt.key, dialect).await.map_err(withheld)?;
    }
    if let Some(error) = &refusal.error {
        endpoint_refusal::diagnose(route, allowed, &attempt, error, record);
    }
    refusal.blank_token(&mut sent, &attempt.key);
    Ok(sent)
}

/// Makes attempts until the endpoint responds to one.
async fn call(
    route: &Route,
    allowed: &Authorized<'_>,
    caller: &str,
    forwarded: &Fields,
    asked: ClockReading,
    record: &mut ExchangeRecord,
) -> Result<(Sent, Attempt), ExchangeError> {
    let repetition = repetition(route, allowed.form().action());
    let unanswered = |source| ExchangeError::Upstream(UpstreamError { source, repetition });
    let mut attempts = route.upstream.call(repetition, caller);
    loop {
        let connection = attempts.connection().await;
        let connecting = attempts.take_connecting();
        if let Some(time) = connecting {
            note_connecting(record, time, &connection);
        }
        let connection = connection.map_err(unanswered)?;
        match connecting {
            Some(_) => record.opened = record.opened.saturating_add(1),
            None => record.reused = record.reused.saturating_add(1),
        }
        let (request, attempt) = match sign(route, allowed, asked.later(connection.since()), record).await {
            Ok(signed) => signed,
            Err(error) => {
                note_unsigned(record, connection.since(), &error);
                return Err(attempts.doubt().map_or(error, unanswered));
            }
        };
        record.attempts = record.attempts.saturating_add(1);
        let (sent_at, sent_reading) = (attempt.sent.instant, attempt.sent.for_skew());
        let traced = TracedCall::begin(record, forwarded);
        let told = traced.as_ref().and_then(TracedCall::told).unwrap_or(forwarded);
        let sent = attempts.send(connection, request, told, sent_at).await;
        if let Some(traced) = traced {
            traced.end(record, sent_at, &sent);
        }
        match sent.map_err(unanswered)? {
            ControlFlow::Break(sent) => {
                record.first_byte = Some(sent.answered_at.saturating_duration_since(sent_at));
                let received = attempt.sent.later(sent.answered_at).for_skew();
                route.clock.observe(sent_reading, received, &sent.fields);
                return Ok((sent, attempt));
            }
            ControlFlow::Continue(_) => {}
        }
    }
}

fn repetition(route: &Route, action: &Action) -> Repetition {
    if is_safe_to_repeat(&route.safe_to_repeat, action, route.profile.dialect().vocabulary()) {
        Repetition::Safe
    } else {
        Repetition::Unsafe
    }
}

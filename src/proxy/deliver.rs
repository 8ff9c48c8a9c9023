//! The last steps of an exchange: connect, sign, send; and again with a new signature where a repetition is safe.

use std::ops::ControlFlow;

use super::attempt::{Attempt, sign};
use super::clock_reading::ClockReading;
use super::endpoint_refusal::{self, Anew, Refusal};
use super::fault::{ExchangeError, UpstreamError};
use super::route::Route;
use super::traced_call::{TracedCall, note_connecting, note_unsigned};
use super::worker_endpoint::WorkerEndpoint;
use crate::authorize::{Authorized, is_safe_to_repeat};
use crate::http1::Fields;
use crate::telemetry::ExchangeRecord;
use crate::upstream::{Repetition, Sent, WayOut};

/// Sends a form, which the client called `caller` asked for at `asked`, to an endpoint of `route`, and returns when the
/// response's head has arrived. A request that the endpoint refuses for its time or its nonce is sent to it once more.
///
/// # Errors
/// What keeps the key from signing, when nothing was sent; [`ExchangeError::Upstream`] for all that happens on the
/// endpoint's side.
pub(super) async fn deliver<'r>(
    route: &'r Route,
    allowed: &'r Authorized<'r>,
    caller: &'r str,
    forwarded: &'r Fields,
    asked: ClockReading,
    record: &mut ExchangeRecord,
) -> Result<Sent, ExchangeError> {
    // no connection is made for a key that cannot sign
    route.key.check(route.endpoint.clock.signing_time(asked.for_skew()))?;
    let order = Order { route, allowed, caller, forwarded, asked };
    let (mut sent, mut attempt) = order.call(record).await?;
    let (dialect, repetition) = (route.signing_dialect(), order.repetition());
    let withheld = |source| ExchangeError::Upstream(UpstreamError { source, repetition });
    let mut refusal = Refusal::read(&mut sent, &attempt.key, dialect).await.map_err(withheld)?;
    let anew = |error| endpoint_refusal::signed_anew(route, &attempt, error, repetition);
    if let Some(why) = refusal.error.as_ref().and_then(anew) {
        if why == Anew::Time {
            route.metrics.count_clock_repeat();
        }
        // boxed: it is rare, and would otherwise double the size of the exchange's future
        (sent, attempt) = Box::pin(order.call_at(attempt.endpoint, WayOut::None, record)).await?;
        refusal = Refusal::read(&mut sent, &attempt.key, dialect).await.map_err(withheld)?;
    }
    if let Some(error) = &refusal.error {
        endpoint_refusal::diagnose(route, allowed, &attempt, error, record);
    }
    refusal.blank_token(&mut sent, &attempt.key);
    Ok(sent)
}

/// A call that a client asked for, and that is to be made once.
struct Order<'r> {
    route: &'r Route,
    allowed: &'r Authorized<'r>,
    caller: &'r str,
    forwarded: &'r Fields,
    asked: ClockReading,
}

impl<'r> Order<'r> {
    /// Makes the call at the first endpoint that is not down. It goes to the next one only if nothing of it was sent
    /// to those before: no call comes to two endpoints.
    async fn call(&self, record: &mut ExchangeRecord) -> Result<(Sent, Attempt<'r>), ExchangeError> {
        let mut fallbacks = self.route.fallbacks.as_slice();
        let mut called = self.call_at(&self.route.endpoint, way_out(fallbacks), record).await;
        while let Some((next, others)) = fallbacks.split_first()
            && called.as_ref().is_err_and(leaves_call_to_others)
        {
            fallbacks = others;
            // boxed for the same reason as a repetition
            called = Box::pin(self.call_at(next, way_out(others), record)).await;
        }
        called
    }

    /// Makes attempts until `endpoint` responds to one.
    async fn call_at(
        &self,
        endpoint: &'r WorkerEndpoint,
        way_out: WayOut,
        record: &mut ExchangeRecord,
    ) -> Result<(Sent, Attempt<'r>), ExchangeError> {
        let repetition = self.repetition();
        let unanswered = |source| ExchangeError::Upstream(UpstreamError { source, repetition });
        record.endpoint = endpoint.which();
        let mut attempts = endpoint.upstream.call(repetition, self.caller, way_out);
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
            let now = self.asked.later(connection.since());
            let (request, attempt) = match sign(self.route, endpoint, self.allowed, now, record).await {
                Ok(signed) => signed,
                Err(error) => {
                    note_unsigned(record, connection.since(), &error);
                    return Err(attempts.doubt().map_or(error, unanswered));
                }
            };
            record.attempts = record.attempts.saturating_add(1);
            endpoint.count_sent();
            let (sent_at, sent_reading) = (attempt.sent.instant, attempt.sent.for_skew());
            let traced = TracedCall::begin(record, self.forwarded);
            let told = traced.as_ref().and_then(TracedCall::told).unwrap_or(self.forwarded);
            let sent = attempts.send(connection, request, told, sent_at).await;
            if let Some(traced) = traced {
                traced.end(record, sent_at, &sent);
            }
            match sent.map_err(unanswered)? {
                ControlFlow::Break(sent) => {
                    record.first_byte = Some(sent.answered_at.saturating_duration_since(sent_at));
                    let received = attempt.sent.later(sent.answered_at).for_skew();
                    endpoint.clock.observe(sent_reading, received, &sent.fields);
                    return Ok((sent, attempt));
                }
                ControlFlow::Continue(_) => {}
            }
        }
    }

    fn repetition(&self) -> Repetition {
        let names = self.route.signing_dialect().vocabulary();
        if is_safe_to_repeat(&self.route.safe_to_repeat, self.allowed.form().action(), names) {
            Repetition::Safe
        } else {
            Repetition::Unsafe
        }
    }
}

fn way_out(others: &[WorkerEndpoint]) -> WayOut {
    if others.is_empty() { WayOut::None } else { WayOut::OtherEndpoint }
}

fn leaves_call_to_others(error: &ExchangeError) -> bool {
    let ExchangeError::Upstream(UpstreamError { source, .. }) = error else { return false };
    source.leaves_call_to_others()
}

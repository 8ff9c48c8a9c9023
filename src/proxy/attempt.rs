//! One attempt to send a request, signed with the key and the time that are current when it is made.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::clock_reading::ClockReading;
use super::fault::ExchangeError;
use super::route::Route;
use super::traced_call::note_signing;
use crate::authorize::Authorized;
use crate::credentials::ActiveKey;
use crate::signing::{RequestTimestamp, SignedRequest, Stamp, prepare};
use crate::telemetry::ExchangeRecord;

/// What an attempt was signed with.
pub(super) struct Attempt {
    pub(super) key: Arc<ActiveKey>,
    /// The time in the request, by the clock that the route follows.
    pub(super) signing_time: Timestamp,
    /// That time, and what else no other request has.
    pub(super) stamp: Stamp,
    /// When the signed request was handed over to be sent.
    pub(super) sent: ClockReading,
}

/// Signs as of `now`, with the key that is current at that time: every attempt has a timestamp of its own.
///
/// # Errors
/// The key cannot be used, or its store did not sign. Nothing was sent.
pub(super) async fn sign(
    route: &Route,
    allowed: &Authorized<'_>,
    now: ClockReading,
    record: &mut ExchangeRecord,
) -> Result<(SignedRequest, Attempt), ExchangeError> {
    let signing_time = route.clock.signing_time(now.for_skew());
    let key = route.key.current(signing_time)?;
    record.key_id = Some(key.id().as_str().into());
    let stamp = route.profile.stamp(RequestTimestamp::at(signing_time), || Uuid::new_v4().into_bytes());
    let unsealed = prepare(allowed, &key, route.upstream.target(), &route.profile, &stamp);
    let mac = key.mac(unsealed.key(), unsealed.string_to_sign()).await?;
    let request = unsealed.seal(&mac);
    let sent = now.later(Instant::now());
    record.sign = Some(sent.instant.saturating_duration_since(now.instant));
    note_signing(record, now.instant, sent.instant);
    Ok((request, Attempt { key, signing_time, stamp, sent }))
}

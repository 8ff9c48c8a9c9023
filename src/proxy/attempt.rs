//! One attempt to send a request, signed with the key and the time that are current when it is made.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::clock_reading::ClockReading;
use super::fault::ExchangeError;
use super::route::Route;
use super::traced_call::note_signing;
use super::worker_endpoint::WorkerEndpoint;
use crate::authorize::Authorized;
use crate::credentials::ActiveKey;
use crate::signing::{RequestTimestamp, SignedRequest, Stamp, prepare};
use crate::telemetry::ExchangeRecord;

/// What an attempt was signed with, and for which endpoint.
pub(super) struct Attempt<'r> {
    pub(super) endpoint: &'r WorkerEndpoint,
    pub(super) key: Arc<ActiveKey>,
    /// The time in the request, by the clock that the route follows.
    pub(super) signing_time: Timestamp,
    /// That time, and what else no other request has.
    pub(super) stamp: Stamp,
    /// When the signed request was handed over to be sent.
    pub(super) sent: ClockReading,
}

/// Signs for `endpoint` as of `now`, with the key that is current at that time: every attempt has a timestamp of its
/// own.
///
/// # Errors
/// The key cannot be used, or its store did not sign. Nothing was sent.
pub(super) async fn sign<'r>(
    route: &Route,
    endpoint: &'r WorkerEndpoint,
    allowed: &Authorized<'_>,
    now: ClockReading,
    record: &mut ExchangeRecord,
) -> Result<(SignedRequest, Attempt<'r>), ExchangeError> {
    let signing_time = endpoint.clock.signing_time(now.for_skew());
    let key = route.key.current(signing_time)?;
    record.key_id = Some(key.id().as_str().into());
    let stamp = endpoint.profile.stamp(RequestTimestamp::at(signing_time), || Uuid::new_v4().into_bytes());
    let unsealed = prepare(allowed, &key, endpoint.upstream.target(), &endpoint.profile, &stamp);
    let mac = key.mac(unsealed.key(), unsealed.string_to_sign()).await?;
    let request = unsealed.seal(&mac);
    let sent = now.later(Instant::now());
    record.sign = Some(sent.instant.saturating_duration_since(now.instant));
    note_signing(record, now.instant, sent.instant);
    Ok((request, Attempt { endpoint, key, signing_time, stamp, sent }))
}

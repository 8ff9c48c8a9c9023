//! The order of the steps where clients see only routes of their own (`hide_routes`): first who calls, then which route
//! the call is for.
//!
//! To a client that may call nothing on a route, every response must be that of a configuration without the route.
//! Before the client is known, nothing is therefore said that depends on one route: no dialect, no method, no size. Who
//! signs with an issued key is known when the form is read; it is read within the largest limits of all routes, of the
//! share of strangers. The route is then chosen among those that the client sees, as if there were no others.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use super::clock_reading::ClockReading;
use super::exchange::{Proxy, Received, held};
use super::fault::ExchangeError;
use super::head::{self, AdmittedForm, HeadError, RequestTarget};
use super::identification::{Identification, Identified, Sender};
use super::noted::{note_client, note_route};
use super::reception;
use super::refused_client::RefusedSignature;
use super::route::Route;
use crate::authorize::ClientIdentity;
use crate::downstream::server::ExchangeGuard;
use crate::downstream::{BodyError, BodyLimits, ByteBudget, Held, PeerEvidence, Place, RequestBody, RequestHead, body};
use crate::faults;
use crate::query::{Charset, FormPlace, Notation};
use crate::signing::client_signature::HeadClaim;
use crate::telemetry::ExchangeRecord;
use crate::upstream::Sent;

/// A request whose form is still to be read.
struct Asking<'h, 'p> {
    identification: Identification<'p>,
    head: &'h RequestHead,
    target: RequestTarget<'h>,
    exchange: &'h ExchangeGuard,
    now: ClockReading,
}

/// A form that has been read, of a client that sees the route.
struct Arrived<'p> {
    route: &'p Rc<Route>,
    identified: Identified<'p>,
    charset: Charset,
    bytes: Bytes,
    held: Held<'p>,
}

impl Proxy {
    /// As `Proxy::run`, with the client known before the route.
    pub(super) async fn run_client_first(
        &self,
        peer: &PeerEvidence,
        head: RequestHead,
        body: RequestBody,
        exchange: &ExchangeGuard,
        record: &mut ExchangeRecord,
        notation: &Cell<Option<Notation>>,
    ) -> Result<(Sent, Place), ExchangeError> {
        let target = head::target(&head)?;
        let now = ClockReading::at(record.started);
        let identification = self.identification(peer, now);
        record.check_audit()?;
        let asking = Asking { identification, head: &head, target, exchange, now };
        let arrived = match identification.begin(&head, claim(&asking)?)? {
            Sender::Known(client) => self.arrive_known(&asking, client, body, record).await?,
            sender @ (Sender::Claims(_) | Sender::Stranger) => {
                reception::note_known(&self.callers, peer, record);
                self.arrive_unproven(&asking, sender, body, record).await?
            }
        };
        // held until the request is sent: decoded and signed, it stays in memory that long
        let Arrived { route, identified: Identified { client, key_id }, charset, bytes, held: _held } = arrived;
        notation.set(Some(route.dialect.notation_asked_by(&bytes)));
        record.token = key_id.or_else(|| record.token.take());
        self.conclude(Received { route, client, charset, bytes: &bytes }, head, now, record).await
    }

    /// Reads the form of a client that the head identifies.
    async fn arrive_known<'p>(
        &'p self,
        asking: &Asking<'_, 'p>,
        client: ClientIdentity<'p>,
        body: RequestBody,
        record: &mut ExchangeRecord,
    ) -> Result<Arrived<'p>, ExchangeError> {
        let (route, admitted) = self.choose(asking, &client, None, record)?;
        self.welcome(&client, asking.exchange, asking.now, record).await?;
        let bodies = self.bodies.of(client.index().unwrap_or(self.unnamed));
        let read = read(asking.head, body, admitted.place, route.body_limits, bodies).await?;
        let (bytes, held) = read.map_err(|error| self.unread(error, Some(&client), bodies))?;
        record.received = bytes.len();
        // whom the head identifies may have signed the form as well
        let known = Sender::Known(client);
        let identified =
            asking.identification.complete(known, asking.head, admitted.place, &bytes, route.form_limits)?;
        Ok(Arrived { route, identified, charset: admitted.charset, bytes, held })
    }

    /// Reads the form of somebody whose signature is over the form.
    async fn arrive_unproven<'p>(
        &'p self,
        asking: &Asking<'_, 'p>,
        sender: Sender<'p>,
        body: RequestBody,
        record: &mut ExchangeRecord,
    ) -> Result<Arrived<'p>, ExchangeError> {
        record.log_reason = Some(faults::service::UNIDENTIFIED);
        // whoever never ends a form must not keep its place from others
        asking.exchange.await_identity();
        let (body_limits, form_limits) = self.routes.largest_limits();
        let bodies = self.bodies.of(sender.index(self.unnamed, self.strangers));
        let place = head::likely_place(asking.head);
        let read = read(asking.head, body, place, body_limits, bodies).await?;
        let (bytes, held) = read.map_err(|error| self.unread(error, sender.client(), bodies))?;
        record.received = bytes.len();
        let identified = asking.identification.complete(sender, asking.head, place, &bytes, form_limits)?;
        asking.exchange.identified();
        record.log_reason = None;
        // it is verified now, its scope with it
        let (route, admitted) = self.choose(asking, &identified.client, claim(asking)?.as_ref(), record)?;
        self.welcome(&identified.client, asking.exchange, asking.now, record).await?;
        within(route, admitted, bytes.len())?;
        Ok(Arrived { route, identified, charset: admitted.charset, bytes, held })
    }

    /// The route that the request of a client chooses among those which the client sees, if the route takes a request
    /// with such a head.
    fn choose(
        &self,
        asking: &Asking<'_, '_>,
        client: &ClientIdentity<'_>,
        claim: Option<&HeadClaim>,
        record: &mut ExchangeRecord,
    ) -> Result<(&Rc<Route>, AdmittedForm), HeadError> {
        let Asking { identification, head, target, .. } = asking;
        note_client(client, record);
        let route = self.routes.select_seen(client, target, claim)?;
        note_route(route, record);
        let names = self.names_for(identification.peer);
        let admitted = head::admit(head, target.host, &route.hosts, &route.accept, names)?;
        head::require(head, self.required_header.as_ref())?;
        Ok((route, admitted))
    }
}

/// What the head claims of a signature.
fn claim(asking: &Asking<'_, '_>) -> Result<Option<HeadClaim>, RefusedSignature> {
    asking.identification.claim(asking.head).map_err(|error| RefusedSignature::new(error, None))
}

/// The bytes of a form, and what of the budget they hold.
async fn read<'b>(
    head: &RequestHead,
    body: RequestBody,
    place: FormPlace,
    limits: BodyLimits,
    bodies: &'b ByteBudget,
) -> Result<Result<(Bytes, Held<'b>), BodyError>, HeadError> {
    Ok(match place {
        FormPlace::PostBody => body::read(body, limits, bodies).await,
        FormPlace::GetQuery | FormPlace::PostQuery => held(head::query(head, limits.bytes)?, bodies),
    })
}

/// Whether a form that was read before its route was known is as small as the route wants it.
fn within(route: &Route, admitted: AdmittedForm, length: usize) -> Result<(), ExchangeError> {
    let limit = route.body_limits.bytes;
    match admitted.place {
        _ if length <= limit => Ok(()),
        FormPlace::PostBody => Err(BodyError::TooLarge { limit }.into()),
        FormPlace::GetQuery | FormPlace::PostQuery => Err(HeadError::QueryTooLong { limit }.into()),
    }
}

//! The steps of an exchange: every request passes them from top to bottom, and each step consumes what the one before
//! made.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::clock_reading::ClockReading;
use super::containment::contained;
use super::deliver::deliver;
use super::endpoint_request_id;
use super::fault::ExchangeError;
use super::head::{self, HeadError, OwnNames, RequestTarget};
use super::headers;
use super::identification::{Identification, Identified, Sender};
use super::issued_keys::IssuedKeys;
use super::noted::{note_client, note_decision, note_refused, note_route};
use super::over_share::{OverShare, SharedLimit};
use super::rate_limit_fields;
use super::reception;
use super::refused_client::{Refused, RefusedSignature};
use super::response::{ErrorFormat, ResponseBody, refuse};
use super::route::{Route, Routes};
use crate::authorize::{Callers, ClientIdentity, RateLimitFields, RouteView};
use crate::downstream::server::ExchangeGuard;
use crate::downstream::service_account::Verifier;
use crate::downstream::{
    BodyError, ByteBudget, Capacity, Full, Handler, HeadFault, Held, NoMemory, PeerEvidence, Place, Rank, Reply,
    RequestBody, RequestHead, Shares, TurnedAway, body,
};
use crate::error_chain::causes;
use crate::faults;
use crate::query::{Charset, ErrorDialect, FormPlace, Notation, QueryForm, Reader};
use crate::rates::{AtOnce, ClientRates};
use crate::signing::client_signature::{ClientSignatureError, HeadClaim};
use crate::telemetry::metrics::ShareMetrics;
use crate::telemetry::trace::Tracing;
use crate::telemetry::{AuditLog, ExchangeRecord, ListenerMetrics};
use crate::upstream::Sent;

/// What a head claims of a signature, if it has one that can be read.
type ReadClaim = Result<Option<HeadClaim>, RefusedSignature>;

/// A form as it came, and what is known of it.
pub(super) struct Received<'r> {
    pub(super) route: &'r Rc<Route>,
    pub(super) client: ClientIdentity<'r>,
    pub(super) charset: Charset,
    pub(super) bytes: &'r Bytes,
}

/// What one listener serves, in one worker.
pub struct Proxy {
    /// The listener's name and counters.
    pub listener: Rc<ListenerMetrics>,
    /// Each client's share of the listener's connections.
    pub connections: Shares<Capacity>,
    /// The names under which it may be called.
    pub names: OwnNames,
    /// The clients that may call it.
    pub callers: Callers,
    /// The keys that clients have, where the listener accepts them.
    pub issued_keys: Option<Arc<IssuedKeys>>,
    /// Verifies tokens of service accounts, where the listener accepts them.
    pub service_accounts: Option<Arc<Verifier>>,
    /// The header field that every request must have, if the listener requires one.
    pub required_header: Option<HeaderName>,
    /// How clients are told what is left of their rates.
    pub rate_limit_fields: RateLimitFields,
    /// The routes it serves.
    pub routes: Routes,
    /// Memory for bodies, shared by the whole process, and each client's share of it.
    pub bodies: Shares<ByteBudget>,
    /// The number of the holder that stands for all clients without a name.
    pub unnamed: usize,
    /// The number of the holder that stands for strangers whose form may be signed with an issued key.
    pub strangers: usize,
    /// The clients whose rates and quotas are those of all replicas.
    pub rates: Arc<ClientRates>,
    /// Counts requests that were refused because their client used its whole share.
    pub shares: ShareMetrics,
    /// Counts panics of exchanges.
    pub panics: Counter,
    /// The audit of decisions.
    pub audit: AuditLog,
    /// Traces exchanges; untraced without `[trace]`.
    pub tracing: Tracing,
}

impl Proxy {
    /// Takes a request through all steps. What is learnt on the way goes into `record`, for log, metrics and audit, and
    /// into `notation`, for an error of our own.
    async fn run(
        &self,
        peer: &PeerEvidence,
        head: RequestHead,
        body: RequestBody,
        exchange: &ExchangeGuard,
        record: &mut ExchangeRecord,
        notation: &Cell<Option<Notation>>,
    ) -> Result<(Sent, Place), ExchangeError> {
        if self.routes.view == RouteView::Own {
            // boxed, so that exchanges of other listeners do not reserve memory for it
            return Box::pin(self.run_client_first(peer, head, body, exchange, record, notation)).await;
        }
        let target = head::target(&head)?;
        // the record began a few microseconds ago: nothing has been awaited since
        let now = ClockReading::at(record.started);
        let identification = self.identification(peer, now);
        let (route, claim) = self.select(&target, identification.claim(&head))?;
        note_route(route, record);
        record.check_audit()?;
        let admitted = head::admit(&head, target.host, &route.hosts, &route.accept, self.names_for(peer))?;
        head::require(&head, self.required_header.as_ref())?;
        let sender = identification.begin(&head, claim?)?;
        match &sender {
            Sender::Known(client) => self.welcome(client, exchange, now, record).await?,
            // whoever never ends a form must not keep its place from others
            Sender::Claims(_) | Sender::Stranger => {
                reception::note_known(&self.callers, peer, record);
                record.log_reason = Some(faults::service::UNIDENTIFIED);
                exchange.await_identity();
            }
        }

        let bodies = self.bodies.of(sender.index(self.unnamed, self.strangers));
        // held until the request is sent: decoded and signed, it stays in memory that long
        let (bytes, _held) = match admitted.place {
            FormPlace::PostBody => body::read(body, route.body_limits, bodies).await,
            FormPlace::GetQuery | FormPlace::PostQuery => held(head::query(&head, route.body_limits.bytes)?, bodies),
        }
        .map_err(|error| self.unread(error, sender.client(), bodies))?;
        record.received = bytes.len();
        notation.set(Some(route.dialect.notation_asked_by(&bytes)));
        let was_known = matches!(sender, Sender::Known(_));
        let Identified { client, key_id } =
            identification.complete(sender, &head, admitted.place, &bytes, route.form_limits)?;
        if !was_known {
            exchange.identified();
            record.log_reason = None;
            self.welcome(&client, exchange, now, record).await?;
        }
        record.token = key_id.or_else(|| record.token.take());
        let received = Received { route, client, charset: admitted.charset, bytes: &bytes };
        self.conclude(received, head, now, record).await
    }

    /// The steps from the bytes of a form on, whose client is identified.
    pub(super) async fn conclude(
        &self,
        received: Received<'_>,
        head: RequestHead,
        now: ClockReading,
        record: &mut ExchangeRecord,
    ) -> Result<(Sent, Place), ExchangeError> {
        let Received { route, client, charset, bytes } = received;
        record.reserve_audit()?;
        let names = route.signing_dialect().vocabulary();
        let form = charset.check(bytes);
        let form = form.and_then(|()| QueryForm::parse_as(names, Reader::Policy, bytes, route.form_limits));
        let form = form.inspect_err(|_| note_refused(names, bytes, record))?;
        record.note_action(form.action().as_str());
        record.note_parameters(form.parameters().with_values_of(&route.audit_values));
        let allowed = route.policy.authorize(&client, &route.name, form);
        note_decision(&allowed, record);
        let allowed = allowed
            .map_err(|denied| Refused::new(denied, &client, &route.name, record.called_action().unwrap_or_default()))?;
        // not before: a client that sends half a body, or a call that no rule allows, takes no place from others
        let place = take_place(route, client.index().unwrap_or(self.unnamed), &client)?;

        let forwarded = headers::forwarded(head.fields(), &route.forward_headers);
        drop(head); // not needed any more, and waiting for the endpoint may take long
        let sent = deliver(route, &allowed, client.name(), &forwarded, now, record).await?;
        Ok((sent, place))
    }

    /// The names under which `peer` may call; `None`: any. No web page reaches a Unix socket, by whatever name, unless
    /// a load balancer lets it.
    pub(super) fn names_for(&self, peer: &PeerEvidence) -> Option<&OwnNames> {
        (!peer.is_unix() || peer.is_relayed()).then_some(&self.names)
    }

    pub(super) fn identification<'p>(&'p self, peer: &'p PeerEvidence, now: ClockReading) -> Identification<'p> {
        Identification {
            callers: &self.callers,
            service_accounts: self.service_accounts.as_deref(),
            issued_keys: self.issued_keys.as_deref(),
            peer,
            now: now.wall,
        }
    }

    /// The route, and the claim, for later: it is refused in the words of the route.
    fn select(
        &self,
        target: &RequestTarget<'_>,
        claim: Result<Option<HeadClaim>, ClientSignatureError>,
    ) -> Result<(&Rc<Route>, ReadClaim), ExchangeError> {
        let selected = self.routes.select(target, claim.as_ref().ok().and_then(Option::as_ref));
        match (selected, claim.map_err(|error| RefusedSignature::new(error, None))) {
            // its scope might have chosen a route: the client learns what is wrong with the claim instead
            (Err(_), Err(malformed)) => Err(malformed.into()),
            (selected, claim) => Ok((selected?, claim)),
        }
    }

    /// Counts a request of an identified client against its share of connections and its rate.
    pub(super) async fn welcome(
        &self,
        client: &ClientIdentity<'_>,
        exchange: &ExchangeGuard,
        now: ClockReading,
        record: &mut ExchangeRecord,
    ) -> Result<(), ExchangeError> {
        note_client(client, record);
        let number = client.index().unwrap_or(self.unnamed);
        record.client_number = Some(number);
        if let Some(trace) = &mut record.trace {
            trace.identify(number);
        }
        self.charge(exchange, number, client).await?;
        self.take_call(client, now).await
    }

    /// Counts a call against the client's rate and quota: in this process, and where replicas share them, over all of
    /// these.
    async fn take_call(&self, client: &ClientIdentity<'_>, now: ClockReading) -> Result<(), ExchangeError> {
        let time = now.for_limits();
        let Some(shared) = client.index().and_then(|index| self.rates.of(index)) else { return Ok(client.take(time)?) };
        client.check(time)?;
        match shared.try_take(time.nanos) {
            AtOnce::Taken => {}
            AtOnce::Refused(why) => return Err(why.into()),
            // boxed, so that exchanges do not reserve memory for what is rare
            AtOnce::Wait => Box::pin(shared.wait(|| ClockReading::at(Instant::now()).nanos)).await?,
        }
        Ok(client.take(time).inspect_err(|_| shared.put_back())?)
    }

    /// Counts the connection against its client's share of the listener's connections.
    async fn charge(
        &self,
        exchange: &ExchangeGuard,
        holder: usize,
        client: &ClientIdentity<'_>,
    ) -> Result<(), ExchangeError> {
        let share = self.connections.of(holder);
        if exchange.charge(share).is_ok() {
            return Ok(());
        }
        // boxed, so that exchanges do not reserve memory for what is rare
        Box::pin(exchange.charge_elsewhere(share)).await.map_err(|_| {
            let whole = self.connections.all().limit();
            OverShare::new(SharedLimit::Connections, self.listener.name(), client, share.limit(), whole).into()
        })
    }

    /// Why a body was not read. The error of a share has the client's name, which only this room knows.
    pub(super) fn unread(
        &self,
        error: BodyError,
        client: Option<&ClientIdentity<'_>>,
        share: &ByteBudget,
    ) -> ExchangeError {
        match (error, client) {
            (BodyError::NoMemory(NoMemory::OverShare), Some(client)) => {
                OverShare::new(SharedLimit::Bodies, "", client, share.limit(), self.bodies.all().limit()).into()
            }
            (error @ BodyError::NoMemory(_), _)
            | (
                error @ (BodyError::TooLarge { .. }
                | BodyError::TooSlow { .. }
                | BodyError::BelowMinimum(_)
                | BodyError::Cut(_)
                | BodyError::Broken(_)),
                _,
            ) => error.into(),
        }
    }

    fn fail(
        &self,
        error: &ExchangeError,
        mut record: Box<ExchangeRecord>,
        peer: &PeerEvidence,
        exchange: ExchangeGuard,
        notation: Option<Notation>,
    ) -> Reply<ResponseBody> {
        if record.client.is_none() {
            reception::note_known(&self.callers, peer, &mut record);
        }
        record.error = Some(causes(error));
        record.log_reason = Some(error.log_reason());
        if let (ExchangeError::OverShare(over), Some(client)) = (error, &record.client) {
            self.shares.count(client, over.of().as_str());
        }
        // of a route that is hidden from the client, the response has nothing
        let route = record.route.as_ref().and_then(|route| self.routes.named(route.name()));
        let usual = ErrorFormat::usual(route.map_or(ErrorDialect::Query, |route| route.dialect));
        let format = ErrorFormat { notation: notation.unwrap_or(usual.notation), ..usual };
        let methods = head::allowed_methods(route.map_or(&[], |route| &route.accept));
        if let ExchangeError::Head(HeadError::RouteHidden { hidden, .. }) = error
            && let Some(route) = self.routes.named(&hidden.0)
        {
            note_route(route, &mut record);
        }
        refuse(&error.fault(), format, methods, record, exchange)
    }
}

impl Handler for Proxy {
    type Body = ResponseBody;

    /// Handles a request and turns whatever happens into a response. A panic ends in one too, and affects no other
    /// exchange.
    async fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        body: RequestBody,
    ) -> Reply<ResponseBody> {
        let mut record = ExchangeRecord::begin(Rc::clone(&self.listener), Rc::<PeerEvidence>::clone(&peer));
        record.audit = self.audit.begin();
        record.begin_trace(self.tracing.tracer(), &head);
        let (is_get, notation) = (head.method() == "GET", Cell::new(None));
        let outcome = {
            let running = pin!(self.run(&peer, head, body, &exchange, &mut record, &notation));
            contained(running, &self.panics).await
        };
        // a call has its client's number once it counts
        let (how, limits) = (self.rate_limit_fields, (self.callers.clients(), &*self.rates));
        let calls_left = rate_limit_fields::calls_left(how, limits, record.client_number);
        let mut reply = match outcome {
            Ok((sent, place)) => {
                let Sent { status, mut fields, body, answered_at: _ } = sent;
                record.status = Some(status.as_u16());
                record.endpoint_request_id = endpoint_request_id::read(&fields, &body);
                headers::relay(&mut fields, record.request_id.as_bytes());
                Reply { status, fields, body: ResponseBody::relayed(body, record, place, exchange) }
            }
            Err(error) => self.fail(&error, record, &peer, exchange, notation.get()),
        };
        rate_limit_fields::add(&mut reply.fields, self.rate_limit_fields, &calls_left);
        if is_get { headers::unstored(reply) } else { reply }
    }

    fn refuse(&self, peer: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<ResponseBody> {
        let mut record = ExchangeRecord::begin(Rc::clone(&self.listener), Rc::<PeerEvidence>::clone(&peer));
        record.audit = self.audit.begin();
        // a head with a fault does not always say whether it is a GET
        headers::unstored(self.fail(&fault.into(), record, &peer, exchange, None))
    }

    fn greet(&self, peer: &PeerEvidence) {
        reception::check(&self.callers, &self.listener, &self.audit, peer);
    }

    fn admits(&self, peer: &PeerEvidence) -> bool {
        reception::admit(&self.callers, &self.listener, &self.audit, peer)
    }

    fn turn_away(&self, refused: &TurnedAway<'_>) {
        reception::note(&self.listener, &self.audit, refused);
    }

    fn name(&self) -> &str {
        self.listener.name()
    }

    fn evicted(&self, rank: Rank) {
        self.listener.count_evicted(rank.as_str());
    }
}

/// A form that came with the head, of which the client's share of memory holds as much as of a body.
pub(super) fn held<'b>(form: &str, budget: &'b ByteBudget) -> Result<(Bytes, Held<'b>), BodyError> {
    let mut held = budget.hold();
    held.at_least(form.len())?;
    Ok((Bytes::copy_from_slice(form.as_bytes()), held))
}

/// Takes a place among the exchanges of a route, of the client's share.
fn take_place(route: &Route, holder: usize, client: &ClientIdentity<'_>) -> Result<Place, ExchangeError> {
    route.in_flight.take_place(holder).map_err(|full| match full {
        Full::Shared => ExchangeError::Overloaded,
        Full::Own => {
            let (share, whole) = (route.in_flight.of(holder).limit(), route.in_flight.all().limit());
            OverShare::new(SharedLimit::InFlight, &route.name, client, share, whole).into()
        }
    })
}

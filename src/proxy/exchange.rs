//! The steps of an exchange: every request passes them from top to bottom, and each step consumes what the one before
//! made.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use prometheus_client::metrics::counter::Counter;
use smol_str::format_smolstr;

use super::clock_reading::ClockReading;
use super::containment::contained;
use super::deliver::deliver;
use super::endpoint_request_id;
use super::fault::ExchangeError;
use super::head::{self, OwnNames, RequestTarget};
use super::headers;
use super::identification::{Identification, Identified, Sender};
use super::issued_keys::IssuedKeys;
use super::over_share::{OverShare, SharedLimit};
use super::reception;
use super::refused_client::{Refused, RefusedSignature};
use super::response::{ErrorFormat, ResponseBody, refuse};
use super::route::{Route, Routes};
use crate::authorize::{Authorized, Callers, ClientIdentity, Decision, Denied, RuleId};
use crate::downstream::server::ExchangeGuard;
use crate::downstream::service_account::Verifier;
use crate::downstream::{
    BodyError, ByteBudget, Capacity, Full, Handler, HeadFault, Held, NoMemory, PeerEvidence, Place, Rank, Reply,
    RequestBody, RequestHead, Shares, TurnedAway, body,
};
use crate::error_chain::causes;
use crate::faults;
use crate::query::{Action, ErrorDialect, FormPlace, Notation, QueryForm, Reader, Vocabulary};
use crate::signing::client_signature::{ClientSignatureError, HeadClaim};
use crate::telemetry::audit;
use crate::telemetry::metrics::ShareMetrics;
use crate::telemetry::trace::Tracing;
use crate::telemetry::{AuditLog, ExchangeRecord, ListenerMetrics};
use crate::upstream::Sent;

/// What a head claims of a signature, if it has one that can be read.
type ReadClaim = Result<Option<HeadClaim>, RefusedSignature>;

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
    /// The routes it serves.
    pub routes: Routes,
    /// Memory for bodies, shared by the whole process, and each client's share of it.
    pub bodies: Shares<ByteBudget>,
    /// The number of the holder that stands for all clients without a name.
    pub unnamed: usize,
    /// The number of the holder that stands for strangers whose form may be signed with an issued key.
    pub strangers: usize,
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
        let target = head::target(&head)?;
        // the record began a few microseconds ago: nothing has been awaited since
        let now = ClockReading::at(record.started);
        let identification = self.identification(peer, now);
        let (route, claim) = self.select(&target, identification.claim(&head))?;
        record.route = Some(Rc::clone(&route.metrics));
        record.check_audit()?;
        let admitted = head::admit(&head, target.host, &route.hosts, &route.accept, &self.names)?;
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
            identification.complete(sender, &head, admitted, &bytes, route.form_limits)?;
        if !was_known {
            exchange.identified();
            record.log_reason = None;
            self.welcome(&client, exchange, now, record).await?;
        }
        record.token = key_id.or_else(|| record.token.take());
        record.reserve_audit()?;
        let names = route.profile.dialect().vocabulary();
        let form = admitted.charset.check(&bytes);
        let form = form.and_then(|()| QueryForm::parse_as(names, Reader::Policy, &bytes, route.form_limits));
        let form = form.inspect_err(|_| note_refused(names, &bytes, record))?;
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

    fn identification<'p>(&'p self, peer: &'p PeerEvidence, now: ClockReading) -> Identification<'p> {
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
    async fn welcome(
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
        Ok(client.take(now.nanos)?)
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
    fn unread(&self, error: BodyError, client: Option<&ClientIdentity<'_>>, share: &ByteBudget) -> ExchangeError {
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
        let route = record.route.as_ref().and_then(|route| self.routes.named(route.name()));
        let usual = ErrorFormat::usual(route.map_or(ErrorDialect::Query, |route| route.dialect));
        let format = ErrorFormat { notation: notation.unwrap_or(usual.notation), ..usual };
        let methods = head::allowed_methods(route.map_or(&[], |route| &route.accept));
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
        if is_get {
            headers::forbid_storing(&mut reply.fields);
        }
        reply
    }

    fn refuse(&self, peer: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<ResponseBody> {
        let mut record = ExchangeRecord::begin(Rc::clone(&self.listener), Rc::<PeerEvidence>::clone(&peer));
        record.audit = self.audit.begin();
        self.fail(&fault.into(), record, &peer, exchange, None)
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
fn held<'b>(form: &str, budget: &'b ByteBudget) -> Result<(Bytes, Held<'b>), BodyError> {
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

/// Notes which Action a refused form asks for.
#[cold]
fn note_refused(names: &Vocabulary, form: &[u8], record: &mut ExchangeRecord) {
    if let Some(action) = Action::of_refused_form(names.operation, form) {
        record.note_action(action.as_str());
    }
}

fn note_client(client: &ClientIdentity<'_>, record: &mut ExchangeRecord) {
    record.client = Some(client.name().into());
    record.identified_by = Some(client.identified_by());
    record.token = client.token().map(|token| format_smolstr!("{token}"));
}

fn note_decision(decided: &Result<Authorized<'_>, Denied>, record: &mut ExchangeRecord) {
    let (decision, rule) = match decided {
        Ok(allowed) => (recorded(allowed.decision()), allowed.decision().rule()),
        Err(denied) => (audit::Decision::Deny, denied.rule()),
    };
    record.decision = Some(decision);
    record.rule = rule.map(RuleId::name);
}

/// The policy's decision as the audit names it.
const fn recorded(decision: Decision) -> audit::Decision {
    match decision {
        Decision::AnyLocal => audit::Decision::AnyLocal,
        Decision::Allowed(_) => audit::Decision::Allow,
        Decision::Recorded(_) => audit::Decision::Recorded,
    }
}

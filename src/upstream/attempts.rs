//! The attempts of one call: it is repeated while that is safe, the budget pays for it and there is time. Each attempt
//! needs a newly signed request.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::breaker::{CallInProgress, Outage, Refusal, WayOut};
use super::client::{Client, Sent};
use super::connection::Connection;
use super::error::{Delivery, SendError};
use super::repetition::Repetition;
use crate::http1::Fields;
use crate::signing::SignedRequest;

/// How many pooled connections may turn out to be closed when the first byte is written. Trying one costs no packet, so
/// it costs no budget either; after these, a new connection is made.
const STALE: u8 = 4;
/// How often one call is repeated in all, attempts to connect included.
const REPEATS: u8 = 2;
/// The pause between two attempts to connect: an endpoint that restarts is briefly unreachable.
const PAUSE: Duration = Duration::from_millis(50);

/// The attempts of one call. [`Self::send`] consumes the request, so that the same signature cannot be sent twice.
pub struct Attempts<'c> {
    client: &'c Client,
    /// Whose call it is, for the breaker.
    caller: &'c str,
    repetition: Repetition,
    way_out: WayOut,
    /// When the head of a response must have come, whichever attempt it belongs to. Set when the first byte is sent.
    response_by: Option<Instant>,
    /// How many more pooled connections may turn out to be closed.
    stale_left: u8,
    repeats_left: u8,
    /// The breaker's record of this call, until its outcome is known.
    in_progress: Option<CallInProgress<'c>>,
    /// Why it is unknown whether the endpoint has carried out the call: an attempt was sent and not answered.
    doubt: Option<SendError>,
    /// The time that was spent on connecting, until it is asked for.
    connecting: Option<Duration>,
}

/// A connection on which nothing of this call has been written.
pub struct Ready {
    connection: Box<Connection>,
    origin: Origin,
    /// When it was made, or taken from the pool.
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Pool,
    New,
}

impl Ready {
    /// When it was made, or taken from the pool: just now.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Whether it can still be used: a key in a token or at a service takes time to sign. Bytes that an endpoint sends
    /// on a new connection are taken for its response.
    fn is_fit(&mut self) -> bool {
        match self.origin {
            Origin::Pool => self.connection.is_fit(),
            Origin::New => self.connection.is_open(),
        }
    }
}

impl Client {
    /// Begins a call, which may take more than one attempt. `caller` is the name of the client that asked for it: one
    /// client's failed calls do not count against another. `way_out` is where the call can go as long as nothing of
    /// it was sent.
    #[must_use]
    pub fn call<'c>(&'c self, repetition: Repetition, caller: &'c str, way_out: WayOut) -> Attempts<'c> {
        self.budget.earn();
        Attempts {
            client: self,
            caller,
            repetition,
            way_out,
            response_by: None,
            stale_left: STALE,
            repeats_left: REPEATS,
            in_progress: None,
            doubt: None,
            connecting: None,
        }
    }
}

impl Attempts<'_> {
    /// A connection to send on, pooled or new. Get it before signing, so that the signature is as fresh as possible.
    ///
    /// # Errors
    /// The endpoint cannot be reached, or an earlier attempt was sent and its outcome is unknown.
    pub async fn connection(&mut self) -> Result<Ready, SendError> {
        let now = Instant::now();
        if self.in_progress.is_none() {
            // what was sent stays here
            let way_out = if self.doubt.is_some() { WayOut::None } else { self.way_out };
            match self.client.breaker.admit(self.caller, now, self.repetition, way_out) {
                Ok(call) => self.in_progress = Some(call),
                Err(Refusal { outage, probe }) => {
                    if let Some(probe) = probe {
                        self.client.probe_beside_calls(probe);
                    }
                    return Err(self.give_up(SendError::Down(outage)));
                }
            }
        }
        if self.stale_left > 0
            && let Some(connection) = self.client.pool.take(now)
        {
            return Ok(Ready { connection, origin: Origin::Pool, since: now });
        }
        // boxed: few calls need a new connection, and the future that makes one is large
        let connected = Box::pin(self.connect(now)).await;
        let ended = Instant::now();
        self.connecting = Some(ended.saturating_duration_since(now));
        match connected.as_ref().err().and_then(SendError::outage) {
            Some(outage) => self.has_failed(outage, ended),
            // an endpoint that shows an untrusted certificate is reachable
            None => self.in_progress.iter_mut().for_each(CallInProgress::connected),
        }
        match connected {
            Ok(connection) => Ok(Ready { connection, origin: Origin::New, since: ended }),
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// The time that the last [`Self::connection`] spent on name, TCP and TLS, whether that succeeded or not. `None` if
    /// it took one from the pool, and when it is asked for again.
    pub const fn take_connecting(&mut self) -> Option<Duration> {
        self.connecting.take()
    }

    /// A new connection, within the time for one that begins `now`, and with a second attempt in it.
    async fn connect(&mut self, now: Instant) -> Result<Box<Connection>, SendError> {
        let deadline = self.by(now, self.client.timeouts.connect);
        loop {
            let error = match self.client.connect(deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let again = Instant::now().checked_add(PAUSE).is_some_and(|then| then < deadline);
            if !error.may_pass() || !again || !self.pay() {
                return Err(error);
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends `request`, as of `now`, with the extra header fields that a route passes on. Breaks with the endpoint's
    /// response when its head has come; continues when there is none and the call may be tried again, with another
    /// connection and a newly signed request. It says then whether the endpoint may have received this one.
    ///
    /// # Errors
    /// There is no response, and no further attempt is allowed; `delivery` of the error says whether the endpoint may
    /// have received the call in any attempt.
    pub async fn send(
        &mut self,
        mut ready: Ready,
        request: SignedRequest,
        forwarded: &Fields,
        now: Instant,
    ) -> Result<ControlFlow<Sent, Delivery>, SendError> {
        let by = self.by(now, self.client.timeouts.first_byte);
        let response_by = *self.response_by.get_or_insert(by);
        self.in_progress.iter_mut().for_each(|call| call.sent(now));
        let is_pooled = ready.origin == Origin::Pool;
        let sent = if ready.is_fit() {
            self.client.exchange(ready.connection, request, forwarded, response_by).await
        } else {
            Err(SendError::NeverSent(io::ErrorKind::ConnectionAborted.into()))
        };
        let error = match sent {
            Ok(sent) => {
                self.in_progress.take().into_iter().for_each(|call| call.answered(sent.answered_at));
                return Ok(ControlFlow::Break(sent));
            }
            Err(error) => error,
        };
        if let Some(outage) = error.outage() {
            self.has_failed(outage, Instant::now());
        }
        match error.delivery() {
            Delivery::NotSent if is_pooled => {
                self.stale_left = self.stale_left.saturating_sub(1);
                Ok(ControlFlow::Continue(Delivery::NotSent))
            }
            // an endpoint that refuses our certificate after a request was written says that it has not read it: the
            // call is not made again on its word
            Delivery::NotSent if error.may_pass() && self.pay() => Ok(ControlFlow::Continue(Delivery::NotSent)),
            Delivery::MaybeSent if error.may_pass() && self.is_safe_once_more() && self.pay() => {
                self.doubt = Some(error);
                // the other pooled connections are as old as this one, and may be closed too
                self.stale_left = 0;
                Ok(ControlFlow::Continue(Delivery::MaybeSent))
            }
            Delivery::NotSent | Delivery::MaybeSent => Err(self.give_up(error)),
        }
    }

    fn has_failed(&mut self, outage: Outage, now: Instant) {
        self.in_progress.take().into_iter().for_each(|call| call.failed(outage, now));
    }

    /// Why it is unknown whether the call was carried out. For a caller that gives up between two attempts.
    #[must_use]
    pub fn doubt(&mut self) -> Option<SendError> {
        self.doubt.take()
    }

    /// Allows one repeat of a call that may have arrived, and only while a response could still come in time.
    fn is_safe_once_more(&self) -> bool {
        let in_time = self.response_by.is_some_and(|by| Instant::now() < by);
        self.repetition == Repetition::Safe && self.doubt.is_none() && in_time
    }

    fn pay(&mut self) -> bool {
        let Some(left) = self.repeats_left.checked_sub(1) else { return false };
        self.repeats_left = left;
        self.client.budget.spend()
    }

    /// The outcome of an earlier attempt says more about the call than why the last one could not be made.
    fn give_up(&mut self, error: SendError) -> SendError {
        match error.delivery() {
            Delivery::NotSent => self.doubt.take().unwrap_or(error),
            Delivery::MaybeSent => error,
        }
    }

    /// The deadline of a step that begins `now` and may take `limit`, but not longer than the whole call.
    fn by(&self, now: Instant, limit: Duration) -> Instant {
        let by = now.checked_add(limit).unwrap_or(now);
        self.response_by.map_or(by, |last| by.min(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{ClientIdentity, Policy};
    use crate::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SignatureMethod};
    use crate::query::{FormLimits, QueryForm};
    use crate::signing::{Profile, RequestTimestamp, SigningTarget, prepare};
    use crate::upstream::{
        BreakerLimits, CallSettings, Destination, EndpointName, EndpointSettings, NextHop, PoolLimits, Timeouts, Trust,
    };
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use tokio::task::yield_now;

    const SECOND: Duration = Duration::from_secs(1);

    fn signed(target: &SigningTarget) -> SignedRequest {
        let key = HeldKey::new(Credentials {
            access_key_id: AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").unwrap(),
            secret_access_key: SecretAccessKey::new(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
            session_token: None,
            expiration: None,
        });
        let form = QueryForm::parse(b"Action=CreateJob", FormLimits::DEFAULT).unwrap();
        let allowed = Policy::AnyLocal.authorize(&ClientIdentity::AnyLocal, "importexport", form).unwrap();
        let profile = Profile::aws_v2(SignatureMethod::HmacSha256);
        let time = RequestTimestamp::at("2011-06-20T22:30:59.556Z".parse().unwrap());
        let unsealed = prepare(&allowed, &key, target, &profile, &time.into());
        let mac = key.signing_key().mac_with(unsealed.key(), unsealed.string_to_sign());
        unsealed.seal(&mac)
    }

    #[test]
    fn a_connection_that_ends_while_its_request_is_signed_is_not_sent_on_whether_pooled_or_new() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let target = SigningTarget { host: "127.0.0.1".to_owned(), path: "/".to_owned() };
            let settings = CallSettings {
                endpoint: EndpointSettings {
                    name: "127.0.0.1".to_owned(),
                    next_hop: NextHop::Tcp { host: "127.0.0.1".to_owned(), port },
                    tunnel: None,
                    trust: Trust::Plaintext,
                    target: target.clone(),
                },
                tls: crate::trust::ClientTls::PLAIN,
                timeouts: Timeouts { connect: SECOND, first_byte: SECOND, idle: SECOND },
                pool: PoolLimits { connections: 8, warm: 0, idle_timeout: SECOND },
                breaker: BreakerLimits { failures: 0, longest_pause: SECOND },
            };
            let name = EndpointName { route: "importexport".to_owned(), endpoint: "http://127.0.0.1/".to_owned() };
            let destination = Arc::new(Destination::new(name, settings, None).unwrap());
            let client = Client::new(&destination).unwrap();
            let pool = client.pool.clone();
            pool.put(client.connect(Instant::now().checked_add(SECOND).unwrap()).await.unwrap(), None, Instant::now());
            let mut pooled = Some(listener.accept().unwrap().0);

            let mut attempts = client.call(Repetition::Unsafe, "any-local", WayOut::None);
            for is_new in [false, true] {
                let ready = attempts.connection().await.unwrap();
                assert_eq!(attempts.take_connecting().is_some(), is_new);
                assert_eq!(attempts.take_connecting(), None, "it is told once");
                let mut endpoint = pooled.take().unwrap_or_else(|| listener.accept().unwrap().0);
                endpoint.shutdown(std::net::Shutdown::Write).unwrap();
                yield_now().await; // the runtime looks at all sockets
                let sent = attempts.send(ready, signed(&target), &Fields::default(), Instant::now()).await;
                assert!(matches!(sent, Ok(ControlFlow::Continue(Delivery::NotSent))));
                assert_eq!(endpoint.read(&mut [0; 1]).unwrap(), 0, "not a byte was written on it");
            }
            let ready = attempts.connection().await.unwrap();
            let (mut endpoint, _) = listener.accept().unwrap();
            endpoint.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            let sent = attempts.send(ready, signed(&target), &Fields::default(), Instant::now()).await;
            assert!(matches!(sent, Ok(ControlFlow::Break(Sent { status, .. })) if status == 200));
        });
    }
}

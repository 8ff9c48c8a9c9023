//! One call on its way: attempt after attempt, as far as that is safe, paid for and in time. Each needs a request of its own.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::breaker::Leave;
use super::client::{Client, Sent};
use super::connection::Connection;
use super::error::{Delivery, SendError};
use crate::http1::Fields;
use crate::signing::SignedRequest;

/// Pooled connections that may end between the look at them and the first byte. There are never more of them than the pool
/// holds, and each costs no packet, so that they cost no budget either; then a new one is made.
const STALE: u8 = 4;
/// How often one call is repeated at all, connecting included.
const REPEATS: u8 = 2;
/// Between two attempts to connect: an endpoint that restarts is away for a moment.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether an Action may be carried out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// It only reads.
    Safe,
    /// It may change something each time.
    Unsafe,
}

/// The attempts of one call. What was sent is gone: [`Self::send`] takes the request and gives none back.
pub struct Attempts<'c> {
    client: &'c Client,
    repetition: Repetition,
    /// When the head of an answer has to be here, whichever attempt it answers; from the first byte on.
    answer_by: Option<Instant>,
    /// Pooled connections that may still turn out to be stale.
    stale_left: u8,
    repeats_left: u8,
    /// The breaker's, until it is told how the call went.
    leave: Option<Leave<'c>>,
    /// Why it is not known whether the endpoint has carried out the call: an attempt that was sent and not answered.
    doubt: Option<SendError>,
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

    /// Whether it still can be sent on: a key in a token or at a service takes its time to sign. What an endpoint says on a new
    /// connection is taken for its answer.
    fn is_fit(&mut self) -> bool {
        match self.origin {
            Origin::Pool => self.connection.is_fit(),
            Origin::New => self.connection.is_open(),
        }
    }
}

impl<'c> Attempts<'c> {
    pub(super) fn begin(client: &'c Client, repetition: Repetition) -> Self {
        client.budget.earn();
        Self { client, repetition, answer_by: None, stale_left: STALE, repeats_left: REPEATS, leave: None, doubt: None }
    }

    /// A connection to send on, pooled or new. It comes before the signature, which is then as fresh as it can be.
    ///
    /// # Errors
    /// The endpoint cannot be reached, or an attempt before this one was sent and its fate is unknown.
    pub async fn connection(&mut self) -> Result<Ready, SendError> {
        let now = Instant::now();
        if self.leave.is_none() {
            match self.client.breaker.admit(now) {
                Ok(leave) => self.leave = Some(leave),
                Err(outage) => return Err(self.give_up(SendError::Down(outage))),
            }
        }
        if self.stale_left > 0
            && let Some(connection) = self.client.pool.take(now)
        {
            return Ok(Ready { connection, origin: Origin::Pool, since: now });
        }
        // in a box: few calls need a new connection, and each would have room for the making of one
        let connected = Box::pin(self.connect()).await;
        match connected.as_ref().err().and_then(SendError::outage) {
            Some(outage) => self.leave.take().into_iter().for_each(|leave| leave.failed(outage)),
            // a certificate that is not trusted has at least been shown
            None => self.leave.iter_mut().for_each(Leave::connected),
        }
        match connected {
            Ok(connection) => Ok(Ready { connection, origin: Origin::New, since: Instant::now() }),
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// A new connection, within the time for one and with a second attempt in it.
    async fn connect(&mut self) -> Result<Box<Connection>, SendError> {
        let deadline = self.by(Instant::now(), self.client.timeouts.connect);
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

    /// Sends `request`, as of `now`, with the extra header fields that a route passes on. Breaks with the endpoint's answer when its head is
    /// here; continues when there is none and the call may be tried again, with another connection and a request signed anew.
    ///
    /// # Errors
    /// No answer, and no further attempt is allowed; `delivery` of the error says whether the endpoint may have received the
    /// call in any of them.
    pub async fn send(
        &mut self,
        mut ready: Ready,
        request: SignedRequest,
        forwarded: &Fields,
        now: Instant,
    ) -> Result<ControlFlow<Sent>, SendError> {
        let by = self.by(now, self.client.timeouts.first_byte);
        let answer_by = *self.answer_by.get_or_insert(by);
        let is_pooled = ready.origin == Origin::Pool;
        let sent = if ready.is_fit() {
            self.client.exchange(ready.connection, request, forwarded, answer_by).await
        } else {
            Err(SendError::NeverSent(io::ErrorKind::ConnectionAborted.into()))
        };
        let error = match sent {
            Ok(sent) => {
                self.leave.take().into_iter().for_each(Leave::answered);
                return Ok(ControlFlow::Break(sent));
            }
            Err(error) => error,
        };
        if let Some(outage) = error.outage() {
            self.leave.take().into_iter().for_each(|leave| leave.failed(outage));
        }
        match error.delivery() {
            Delivery::NotSent if is_pooled => {
                self.stale_left = self.stale_left.saturating_sub(1);
                Ok(ControlFlow::Continue(()))
            }
            Delivery::NotSent if self.pay() => Ok(ControlFlow::Continue(())),
            Delivery::MaybeSent if error.may_pass() && self.is_safe_once_more() && self.pay() => {
                self.doubt = Some(error);
                // the others were opened when that one was, and may fare like it
                self.stale_left = 0;
                Ok(ControlFlow::Continue(()))
            }
            Delivery::NotSent | Delivery::MaybeSent => Err(self.give_up(error)),
        }
    }

    /// Why it is not known whether the call was carried out, for whoever gives up between two attempts.
    #[must_use]
    pub fn doubt(&mut self) -> Option<SendError> {
        self.doubt.take()
    }

    /// One repeat and no more of what may have arrived, and only while an answer could still be in time.
    fn is_safe_once_more(&self) -> bool {
        let in_time = self.answer_by.is_some_and(|by| Instant::now() < by);
        self.repetition == Repetition::Safe && self.doubt.is_none() && in_time
    }

    fn pay(&mut self) -> bool {
        let Some(left) = self.repeats_left.checked_sub(1) else { return false };
        self.repeats_left = left;
        self.client.budget.spend()
    }

    /// What happened to an earlier attempt says more about the call than why the last one could not be made.
    fn give_up(&mut self, error: SendError) -> SendError {
        match error.delivery() {
            Delivery::NotSent => self.doubt.take().unwrap_or(error),
            Delivery::MaybeSent => error,
        }
    }

    /// The end of a step that begins `now` and may take `limit`, and no longer than the call as a whole.
    fn by(&self, now: Instant, limit: Duration) -> Instant {
        let by = now.checked_add(limit).unwrap_or(now);
        self.answer_by.map_or(by, |last| by.min(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{ClientIdentity, Policy};
    use crate::credentials::{AccessKeyId, Credentials, HeldKey, SecretAccessKey, SignatureMethod};
    use crate::query::{FormLimits, QueryForm};
    use crate::signing::{Profile, RequestTimestamp, SigningTarget, prepare};
    use crate::upstream::{BreakerLimits, CallSettings, Destination, EndpointSettings, PoolLimits, Timeouts, Trust};
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
        let profile = Profile { signature_method: SignatureMethod::HmacSha256 };
        let time = RequestTimestamp::at("2011-06-20T22:30:59.556Z".parse().unwrap());
        let unsealed = prepare(&allowed, &key, target, profile, &time);
        let mac = key.signing_key().mac(unsealed.method(), unsealed.string_to_sign());
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
                    host: "127.0.0.1".to_owned(),
                    port,
                    trust: Trust::Plaintext,
                    target: target.clone(),
                },
                timeouts: Timeouts { connect: SECOND, first_byte: SECOND, idle: SECOND },
                pool: PoolLimits { connections: 8, idle_timeout: SECOND },
                breaker: BreakerLimits { failures: 0, longest_pause: SECOND },
            };
            let destination = Arc::new(Destination::new("importexport", settings, None).unwrap());
            let client = Client::new(&destination).unwrap();
            let pool = client.pool.clone();
            pool.put(client.connect(Instant::now().checked_add(SECOND).unwrap()).await.unwrap(), None, Instant::now());
            let mut pooled = Some(listener.accept().unwrap().0);

            let mut attempts = client.call(Repetition::Unsafe);
            for _pooled_then_new in 0..2 {
                let ready = attempts.connection().await.unwrap();
                let mut endpoint = pooled.take().unwrap_or_else(|| listener.accept().unwrap().0);
                endpoint.shutdown(std::net::Shutdown::Write).unwrap();
                yield_now().await; // the runtime looks at all sockets
                let sent = attempts.send(ready, signed(&target), &Fields::default(), Instant::now()).await;
                assert!(matches!(sent, Ok(ControlFlow::Continue(()))));
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

//! The thread that asks the store: one connection, a few clients in each question, one question at a time.
//!
//! A client waits in the queue once at most, and is served in its turn, so however often one client calls, the others
//! wait for no more than the question before theirs.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use redis::Value;
use tokio::runtime::Builder;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

use super::connection::{Connection, HINTS, LEASE, REPLICAS, ScriptCall};
use super::replies;
use crate::error_chain::causes;
use crate::rates::client_rates::{Inbox, Sharing, SharingSettings, key_in_store};
use crate::rates::forecast::{Forecast, Question};
use crate::rates::hints::{Endpoints, MOST_REPORTS, Reports, hashed};
use crate::rates::location::{StoreFault, StoreServer};
use crate::rates::shared_client::SharedClient;
use crate::rates::state::{StoreState, WhenUnavailable};

/// How long the store may take for a question. Calls wait much shorter; after this it counts as away.
const ANSWER: Duration = Duration::from_millis(500);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// The pause before the second attempt to connect. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often this replica shows that it is there, and how long it counts without.
const BEAT: Duration = Duration::from_secs(2);
const LIFE_SECONDS: u32 = 10;
/// The most clients in one question.
const MOST_AT_ONCE: usize = 64;
/// How long giving tokens back may take at the end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The thread, to be told of the end.
#[derive(Debug)]
pub struct StoreThread {
    ending: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
}

impl StoreThread {
    /// Has the leased tokens given back. Does not wait for it.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Waits for the end of the thread, at most `limit` long.
    pub fn wait(self, limit: Duration) {
        let _ended_or_late = self.ended.recv_timeout(limit);
    }
}

/// Starts the thread. `now` reads the monotonic clock in nanoseconds.
///
/// # Errors
/// The system refuses a thread or what its runtime needs.
pub fn start(
    server: StoreServer,
    sharing: &Sharing,
    inbox: Inbox,
    endpoints: Box<dyn Endpoints>,
    now: fn() -> u64,
) -> io::Result<StoreThread> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (ending, told) = watch::channel(false);
    let (done, ended) = mpsc::channel();
    let settings = sharing.settings();
    let keeper = Keeper {
        server,
        state: Arc::clone(sharing.state()),
        settings: settings.clone(),
        replicas_key: key_in_store(&settings.namespace, "replicas", ""),
        hints_key: key_in_store(&settings.namespace, "hints", ""),
        endpoints,
        own_name: Uuid::new_v4().to_string(),
        inbox,
        now,
        active: BTreeMap::new(),
        connections: 0,
        outage: Outage::Unknown,
    };
    thread::Builder::new().name("rates".to_owned()).spawn(move || {
        runtime.block_on(keeper.run(told));
        // without waiting for a lookup of the store's name
        runtime.shutdown_background();
        let _nobody_waits = done.send(());
    })?;
    Ok(StoreThread { ending, ended })
}

/// Connects, and finds out whether the store does what it will be asked: with a question about a key that nobody uses.
///
/// # Errors
/// [`StoreFault`].
pub async fn try_out(server: &StoreServer, settings: &SharingSettings, limit: Duration) -> Result<(), StoreFault> {
    let whole = async {
        let mut connection = Connection::open(server).await?;
        let key = key_in_store(&settings.namespace, "check", &Uuid::new_v4().to_string());
        if settings.hints {
            let arguments = vec!["1".to_owned(), "1".to_owned()];
            let replies = connection.call(&[ScriptCall { script: &HINTS, key: &key, arguments }]).await?;
            replies::reported(replies.first().unwrap_or(&Value::Nil))?;
        }
        let arguments = vec!["check".to_owned(), "1".to_owned()];
        let replies = connection.call(&[ScriptCall { script: &REPLICAS, key: &key, arguments }]).await?;
        replies::replicas(replies.first().unwrap_or(&Value::Nil)).map(drop)
    };
    timeout(limit, whole).await.unwrap_or(Err(StoreFault::Late(limit)))
}

/// What the log was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Unknown,
    None,
    Told,
}

struct Keeper {
    server: StoreServer,
    state: Arc<StoreState>,
    settings: SharingSettings,
    replicas_key: String,
    hints_key: String,
    endpoints: Box<dyn Endpoints>,
    own_name: String,
    inbox: Inbox,
    now: fn() -> u64,
    /// The clients that have tokens, or owe calls, by their addresses.
    active: BTreeMap<usize, Arc<SharedClient>>,
    /// How many connections there have been.
    connections: u32,
    outage: Outage,
}

impl Keeper {
    async fn run(mut self, mut ending: watch::Receiver<bool>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let Err(fault) = self.connect_and_serve(&mut ending).await else { return };
            self.lost(&fault);
            if begun.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            select! {
                biased;
                _told = ending.wait_for(|ends| *ends) => return,
                () = sleep(spread(pause)) => {}
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Serves one connection. Returns `Ok` when the process ends.
    async fn connect_and_serve(&mut self, ending: &mut watch::Receiver<bool>) -> Result<(), StoreFault> {
        let opened = select! {
            biased;
            _told = ending.wait_for(|ends| *ends) => return Ok(()),
            opened = timeout(CONNECT, Connection::open(&self.server)) => opened,
        };
        let mut connection = opened.unwrap_or(Err(StoreFault::Late(CONNECT)))?;
        self.connections = self.connections.saturating_add(1);
        self.beat(&mut connection).await?;
        self.found();
        self.serve(&mut connection, ending).await
    }

    async fn serve(
        &mut self,
        connection: &mut Connection,
        ending: &mut watch::Receiver<bool>,
    ) -> Result<(), StoreFault> {
        let (mut beats, mut ticks) = (every(BEAT), every(self.settings.ahead));
        loop {
            let mut asking = Vec::new();
            select! {
                biased;
                _told = ending.wait_for(|ends| *ends) => {
                    let _late = timeout(LAST_WORDS, self.give_all_back(connection)).await;
                    return Ok(());
                }
                _ = beats.tick() => self.beat(connection).await?,
                // before the questions, so that they never keep a client's unused tokens from other replicas
                _ = ticks.tick() => self.settle(connection).await?,
                received = self.inbox.recv_many(&mut asking, MOST_AT_ONCE) => {
                    if received == 0 {
                        return Ok(());
                    }
                    self.ask(connection, asking).await?;
                }
            }
        }
    }

    /// Shows that this replica is there, and learns how many there are.
    async fn beat(&mut self, connection: &mut Connection) -> Result<(), StoreFault> {
        let arguments = vec![self.own_name.clone(), LIFE_SECONDS.to_string()];
        let call = ScriptCall { script: &REPLICAS, key: &self.replicas_key, arguments };
        let answered = timed(&self.state, connection, &[call]).await?;
        self.state.note_replicas(replies::replicas(answered.first().unwrap_or(&Value::Nil))?);
        if self.settings.hints { self.share_hints(connection).await } else { Ok(()) }
    }

    /// Reports the endpoints that this replica cannot reach, and learns which are reported.
    async fn share_hints(&mut self, connection: &mut Connection) -> Result<(), StoreFault> {
        let namespace = &self.settings.namespace;
        let own = self.endpoints.unreachable();
        let own = own.iter().take(MOST_REPORTS).map(|endpoint| hashed(namespace, endpoint));
        let arguments = [LIFE_SECONDS.to_string(), MOST_REPORTS.to_string()].into_iter().chain(own).collect();
        let call = ScriptCall { script: &HINTS, key: &self.hints_key, arguments };
        let answered = timed(&self.state, connection, &[call]).await?;
        let names = replies::reported(answered.first().unwrap_or(&Value::Nil))?;
        self.endpoints.note(&Reports::new(namespace.clone(), names));
        Ok(())
    }

    /// Settles with clients that nobody asks for: gives back what they do not use, and tells what they owe.
    async fn settle(&mut self, connection: &mut Connection) -> Result<(), StoreFault> {
        let (now, replicas) = ((self.now)(), self.state.replicas());
        self.active.retain(|_, client| !lock(client).is_over(&client.allowance));
        let has_news = |client: &&Arc<SharedClient>| {
            lock(client).has_news(&client.allowance, client.terms, replicas, now) && client.allowance.begin_asking()
        };
        let with_news: Vec<_> = self.active.values().filter(has_news).take(MOST_AT_ONCE).cloned().collect();
        if with_news.is_empty() { Ok(()) } else { self.ask(connection, with_news).await }
    }

    /// Asks for these clients, each of which has begun to ask.
    async fn ask(&mut self, connection: &mut Connection, clients: Vec<Arc<SharedClient>>) -> Result<(), StoreFault> {
        let (now, replicas) = ((self.now)(), self.state.replicas());
        let mut asked = Vec::with_capacity(clients.len());
        for client in clients {
            let (question, rate_owes) = {
                let mut forecast = lock(&client);
                let question = forecast.question(&client.allowance, client.terms, replicas, now);
                (question, forecast.is_known_on(self.connections))
            };
            if question.is_empty() {
                done(&client);
            } else {
                asked.push((client, question, rate_owes));
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let calls: Vec<_> = asked
            .iter()
            .map(|(client, question, rate_owes)| ScriptCall {
                script: &LEASE,
                key: &client.key,
                arguments: replies::lease_arguments(client.terms, *question, *rate_owes),
            })
            .collect();
        let answered = timed(&self.state, connection, &calls).await;
        drop(calls);
        let outcome = answered.and_then(|values| self.heard(&asked, &values));
        for (client, question, _) in &asked {
            if outcome.is_err() {
                client.allowance.still_owed(question.owed);
            }
            done(client);
            self.active.insert(Arc::as_ptr(client).addr(), Arc::clone(client));
        }
        outcome
    }

    fn heard(&self, asked: &[(Arc<SharedClient>, Question, bool)], values: &[Value]) -> Result<(), StoreFault> {
        // all or nothing: a store that answers nonsense about one client is trusted with none
        let replies: Vec<_> = asked
            .iter()
            .zip(values)
            .map(|((_, question, _), value)| replies::lease(value, *question))
            .collect::<Result<_, _>>()?;
        let now = (self.now)();
        for ((client, question, _), reply) in asked.iter().zip(replies) {
            lock(client).heard(&client.allowance, client.terms, *question, reply, now);
            self.state.count_tokens(reply.granted, question.returned);
        }
        Ok(())
    }

    /// The process ends: what was leased is for the other replicas.
    async fn give_all_back(&mut self, connection: &mut Connection) {
        for client in self.active.values() {
            let (returned, owed) = (client.allowance.take_out(u32::MAX), client.allowance.take_owed());
            let question = Question { wanted: 0, returned, owed };
            let arguments = replies::lease_arguments(client.terms, question, true);
            let call = ScriptCall { script: &LEASE, key: &client.key, arguments };
            if !question.is_empty() && connection.call(&[call]).await.is_err() {
                return;
            }
        }
    }

    fn found(&mut self) {
        match self.outage {
            Outage::None => {}
            Outage::Unknown => tracing::info!("the store of rates is in use"),
            Outage::Told => tracing::info!("the store of rates is back: clients share their rates again"),
        }
        self.outage = Outage::None;
    }

    fn lost(&mut self, fault: &StoreFault) {
        self.state.is_away(self.outage != Outage::Told);
        if self.outage != Outage::Told {
            let error = causes(fault);
            let meanwhile = match self.settings.when_unavailable {
                WhenUnavailable::Local => "each replica applies the rates of clients alone",
                WhenUnavailable::Refuse => "calls of clients with a rate or a quota are refused",
            };
            tracing::warn!(error, "the store of rates is away: {meanwhile}, until it is back");
        }
        self.outage = Outage::Told;
    }
}

/// Calls scripts, and notes how long the store took.
async fn timed(
    state: &StoreState,
    connection: &mut Connection,
    calls: &[ScriptCall<'_>],
) -> Result<Vec<Value>, StoreFault> {
    let begun = Instant::now();
    let values = timeout(ANSWER, connection.call(calls)).await.unwrap_or(Err(StoreFault::Late(ANSWER)))?;
    state.answered(begun.elapsed());
    Ok(values)
}

/// Lets the client be asked for again, and its calls look for their tokens.
fn done(client: &SharedClient) {
    client.allowance.end_asking();
    client.answered.notify_waiters();
}

fn lock(client: &SharedClient) -> MutexGuard<'_, Forecast> {
    let forecast: &Mutex<Forecast> = &client.forecast;
    forecast.lock().unwrap_or_else(PoisonError::into_inner)
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// From half the pause to one and a half, so that replicas that lost the store together do not come back together.
fn spread(pause: Duration) -> Duration {
    let [first, ..] = Uuid::new_v4().into_bytes();
    pause.saturating_mul(128_u32.saturating_add(first.into())).checked_div(256).unwrap_or(pause)
}

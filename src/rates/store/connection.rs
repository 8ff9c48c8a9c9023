//! A connection to the store: made by us, spoken on by the library.

use std::io;
use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisConnectionInfo, RedisError, Script, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::bounded::{Bounded, Limit};
use crate::rates::location::{StoreAddress, StoreFault, StoreServer};
use crate::trust::told;

/// The scripts, with the hashes that the store knows them by.
pub(super) static LEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease.lua")));
pub(super) static REPLICAS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("replicas.lua")));
pub(super) static HINTS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("hints.lua")));

/// The longest reply to one command, in bytes: five numbers, the names of 25 endpoints, or an error.
const LONGEST_REPLY: usize = 1024;
/// The most of an error that is logged, in characters.
const LONGEST_ERROR: usize = 200;

/// A connection on which we are who the configuration says.
pub(super) struct Connection {
    library: MultiplexedConnection,
    limit: Limit,
    /// Aborted with the connection.
    _driver: JoinSet<()>,
}

/// A call of a script.
pub(super) struct ScriptCall<'a> {
    pub(super) script: &'static Script,
    /// The one key: in a cluster, keys may be on different servers.
    pub(super) key: &'a str,
    pub(super) arguments: Vec<String>,
}

impl ScriptCall<'_> {
    fn by(&self, command: &str, script: &str) -> Cmd {
        let mut by = redis::cmd(command);
        by.arg(script).arg(1).arg(self.key).arg(&self.arguments);
        by
    }
}

impl Connection {
    /// Connects. It may block on files.
    pub(super) async fn open(server: &StoreServer) -> Result<Self, StoreFault> {
        match &server.location.address {
            StoreAddress::Unix(path) => {
                Self::over(server, UnixStream::connect(path).await.map_err(StoreFault::Connect)?).await
            }
            StoreAddress::Tcp(host, port) => {
                let security = server.security()?;
                let tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(StoreFault::Connect)?;
                // each question is one small packet, for which calls may wait
                tcp.set_nodelay(true).map_err(StoreFault::Connect)?;
                match security {
                    None => Self::over(server, tcp).await,
                    Some((config, name)) => {
                        let failed = |error: io::Error| StoreFault::Tls(told(error));
                        let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(failed)?;
                        Self::over(server, tls).await
                    }
                }
            }
        }
    }

    async fn over<S>(server: &StoreServer, stream: S) -> Result<Self, StoreFault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let limit = Limit::default();
        limit.set(LONGEST_REPLY);
        // who we are is said below: the library would keep the password as long as the connection lasts
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let stream = Bounded::new(stream, limit.clone());
        let made = MultiplexedConnection::new_with_config(&nobody, stream, config).await;
        let (library, driver) = made.map_err(|error| fault(&error))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(driver);
        let mut connection = Self { library, limit, _driver: tasks };
        connection.identify(server).await?;
        Ok(connection)
    }

    async fn identify(&mut self, server: &StoreServer) -> Result<(), StoreFault> {
        if let Some(password) = server.password()? {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = &server.location.user {
                auth.arg(user);
            }
            auth.arg(password.as_str());
            self.command(&auth).await.map_err(without_password)?;
        }
        if server.location.database != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(server.location.database);
            self.command(&select).await?;
        }
        Ok(())
    }

    /// Has a command carried out.
    pub(super) async fn command(&mut self, command: &Cmd) -> Result<Value, StoreFault> {
        self.limit.set(LONGEST_REPLY);
        let reply = self.library.send_packed_command(command).await.map_err(|error| fault(&error))?;
        no_error(reply)
    }

    /// Calls scripts, all of them at once, and returns their replies in order.
    pub(super) async fn call(&mut self, calls: &[ScriptCall<'_>]) -> Result<Vec<Value>, StoreFault> {
        let by_hash = calls.iter().map(|call| call.by("EVALSHA", call.script.get_hash()));
        let replies = self.pipelined(by_hash, calls.len()).await?;
        if !replies.iter().any(is_unknown_script) {
            return replies.into_iter().map(no_error).collect();
        }
        // the store has been started anew, or its scripts were flushed: what it does not know was not carried out
        let mut complete = Vec::with_capacity(calls.len());
        for (call, reply) in calls.iter().zip(replies) {
            let reply = if is_unknown_script(&reply) {
                let whole = std::iter::once(call.by("EVAL", code(call.script)));
                self.pipelined(whole, 1).await?.pop().unwrap_or(Value::Nil)
            } else {
                reply
            };
            complete.push(no_error(reply)?);
        }
        Ok(complete)
    }

    async fn pipelined(&mut self, commands: impl Iterator<Item = Cmd>, count: usize) -> Result<Vec<Value>, StoreFault> {
        let mut pipeline = Pipeline::with_capacity(count);
        for command in commands {
            pipeline.add_command(command);
        }
        self.limit.set(LONGEST_REPLY.saturating_mul(count));
        let replies = self.library.send_packed_commands(&pipeline, 0, count).await.map_err(|error| fault(&error))?;
        if replies.len() == count { Ok(replies) } else { Err(StoreFault::Nonsense("a reply is missing")) }
    }
}

fn code(script: &Script) -> &'static str {
    match script.get_hash() {
        hash if hash == LEASE.get_hash() => include_str!("lease.lua"),
        hash if hash == HINTS.get_hash() => include_str!("hints.lua"),
        _ => include_str!("replicas.lua"),
    }
}

fn is_unknown_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

fn no_error(reply: Value) -> Result<Value, StoreFault> {
    let Value::ServerError(error) = &reply else { return Ok(reply) };
    let detail = error.details().unwrap_or_default();
    Err(StoreFault::Refused(shortened(&format!("{} {detail}", error.code()))))
}

fn fault(error: &RedisError) -> StoreFault {
    let refused = matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed);
    let text = shortened(&error.to_string());
    if refused { StoreFault::Refused(text) } else { StoreFault::Broken(text) }
}

/// A fault of `AUTH` without the store's text, which may repeat the password: servers without this command quote it.
fn without_password(fault: StoreFault) -> StoreFault {
    const CODES: [&str; 4] = ["WRONGPASS", "NOPERM", "LOADING", "ERR"];
    let StoreFault::Refused(text) = fault else { return fault };
    let code = CODES.into_iter().find(|code| text.starts_with(code)).unwrap_or("an unknown error");
    StoreFault::Refused(format!("{code} in response to AUTH (the rest may repeat the password, and is not shown)"))
}

/// What the store says is not to be trusted: it writes no lines, and no long ones.
fn shortened(text: &str) -> String {
    text.trim().chars().take(LONGEST_ERROR).flat_map(char::escape_debug).collect()
}

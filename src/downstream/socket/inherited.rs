//! Sockets that a service manager has bound for us (systemd's socket activation), found by their names.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::sockopt;
use thiserror::Error;

use super::listener::{ListenerSocket, bound_unsent};

/// Why an inherited socket cannot be used.
#[derive(Debug, Error)]
pub enum InheritedError {
    /// `LISTEN_FDS` and its companion variables contradict each other.
    #[error("LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES do not describe sockets handed to this process")]
    Environment(#[source] io::Error),
    /// No socket has this name.
    #[error("no socket named {name:?} was handed to this process; {}", given(.names))]
    Missing {
        /// The name.
        name: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// Several sockets have this name.
    #[error(
        "{count} sockets are named {name:?}: give each unit with one ListenStream= a FileDescriptorName= of its own"
    )]
    Ambiguous {
        /// The name.
        name: String,
        /// How many.
        count: usize,
    },
    /// Another listener uses it.
    #[error("the socket named {0:?} is used by another listener already")]
    Taken(String),
    /// It is a datagram socket, a FIFO or a file.
    #[error("{0:?} is neither a TCP nor a Unix stream socket: write ListenStream= in its unit")]
    WrongKind(String),
    /// The socket does not listen: it is a connection (`Accept=yes`), or was only bound.
    #[error("{0:?} is not a listening socket: write Accept=no in its unit")]
    NotListening(String),
    /// Anything else the system said.
    #[error("the socket named {name:?} cannot be used")]
    Io {
        /// The name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

fn given(names: &[String]) -> String {
    if names.is_empty() { "none was".to_owned() } else { format!("there are {}", names.join(", ")) }
}

/// The sockets that were handed to this process.
pub struct InheritedSockets {
    sockets: ListenFd,
    /// Indices into `sockets`, by name.
    places: BTreeMap<String, Vec<usize>>,
}

impl InheritedSockets {
    /// Takes the sockets from the environment. Call it once, before there are other threads: it removes `LISTEN_FDS`
    /// and `LISTEN_PID`, so that no child process takes the sockets for its own.
    ///
    /// # Errors
    /// [`InheritedError::Environment`]. Having inherited no socket is not an error.
    pub fn from_environment() -> Result<Self, InheritedError> {
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        // sd-notify knows the names and closes all of them on exec; listenfd makes sockets of them without unsafe code
        // here
        let named = sd_notify::listen_fds_with_names().map_err(InheritedError::Environment)?;
        for (place, (_descriptor, name)) in named.enumerate() {
            places.entry(name).or_default().push(place);
        }
        // sd-notify insists on LISTEN_PID being ours, listenfd does not
        let sockets = if places.is_empty() { ListenFd::empty() } else { ListenFd::from_env() };
        Ok(Self { sockets, places })
    }

    /// All names, taken or not. One that the configuration does not mention is worth a warning.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Takes the socket with this name: TCP or Unix, and listening.
    ///
    /// # Errors
    /// [`InheritedError`].
    pub fn take(&mut self, name: &str) -> Result<ListenerSocket, InheritedError> {
        let place = match self.places.get(name).map(Vec::as_slice) {
            None | Some([]) => {
                let names = self.names().map(str::to_owned).collect();
                return Err(InheritedError::Missing { name: name.to_owned(), names });
            }
            Some([place]) => *place,
            Some(several) => return Err(InheritedError::Ambiguous { name: name.to_owned(), count: several.len() }),
        };
        let socket = self.take_stream(place).map_err(|_| InheritedError::WrongKind(name.to_owned()))?;
        let socket = socket.ok_or_else(|| InheritedError::Taken(name.to_owned()))?;
        let failed = |source| InheritedError::Io { name: name.to_owned(), source };
        let listening = match &socket {
            ListenerSocket::Tcp(socket) => sockopt::socket_acceptconn(socket),
            ListenerSocket::Unix(socket) => sockopt::socket_acceptconn(socket),
        };
        if !listening.map_err(|error| failed(error.into()))? {
            return Err(InheritedError::NotListening(name.to_owned()));
        }
        match &socket {
            ListenerSocket::Tcp(socket) => {
                bound_unsent(socket);
                socket.set_nonblocking(true)
            }
            ListenerSocket::Unix(socket) => socket.set_nonblocking(true),
        }
        .map_err(failed)?;
        Ok(socket)
    }

    /// An error means that the descriptor is of another kind; it then stays available.
    fn take_stream(&mut self, place: usize) -> io::Result<Option<ListenerSocket>> {
        let tcp: io::Result<Option<TcpListener>> = self.sockets.take_tcp_listener(place);
        if let Ok(socket) = tcp {
            return Ok(socket.map(ListenerSocket::Tcp));
        }
        let unix: io::Result<Option<UnixListener>> = self.sockets.take_unix_listener(place);
        Ok(unix?.map(ListenerSocket::Unix))
    }
}

//! Listening sockets, one for every worker.
//!
//! On a TCP port that we bind ourselves, each worker's socket has its own queue (`SO_REUSEPORT`), and the kernel
//! spreads the connections over them. A Unix socket, or one that we inherit, has only one queue: every worker has a
//! descriptor for it, and whichever worker is free accepts the next connection.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::bound::{Bound, OwnerLookup};
use crate::downstream::peer::tls::ReloadableTls;

/// A TCP socket to be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSocket {
    /// Its address and port. Port 0: any free one.
    pub address: SocketAddr,
    /// Whether an IPv6 socket takes IPv4 connections.
    pub families: Families,
}

/// From which addresses a socket on `[::]` takes connections. Set on every IPv6 socket, because what the system does by
/// itself is a setting of its own (`net.ipv6.bindv6only`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// From those of its own family.
    Own,
    /// IPv4 addresses too: RFC 3493 section 3.7.
    Both,
}

impl TcpSocket {
    /// A socket for the family of `address` alone.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self { address, families: Families::Own }
    }
}

/// One worker's listening socket, not yet registered with a runtime. It is non-blocking.
#[derive(Debug)]
pub enum ListenerSocket {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// Whether a listener speaks TLS, and whether it asks the kernel about its peers.
#[derive(Clone)]
pub enum Security {
    /// No TLS; the kernel may be asked who owns the other end.
    Plain(OwnerLookup),
    /// TLS. Not on Unix sockets, where the kernel gives better evidence.
    Tls(Arc<ReloadableTls>),
}

impl Security {
    /// Whether connections that began under one setting may go on under the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain(one), Self::Plain(other)) => one == other,
            (Self::Tls(one), Self::Tls(other)) => Arc::ptr_eq(one, other),
            (Self::Plain(_), Self::Tls(_)) | (Self::Tls(_), Self::Plain(_)) => false,
        }
    }
}

/// The address that a listener is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP, with the port the kernel chose.
    Tcp(SocketAddr),
    /// A Unix socket's path; `None` for an inherited socket without one.
    Unix(Option<PathBuf>),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(Some(path)) => write!(f, "unix:{}", path.display()),
            Self::Unix(None) => f.write_str("unix:unnamed"),
        }
    }
}

impl ListenerSocket {
    /// One socket per worker: this one and clones of it, which share its queue.
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub fn share(self, workers: usize) -> io::Result<Vec<Self>> {
        let mut shares = Vec::new();
        for _ in 1..workers {
            shares.push(match &self {
                Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
                Self::Unix(socket) => Self::Unix(socket.try_clone()?),
            });
        }
        shares.push(self);
        Ok(shares)
    }

    /// The address, as the kernel has it. For a Unix socket that we have bound this is the temporary name under which
    /// it was made: ask [`super::unix_socket::SocketPath`] instead.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(socket) => socket.local_addr().map(ListenAddress::Tcp),
            Self::Unix(socket) => {
                socket.local_addr().map(|address| ListenAddress::Unix(address.as_pathname().map(PathBuf::from)))
            }
        }
    }

    /// Registers it with the runtime of the calling worker.
    ///
    /// # Errors
    /// The system is out of descriptors, or TLS is asked for on a Unix socket.
    pub fn into_bound(self, security: &Security) -> io::Result<Bound> {
        match (self, security) {
            (Self::Tcp(socket), Security::Plain(_) | Security::Tls(_)) => {
                tokio::net::TcpListener::from_std(socket).map(Bound::Tcp)
            }
            (Self::Unix(socket), Security::Plain(_)) => tokio::net::UnixListener::from_std(socket).map(Bound::Unix),
            (Self::Unix(_), Security::Tls(_)) => Err(tls_on_unix_socket()),
        }
    }
}

/// Cannot happen: the configuration refuses such a listener.
pub(in crate::downstream) fn tls_on_unix_socket() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "TLS is for TCP listeners")
}

/// How many connections the kernel may queue for a worker that has not accepted them yet.
const BACKLOG: i32 = 1024;

/// Binds `workers` TCP sockets to one address with `SO_REUSEPORT`. With port 0 the kernel chooses once, for all of
/// them.
///
/// # Errors
/// The kernel's error for the first socket that could not be bound: the port is in use, or not permitted.
pub fn bind(socket: TcpSocket, workers: usize) -> io::Result<Vec<TcpListener>> {
    rehearse(socket)?;
    let first = bind_one(socket)?;
    let chosen = TcpSocket { address: first.local_addr()?, ..socket };
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(bind_one(chosen)?);
    }
    Ok(listeners)
}

/// Whether nobody listens at the address and this process may. The socket that finds out never listens: no client can
/// connect to it, and two rehearsals at the same time do not hinder each other.
///
/// With `SO_REUSEPORT`, the kernel would let a second process of the same user bind a port that is in use, and silently
/// give it half of the connections. So the port must first be free for a plain bind.
///
/// # Errors
/// The kernel's error, as for [`bind`].
pub fn rehearse(socket: TcpSocket) -> io::Result<()> {
    made(socket)?.bind(&socket.address.into())
}

fn made(TcpSocket { address, families }: TcpSocket) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(families == Families::Own)?;
    }
    // connections of a predecessor that are still closing do not hold the port
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn bind_one(wanted: TcpSocket) -> io::Result<TcpListener> {
    let socket = made(wanted)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    bound_unsent(&socket);
    socket.bind(&wanted.address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How many bytes the kernel takes for a connection before the ones it has are on their way. It says that it takes more
/// when half of them are; what is written at once may exceed it.
const UNSENT: u32 = 16 * 1024;

/// Bounds what connections of a listening socket may have in the kernel's memory and not yet sent. Without it, a
/// response of up to 4 MiB (`net.ipv4.tcp_wmem`) disappears there: a client that reads nothing holds that much memory,
/// and it cannot be seen that a slow client reads until it has read a third of it. Bytes in flight have no such bound,
/// so it costs no throughput. Connections inherit the option: no system call for each of them.
pub(super) fn bound_unsent(listening: &impl AsFd) {
    // without this option of the kernel, only the measurement is coarser
    let _best_effort = SockRef::from(listening).set_tcp_notsent_lowat(UNSENT);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> TcpSocket {
        TcpSocket::at(address.parse().unwrap())
    }

    #[test]
    fn every_worker_gets_a_socket_on_the_port_the_kernel_chose() {
        let listeners = bind(at("127.0.0.1:0"), 3).unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[test]
    fn a_connection_inherits_the_bound_of_what_is_not_sent() {
        let listeners = bind(at("127.0.0.1:0"), 1).unwrap();
        let _client = std::net::TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
        // the socket does not wait, but the connection of a client that has connected may be a moment late
        let accepted = loop {
            if let Ok((accepted, _)) = listeners[0].accept() {
                break accepted;
            }
        };
        assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT);
    }

    #[test]
    fn a_port_that_another_process_serves_is_refused() {
        let taken = bind(at("127.0.0.1:0"), 1).unwrap();
        let again = bind(TcpSocket::at(taken[0].local_addr().unwrap()), 1);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let everywhere = SocketAddr::new([0, 0, 0, 0].into(), taken[0].local_addr().unwrap().port());
        assert_eq!(rehearse(TcpSocket::at(everywhere)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn both_families_can_be_served_on_the_same_port() {
        let first = bind(at("0.0.0.0:0"), 1).unwrap();
        let port = first[0].local_addr().unwrap().port();
        bind(at(&format!("[::]:{port}")), 1).unwrap();
    }

    #[test]
    fn a_socket_for_both_families_takes_ipv4_and_leaves_no_address_of_it_to_others() {
        let both = TcpSocket { families: Families::Both, ..at("[::]:0") };
        let listeners = bind(both, 2).unwrap();
        let port = listeners[0].local_addr().unwrap().port();
        for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
            std::net::TcpStream::connect(&address).unwrap();
            assert_eq!(rehearse(at(&address)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        let own = bind(at("[::]:0"), 1).unwrap();
        let address = format!("127.0.0.1:{}", own[0].local_addr().unwrap().port());
        rehearse(at(&address)).unwrap();
    }
}

//! Finds who owns the other end of a loopback TCP connection, with the kernel's socket diagnostics.
//!
//! For clients that cannot use Unix sockets, which are simpler and preferable. The uid is that of the process that made
//! the client's socket; a process that is given the descriptor later acts in the name of the first, as with files.
//!
//! The answer has to be about *this* connection. A client could send a request, reset its connection, and wait for
//! another user's program to come from the same port. So the other end must be `ESTABLISHED` between exactly our two
//! addresses, and *afterwards* our own end, identified by its cookie, must still be so: while it is, nobody else can
//! have completed a handshake on that pair. Any other result (a half-closed socket, one in `TIME_WAIT`, the listener
//! itself) proves nothing.
//!
//! Under systemd, `RestrictAddressFamilies=` must allow `AF_NETLINK`. No privilege is needed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::net::{connect, recv, send, socket_with};
use tokio::net::TcpStream;

use super::evidence::OVERFLOW_ID;
use crate::downstream::socket::canonical;

// from linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h, netinet/tcp.h: fixed for ever, being the kernel's ABI
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
const TCP_ESTABLISHED: u8 = 1;
const NO_COOKIE: u64 = u64::MAX;

/// A request: a header of 16 bytes and `struct inet_diag_req_v2`.
const REQUEST_LENGTH: u32 = 72;

/// Checks whether the kernel answers such questions here at all. Ask once at start: later, a failure only means that
/// there is no evidence.
///
/// # Errors
/// The kernel's error: the address family is forbidden to us, or the kernel was built without `CONFIG_INET_DIAG`.
pub fn available() -> io::Result<()> {
    let nowhere = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0);
    match Diagnostics::open()?.ask(nowhere, nowhere, NO_COOKIE) {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NOENT.raw_os_error()) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The uid that owns the other end of `stream`, if it is a loopback connection and the answer is certain.
#[must_use]
pub fn owner(stream: &TcpStream) -> Option<u32> {
    match ask(stream) {
        Ok(owner) => owner,
        Err(error) => {
            tracing::debug!(
                target: "countersign::connection",
                %error,
                "the owner of a loopback connection cannot be told"
            );
            None
        }
    }
}

fn ask(stream: &TcpStream) -> io::Result<Option<u32>> {
    // a socket for both families shows IPv4 peers as v4-mapped; the kernel looks both up in one table, by the IPv4
    // address
    let ours = canonical(stream.local_addr()?);
    let theirs = canonical(stream.peer_addr()?);
    if !ours.ip().is_loopback() || !theirs.ip().is_loopback() {
        return Ok(None);
    }
    certain_owner(stream, ours, theirs)
}

fn certain_owner(stream: impl AsFd, ours: SocketAddr, theirs: SocketAddr) -> io::Result<Option<u32>> {
    let cookie = sockopt::socket_cookie(stream)?;
    let diagnostics = Diagnostics::open()?;
    let other_end = diagnostics.ask(theirs, ours, NO_COOKIE)?;
    let this_end = diagnostics.ask(ours, theirs, cookie)?; // in this order: see above
    let certain = other_end.connects(theirs, ours) && this_end.connects(ours, theirs);
    Ok(Some(other_end.uid).filter(|uid| certain && *uid != OVERFLOW_ID))
}

/// A socket to the kernel's diagnostics.
struct Diagnostics(OwnedFd);

impl Diagnostics {
    fn open() -> io::Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
        // connected to the kernel (port 0), it takes messages from nobody else
        connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self(socket))
    }

    /// What the kernel knows of the socket bound to `local` and connected to `remote`, and of no other: not a search.
    fn ask(&self, local: SocketAddr, remote: SocketAddr, cookie: u64) -> io::Result<Answer> {
        send(&self.0, &request(local, remote, cookie), SendFlags::empty())?;
        let mut buffer = [0; 1024];
        // the kernel answers before `send` returns, so there is nothing to wait for
        let (received, _) = recv(&self.0, &mut buffer, RecvFlags::DONTWAIT)?;
        let answer = buffer.get(..received).unwrap_or_default();
        Answer::read(answer).unwrap_or_else(|| Err(io::Error::other("the kernel's answer cannot be understood")))
    }
}

fn request(local: SocketAddr, remote: SocketAddr, cookie: u64) -> Vec<u8> {
    let mut message = Vec::new();
    // struct nlmsghdr: length, type, flags, sequence number, port
    message.extend(REQUEST_LENGTH.to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    // struct inet_diag_req_v2: family, protocol, extensions, padding, states (of no effect on an exact question)
    message.extend([family(local), IPPROTO_TCP, 0, 0]);
    message.extend(u32::MAX.to_ne_bytes());
    // struct inet_diag_sockid
    message.extend(pair(local, remote));
    message.extend(0_u32.to_ne_bytes()); // any interface
    let (low, high) = (cookie & u64::from(u32::MAX), cookie >> 32);
    for half in [low, high] {
        message.extend(u32::try_from(half).unwrap_or(u32::MAX).to_ne_bytes());
    }
    message
}

const fn family(address: SocketAddr) -> u8 {
    match address {
        SocketAddr::V4(_) => AF_INET,
        SocketAddr::V6(_) => AF_INET6,
    }
}

/// Ports and addresses as `struct inet_diag_sockid` begins.
fn pair(local: SocketAddr, remote: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    for address in [local, remote] {
        bytes.extend(address.port().to_be_bytes());
    }
    for address in [local, remote] {
        let mut words = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        words.resize(16, 0);
        bytes.extend(words);
    }
    bytes
}

/// What `struct inet_diag_msg` says of a socket.
struct Answer {
    family: u8,
    state: u8,
    pair: [u8; 36],
    uid: u32,
}

impl Answer {
    /// `None` if this is not an answer of the kernel; an error if the kernel reports one.
    fn read(mut message: &[u8]) -> Option<io::Result<Self>> {
        let _length = take::<4>(&mut message)?;
        let kind = u16::from_ne_bytes(take(&mut message)?);
        let _flags_sequence_port = take::<10>(&mut message)?;
        if kind != SOCK_DIAG_BY_FAMILY {
            // struct nlmsgerr: the errno, negated
            let errno = i32::from_ne_bytes(take(&mut message)?);
            return Some(Err(io::Error::from_raw_os_error(errno.checked_neg()?)));
        }
        let [family, state, _timer, _retransmits] = take(&mut message)?;
        let pair = take(&mut message)?;
        let _interface_and_cookie = take::<12>(&mut message)?;
        let _expires_and_queues = take::<12>(&mut message)?;
        let uid = u32::from_ne_bytes(take(&mut message)?);
        Some(Ok(Self { family, state, pair, uid }))
    }

    /// The kernel falls back to a listening socket when no connection fits: so the addresses are compared, too. A
    /// socket of the other family, connected to a v4-mapped address, is shown with that family and the mapped
    /// addresses.
    fn connects(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let shown_as = |local, remote| self.family == family(local) && self.pair.as_slice() == pair(local, remote);
        self.state == TCP_ESTABLISHED && (shown_as(local, remote) || shown_as(mapped(local), mapped(remote)))
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    #[test]
    fn a_connection_that_took_the_place_of_ours_between_our_questions_is_no_evidence() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = listener.local_addr().unwrap();
        // from an address that nobody else connects from, who might be given the port in between
        let from = |address: SocketAddr| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&address.into()).unwrap();
            socket.connect(&ours.into()).unwrap();
            TcpStream::from(socket)
        };
        let first = from("127.91.7.3:0".parse().unwrap());
        let theirs = first.local_addr().unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(certain_owner(&accepted, ours, theirs).unwrap().is_some());
        socket2::SockRef::from(&first).set_linger(Some(Duration::ZERO)).unwrap();
        drop(first); // a reset
        let _second = from(theirs);
        let (successor, _) = listener.accept().unwrap();
        assert!(certain_owner(&successor, ours, theirs).unwrap().is_some(), "the same two addresses");
        assert!(!matches!(certain_owner(&accepted, ours, theirs), Ok(Some(_))));
    }

    #[test]
    fn a_listening_socket_is_no_evidence() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = listener.local_addr().unwrap();
        let nobody = SocketAddr::new(listening.ip(), 1);
        // nobody is connected to it from port 1, so the kernel falls back to the listener: state LISTEN
        let answer = Diagnostics::open().unwrap().ask(listening, nobody, NO_COOKIE).unwrap();
        assert!(!answer.connects(listening, nobody));
    }

    #[test]
    fn an_answer_that_is_cut_off_or_an_error_is_understood_as_such() {
        assert!(Answer::read(&[0; 80]).is_none_or(|answer| answer.is_err()));
        assert!(Answer::read(&[]).is_none());
        let mut refused = vec![0; 4];
        refused.extend(2_u16.to_ne_bytes()); // NLMSG_ERROR
        refused.extend([0; 10]);
        refused.extend((-2_i32).to_ne_bytes());
        let error = Answer::read(&refused).unwrap().err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

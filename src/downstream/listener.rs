//! Binding: every worker gets a socket of its own on the same address, and the kernel spreads connections over them.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel may hold for a worker that has not accepted them yet.
const BACKLOG: i32 = 1024;

/// Binds `workers` sockets to `address` with `SO_REUSEPORT`. With port 0 the kernel chooses once, for all of them.
///
/// # Errors
/// What the kernel says, of the first socket that could not be bound: the port in use, or not permitted.
pub fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
    refuse_if_in_use(address)?;
    let first = bind_one(address)?;
    let chosen = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(bind_one(chosen)?);
    }
    Ok(listeners)
}

/// With `SO_REUSEPORT`, a second process of the same user could be given every other connection of a port that a first one
/// serves, in silence. So the port must be free for a plain bind first.
fn refuse_if_in_use(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    TcpListener::bind(address).map(drop)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // `[::]` means IPv6; who wants both says both
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_a_socket_on_the_port_the_kernel_chose() {
        let listeners = bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0), "{ports:?}");
    }

    #[test]
    fn a_port_that_another_process_serves_is_refused() {
        let taken = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let again = bind(taken[0].local_addr().unwrap(), 1);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}

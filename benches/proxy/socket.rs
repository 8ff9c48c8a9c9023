//! A non-blocking socket, TCP or Unix, with or without TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

/// Where a proxy listens.
#[derive(Clone, Debug)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

pub struct Socket {
    stream: Stream,
    tls: Option<Box<Connection>>,
}

impl Socket {
    pub fn connect(address: &Address, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let stream = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Stream::Tcp(stream)
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Stream::Unix(stream)
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let tls = tls.map(|tls| Box::new(ClientConnection::new(Arc::clone(tls), name).unwrap().into()));
        Ok(Self { stream, tls })
    }

    pub fn accepted(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Self {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        let tls = tls.map(|tls| Box::new(ServerConnection::new(Arc::clone(tls)).unwrap().into()));
        Self { stream: Stream::Tcp(stream), tls }
    }

    pub const fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether a read of `count` bytes into a buffer of `room` bytes took everything: then epoll reports the next byte.
    pub const fn is_drained(&self, count: usize, room: usize) -> bool {
        self.tls.is_none() && count < room
    }

    pub fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.read(room) };
        loop {
            match tls.reader().read(room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let received = tls.read_tls(&mut self.stream)?;
            tls.process_new_packets().map_err(io::Error::other)?;
            flush(tls, &mut self.stream);
            if received == 0 {
                return Ok(0);
            }
        }
    }

    /// Writes as much as the socket takes; an error of kind `WouldBlock` if it takes nothing.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.stream.write(bytes) };
        flush(tls, &mut self.stream);
        let count = tls.writer().write(bytes)?;
        flush(tls, &mut self.stream);
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    /// Sends the TLS records that wait in the session.
    pub fn flush(&mut self) {
        if let Some(tls) = &mut self.tls {
            flush(tls, &mut self.stream);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn flush(tls: &mut Connection, stream: &mut Stream) {
    while tls.wants_write() && tls.write_tls(stream).is_ok() {}
}

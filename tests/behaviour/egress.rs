//! An egress proxy that opens every tunnel, for tests of what a route makes of one.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Opens every tunnel that it is asked for. Its thread ends with the process.
pub struct EgressProxy {
    scheme: &'static str,
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl EgressProxy {
    pub fn in_clear() -> Self {
        Self::serving("http", |client, heads| {
            let reader = client.try_clone().unwrap();
            tunnel(client, reader, &heads)
        })
    }

    /// Speaks TLS with its clients. Inside, one thread carries both directions by turns: what the endpoint says is
    /// waited for only when the client has said something.
    pub fn over_tls(config: ServerConfig) -> Self {
        let config = Arc::new(config);
        Self::serving("https", move |client, heads| {
            let session = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            let mut client = StreamOwned::new(session, client);
            let mut server = opened(&mut client, &heads)?;
            client.sock.set_nonblocking(true)?;
            server.set_nonblocking(true)?;
            let mut open = true;
            while open {
                open = carried(&mut client, &mut server)? && carried(&mut server, &mut client)?;
                thread::yield_now();
            }
            Ok(())
        })
    }

    fn serving(
        scheme: &'static str,
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::default());
        let (serve, theirs) = (Arc::new(serve), Arc::clone(&heads));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (serve, heads) = (Arc::clone(&serve), Arc::clone(&theirs));
                // a client that breaks off is not this proxy's failure
                thread::spawn(move || serve(client, heads).unwrap_or_default());
            }
        });
        Self { scheme, address, heads }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of the requests that it got, in order.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads the head of CONNECT, connects, and says so.
fn opened(client: &mut (impl Read + Write), heads: &Mutex<Vec<String>>) -> io::Result<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 1];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let authority = head.split(' ').nth(1).unwrap_or_default().to_owned();
    heads.lock().unwrap().push(head);
    let server = TcpStream::connect(authority)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    client.flush()?;
    Ok(server)
}

fn tunnel(mut client: TcpStream, mut reader: TcpStream, heads: &Mutex<Vec<String>>) -> io::Result<()> {
    let server = opened(&mut client, heads)?;
    let (mut from_server, mut to_server) = (server.try_clone()?, server);
    thread::spawn(move || {
        let copied = io::copy(&mut from_server, &mut client);
        copied.and_then(|_| client.shutdown(Shutdown::Both)).unwrap_or_default();
    });
    io::copy(&mut reader, &mut to_server)?;
    to_server.shutdown(Shutdown::Both)
}

/// Carries what there is from one to the other; false at the end.
fn carried(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut piece = [0; 16 * 1024];
    match from.read(&mut piece) {
        Ok(0) => Ok(false),
        Ok(read) => {
            let mut rest = &piece[..read];
            while !rest.is_empty() {
                match to.write(rest) {
                    Ok(wrote) => rest = &rest[wrote..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
                    Err(error) => return Err(error),
                }
            }
            to.flush().or_else(|error| if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) })?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

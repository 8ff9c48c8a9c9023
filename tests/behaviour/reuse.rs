//! The race that every pool of connections runs: the endpoint closes a connection in the very moment in which it is
//! used again. Hit on purpose, thousands of times, with an endpoint that notes whatever arrives, read or not.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::harness::{Answer, CREATE, Draft, Ending, PATIENCE, Setup, endpoint, eventually};
use crate::untrusted::{Authority, VALID};

/// What becomes of a connection after its first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// FIN after a moment, and reads on: what is written to it is noted.
    CloseAndListen,
    /// FIN after a moment, and what is written to it meets a socket that is gone.
    Close,
    /// RST after a moment.
    Reset,
    /// Waits for the next request and closes without reading it, which sends a RST.
    CloseUnread,
    /// Reads a part of the next request and closes, which sends a RST.
    CloseInTheMiddle,
    /// Reads all of the next request and closes.
    CloseAfterReading,
    /// Reads all of the next request and resets.
    ResetAfterReading,
}

/// An endpoint that answers the first request on every connection, and does its deed to the second.
struct Racer {
    url: String,
    /// How often each id arrived, read or not, in whole or in part.
    arrived: Arc<Mutex<HashMap<String, usize>>>,
}

/// In the clear, or with TLS under it.
#[derive(Clone)]
enum Transport {
    Plain,
    Tls(Arc<rustls::ServerConfig>),
}

impl Racer {
    fn new(deed: Deed, transport: &Transport) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if matches!(transport, Transport::Plain) { "http" } else { "https" };
        let url = format!("{scheme}://{}/", listener.local_addr().unwrap());
        let arrived = Arc::<Mutex<HashMap<String, usize>>>::default();
        let (ours, turn, transport) = (Arc::clone(&arrived), Arc::new(AtomicU64::new(0)), transport.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (arrived, turn) = (Arc::clone(&ours), turn.fetch_add(1, Ordering::Relaxed));
                let transport = transport.clone();
                std::thread::spawn(move || serve(&socket.unwrap(), deed, &transport, turn, &arrived));
            }
        });
        Self { url, arrived }
    }

    fn arrivals(&self, id: &str) -> usize {
        self.arrived.lock().unwrap().get(id).copied().unwrap_or(0)
    }
}

fn serve(socket: &TcpStream, deed: Deed, transport: &Transport, turn: u64, arrived: &Mutex<HashMap<String, usize>>) {
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream: Box<dyn Duplex> = match transport {
        Transport::Plain => Box::new(socket.try_clone().unwrap()),
        Transport::Tls(config) => {
            let connection = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
            Box::new(rustls::StreamOwned::new(connection, socket.try_clone().unwrap()))
        }
    };
    let mut bytes = [0; 4096];
    let mut read_and_note = |stream: &mut dyn Duplex| {
        let length = stream.read(&mut bytes).unwrap_or(0);
        if let Some(id) = id_in(&bytes[..length]) {
            *arrived.lock().unwrap().entry(id).or_default() += 1;
        }
        length
    };
    if read_and_note(&mut *stream) == 0 {
        return;
    }
    let answer = endpoint::answer("200 OK", "done");
    if stream.write_all(&answer).and_then(|()| stream.flush()).is_err() {
        return;
    }
    match deed {
        Deed::CloseAndListen => {
            a_moment(turn);
            let _left = socket.shutdown(Shutdown::Write);
            read_and_note(&mut *stream);
        }
        Deed::Close => a_moment(turn),
        Deed::Reset => {
            a_moment(turn);
            reset(socket);
        }
        Deed::CloseUnread | Deed::CloseInTheMiddle => {
            let mut peeked = [0; 4096];
            let length = socket.peek(&mut peeked).unwrap_or(0);
            if let Some(id) = id_in(&peeked[..length]) {
                *arrived.lock().unwrap().entry(id).or_default() += 1;
            }
            if deed == Deed::CloseInTheMiddle {
                let mut socket = socket;
                let _left = socket.read(&mut [0; 20]);
            }
        }
        Deed::CloseAfterReading => {
            read_and_note(&mut *stream);
        }
        Deed::ResetAfterReading => {
            read_and_note(&mut *stream);
            reset(socket);
        }
    }
}

trait Duplex: std::io::Read + std::io::Write {}

impl<T: std::io::Read + std::io::Write> Duplex for T {}

/// From none to a third of a millisecond, a little longer each time: it sweeps over the time in which the next request
/// comes.
fn a_moment(turn: u64) {
    let until = Instant::now() + Duration::from_micros(turn * 7 % 330);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

fn reset(socket: &TcpStream) {
    socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
}

fn id_in(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once("JobId=")?;
    Some(rest.split('&').next().unwrap().to_owned())
}

/// How the calls of one race ended.
#[derive(Default)]
struct Tally {
    calls: usize,
    answered: usize,
    sent_again: usize,
    unknown: usize,
    unsent: usize,
}

impl Tally {
    /// Counts one answer, and holds it against what arrived.
    #[track_caller]
    fn count(&mut self, answer: &Answer, arrivals: impl Fn() -> usize, deed: Deed, action: &str) {
        self.calls += 1;
        assert_eq!(answer.ending, Ending::Whole);
        let sent = answer.head.field("x-proxy-sent");
        // of a socket that is gone nobody can say what would have arrived
        let is_told = !matches!(deed, Deed::Close | Deed::Reset);
        if (answer.status, sent) == (409, Some("yes")) && is_told {
            // the endpoint may read what came a moment after we have the answer
            eventually("a byte of what was written", || (arrivals() > 0).then_some(()));
        }
        let arrivals = arrivals();
        let most = if action == "CreateJob" { 1 } else { 2 };
        assert!(arrivals <= most, "{action} arrived {arrivals} times: {deed:?}");
        match (answer.status, sent) {
            (200, None) => {
                self.answered += 1;
                self.sent_again += usize::from(arrivals == 2);
                assert!(arrivals >= 1, "answered without having arrived");
            }
            (409, Some("yes")) => {
                assert_eq!(answer.element("Code"), "ProxyOutcomeUnknown");
                self.unknown += 1;
                if is_told {
                    assert_eq!(arrivals, 1, "called unknown, and not a byte was written: {deed:?}");
                }
            }
            (502, Some("yes")) if action != "CreateJob" => self.unknown += 1,
            (502 | 503, Some("no")) => {
                self.unsent += 1;
                assert_eq!(arrivals, 0, "called unsent, and it arrived: {deed:?}");
            }
            other => panic!("{other:?} {}", answer.text()),
        }
    }
}

const CLIENTS: usize = 4;
const CALLS: usize = 250;

#[track_caller]
fn race(deed: Deed, action: &str, transport: &Transport, trusting: Option<&str>) -> Tally {
    let racer = Racer::new(deed, transport);
    let setup = Setup::to_url(&racer.url).process("workers = 2");
    let proxy = trusting.into_iter().fold(setup, Setup::trusting).start();
    let ends = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (proxy, ends) = (&proxy, &ends);
            scope.spawn(move || {
                let mut connection = proxy.connect();
                for call in 0..CALLS {
                    let id = format!("{client}.{call}");
                    let form = format!("Action={action}&JobId={id}&Version=2010-06-03");
                    let answer = connection.call(&Draft::form(&form));
                    ends.lock().unwrap().push((id, answer));
                }
            });
        }
    });
    let mut tally = Tally::default();
    for (id, answer) in ends.into_inner().unwrap() {
        tally.count(&answer, || racer.arrivals(&id), deed, action);
    }
    tally
}

/// Every deed against both kinds of Action. Gives the table for whoever wants to see it.
#[track_caller]
fn races(deeds: &[Deed], transport: &Transport, trusting: Option<&str>) -> String {
    let mut table =
        "endpoint                action     calls  answered  sent again  unknown  unsent  twice\n".to_owned();
    for deed in deeds {
        for action in ["CreateJob", "GetStatus"] {
            let Tally { calls, answered, sent_again, unknown, unsent } = race(*deed, action, transport, trusting);
            writeln!(
                table,
                "{:<23} {action:<9} {calls:>6} {answered:>9} {sent_again:>11} {unknown:>8} {unsent:>7}      0",
                format!("{deed:?}")
            )
            .unwrap();
            assert_eq!(calls, CLIENTS * CALLS);
            if action == "CreateJob" {
                assert_eq!(sent_again, 0);
            }
        }
    }
    table
}

#[test]
fn whatever_closes_a_connection_in_the_moment_of_its_reuse_no_call_arrives_twice() {
    let deeds = [
        Deed::CloseAndListen,
        Deed::Close,
        Deed::Reset,
        Deed::CloseUnread,
        Deed::CloseInTheMiddle,
        Deed::CloseAfterReading,
        Deed::ResetAfterReading,
    ];
    println!("{}", races(&deeds, &Transport::Plain, None));
}

#[test]
fn over_tls_no_call_arrives_twice_either() {
    let authority = Authority::new();
    let transport = Transport::Tls(Arc::new(authority.server(&["127.0.0.1"], VALID)));
    // what is peeked at is ciphertext: those deeds would have nothing to note
    let deeds = [Deed::CloseAndListen, Deed::Close, Deed::Reset, Deed::CloseAfterReading, Deed::ResetAfterReading];
    println!("{}", races(&deeds, &transport, Some(&authority.pem)));
}

#[test]
fn a_connection_that_is_reset_as_soon_as_it_is_accepted_carries_no_call_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            reset(&socket.unwrap());
        }
    });
    let proxy = Setup::to_url(&url).start();
    for _ in 0..100 {
        let answer = proxy.post(CREATE);
        // whether the kernel took a byte before it learnt of the reset decides
        match answer.head.field("x-proxy-sent") {
            Some("no") => assert!(matches!(answer.status, 502 | 503), "{}", answer.text()),
            _ => proxy.assert_own(&answer, 409, "ProxyOutcomeUnknown", "yes"),
        }
    }
}

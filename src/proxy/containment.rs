//! A panic in one exchange is answered and counted like any other failure, and does not affect other exchanges.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use prometheus_client::metrics::counter::Counter;

use super::fault::ExchangeError;

/// Runs an exchange. A panic becomes an error and is counted. It leaves nothing half changed that other exchanges
/// share: counters are atomic, and pools hold complete connections only.
pub(super) fn contained<T>(
    mut exchange: Pin<&mut impl Future<Output = Result<T, ExchangeError>>>,
    panics: &Counter,
) -> impl Future<Output = Result<T, ExchangeError>> {
    poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| exchange.as_mut().poll(cx))).unwrap_or_else(|_| {
            panics.inc();
            Poll::Ready(Err(ExchangeError::Panicked))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::num::NonZeroU32;
    use std::pin::pin;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::{Notify, watch};
    use tokio::task::LocalSet;

    use super::*;
    use crate::downstream::listener::Security;
    use crate::downstream::server::{Clocks, ExchangeGuard, MinimumRate};
    use crate::downstream::{
        Capacity, Current, Drain, Handler, HeadFault, KeepAlive, Limits, ListenerSocket, OwnerLookup, PeerEvidence,
        Reply, RequestBody, RequestHead, Service, Stage, accept,
    };
    use crate::proxy::response::{ErrorFormat, ResponseBody, refuse};
    use crate::query::ErrorDialect;
    use crate::telemetry::{ExchangeRecord, Metrics};

    /// A client's data, which a panic's text may hold.
    const DATA: &str = "JobId=SECRETJOB";

    /// Panics on `/panic`, after a wait or at once; waits for `go` on `/wait`; and has no route for anything.
    struct Fragile {
        go: Arc<Notify>,
        arrived: std::sync::mpsc::Sender<()>,
        panics: Counter,
    }

    impl Fragile {
        async fn run(&self, path: &str) -> Result<(), ExchangeError> {
            match path {
                "/panic" => panic!("{DATA}"),
                "/panic-later" => {
                    tokio::task::yield_now().await;
                    panic!("{DATA}")
                }
                "/wait" => {
                    self.arrived.send(()).unwrap();
                    self.go.notified().await;
                    Err(ExchangeError::Overloaded)
                }
                _ => Err(ExchangeError::Overloaded),
            }
        }
    }

    impl Handler for Fragile {
        type Body = ResponseBody;

        async fn handle(
            &self,
            peer: Rc<PeerEvidence>,
            exchange: ExchangeGuard,
            head: RequestHead,
            _: RequestBody,
        ) -> Reply<ResponseBody> {
            let record = ExchangeRecord::begin(Rc::new(Metrics::new().listener("fragile")), peer);
            let fragile = pin!(self.run(head.path()));
            let failed = contained(fragile, &self.panics).await.unwrap_err();
            refuse(&failed.fault(), ErrorFormat::usual(ErrorDialect::Query), "POST", record, exchange)
        }

        fn refuse(&self, _: Rc<PeerEvidence>, _: ExchangeGuard, fault: HeadFault) -> Reply<ResponseBody> {
            panic!("{fault}")
        }
    }

    fn serve(socket: TcpListener, fragile: impl FnOnce() -> Fragile + Send + 'static) -> watch::Sender<Stage> {
        let (drain, signal) = watch::channel(Stage::Serving);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let security = Security::Plain(OwnerLookup::Skip);
                socket.set_nonblocking(true).unwrap();
                let bound = ListenerSocket::Tcp(socket).into_bound(&security).unwrap();
                let hour = Duration::from_secs(3600);
                let slowest = MinimumRate { bytes: NonZeroU32::MIN, grace: hour };
                let clocks = Clocks { head_timeout: hour, idle_timeout: hour, slowest };
                let current = Current::new(Service {
                    handler: Rc::new(fragile()),
                    limits: Limits { clocks, connections: 8, keep_alive: KeepAlive::UNLIMITED },
                    places: Capacity::new(8),
                    requests: Arc::default(),
                    relays: None,
                    security,
                    drain: Drain::new(signal.clone()),
                });
                accept(vec![bound], current, Drain::new(signal)).await;
            });
        });
        drain
    }

    fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_panic_is_answered_with_500_and_touches_no_other_exchange() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (go, panics) = (Arc::new(Notify::new()), Counter::default());
        let (arrived, arrival) = std::sync::mpsc::channel();
        let fragile = (Arc::clone(&go), panics.clone());
        let _drain = serve(socket, move || Fragile { go: fragile.0, arrived, panics: fragile.1 });
        let waiting = ask(address, "/wait");
        arrival.recv_timeout(Duration::from_secs(30)).unwrap();
        for path in ["/panic", "/panic-later"] {
            let text = answer(ask(address, path));
            assert!(text.starts_with("HTTP/1.1 500 "), "{text}");
            assert!(text.contains("<Code>InternalFailure</Code>") && !text.contains(DATA), "{text}");
        }
        assert!(answer(ask(address, "/other")).starts_with("HTTP/1.1 503 "));
        go.notify_one();
        assert!(answer(waiting).starts_with("HTTP/1.1 503 "), "the one that was under way ends as if nothing had been");
        assert_eq!(panics.get(), 2);
    }
}

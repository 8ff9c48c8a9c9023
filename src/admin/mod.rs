//! Health, readiness, metrics and status, on listeners of their own: reachable when the listeners of the proxy are
//! full, and without access to keys.
//!
//! A connection has one request (`serving`), metrics and status leave places for probes, and `origin` and `host_names`
//! keep web pages from reading the responses. `page` is for people.

mod body;
mod host_names;
mod origin;
mod page;
mod readiness;
mod serving;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::Mutex;
use tokio::task::yield_now;
use tokio::time::MissedTickBehavior;

use self::body::Content;
use self::serving::serve_all;
use crate::downstream::server::ExchangeGuard;
use crate::downstream::{
    Capacity, Handler, HeadFault, ListenerSocket, Origin, PeerEvidence, Reply, RequestBody, RequestHead,
};
use crate::http1::Fields;
use crate::status::Report;
use crate::telemetry::metrics::Exposition;

pub use host_names::HostNames;
pub use readiness::Readiness;

/// How many connections there may be at once.
pub const PLACES: usize = 64;

/// How many clients may be reading metrics or status at once: half the places. Both may be long, and a client that
/// reads them slowly keeps its place; the other responses fit into the buffers of the kernel.
const SCRAPES: usize = 32;

/// What a browser may do with a response that is not a page: show its text in a tab of its own.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// What the admin listener reports of the process.
pub trait Status: Send + Sync {
    /// Whether the process can serve requests.
    fn readiness(&self) -> Readiness;

    /// Whether requests of the route with this name can be served; `None` if there is no such route.
    fn route_readiness(&self, route: &str) -> Option<Readiness>;

    /// The metrics as they are now.
    fn metrics(&self, exposition: Exposition) -> String;

    /// All that an operator sees of the process, as it is now.
    fn report(&self) -> Report;

    /// Reads the counters, so that later reports have rates.
    fn read_counters(&self);
}

/// Whether there are `/` and `/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// There are.
    Served {
        /// To whom.
        to: Audience,
        /// How often the counters are read for it.
        reading: Duration,
    },
    /// They are answered with 404.
    Off,
}

/// Who gets `/` and `/status`. They name all clients and routes, whoever owns them, the endpoints of routes, and who
/// was refused lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever reaches the listener.
    Everybody,
    /// Who calls from this host: from a loopback address, or by a Unix socket.
    ThisHost,
}

/// Where a request of the admin listener comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    ThisHost,
    Elsewhere,
}

/// Answers `/livez`, `/readyz` and `/metrics`, and for people `/` and `/status`.
pub struct Admin {
    status: Arc<dyn Status>,
    names: HostNames,
    page: Page,
    scrapes: Capacity,
    /// Held by the one response that is made at the moment, of those that may be long.
    turn: Mutex<()>,
}

impl Admin {
    /// The path of the page for people.
    const PAGE: &str = "/";
    /// Where the report is, for programs and for people.
    const REPORTS: [&str; 2] = [Self::PAGE, "/status"];

    /// Reports `status` to those who call it by one of `names`.
    #[must_use]
    pub fn new(status: Arc<dyn Status>, names: HostNames, page: Page) -> Self {
        Self { status, names, page, scrapes: Capacity::new(SCRAPES), turn: Mutex::new(()) }
    }

    /// Serves `sockets` on the calling thread, for as long as the process lives.
    ///
    /// # Errors
    /// The runtime cannot be made, or a socket cannot be registered with it.
    pub fn serve(self, sockets: Vec<ListenerSocket>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        if let Page::Served { to: _, reading } = self.page {
            local.spawn_local(read_counters(Arc::clone(&self.status), reading));
        }
        local.block_on(&runtime, serve_all(sockets, self))
    }

    async fn respond(&self, caller: Caller, method: &str, path: &str, fields: &Fields) -> Reply<Content> {
        if !["GET", "HEAD"].contains(&method) {
            let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            reply.fields.push("allow", b"GET, HEAD");
            return reply;
        }
        match path {
            // a process that should be restarted does not get here
            "/livez" => plain(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => probed(&self.status.readiness()),
            "/metrics" => self.metrics(Exposition::asked_for(fields.all("accept"))).await,
            Self::PAGE if self.is_for(caller) => self.page().await,
            "/status" if self.is_for(caller) => self.report().await,
            _ => match path.strip_prefix("/readyz/") {
                Some(route) => self.status.route_readiness(route).as_ref().map_or_else(no_route, probed),
                None => plain(StatusCode::NOT_FOUND, self.paths(caller).to_owned()),
            },
        }
    }

    /// Whether the caller gets `/` and `/status`.
    const fn is_for(&self, caller: Caller) -> bool {
        match (self.page, caller) {
            (Page::Served { to: Audience::Everybody, .. }, _)
            | (Page::Served { to: Audience::ThisHost, .. }, Caller::ThisHost) => true,
            (Page::Served { to: Audience::ThisHost, .. }, Caller::Elsewhere) | (Page::Off, _) => false,
        }
    }

    const fn paths(&self, caller: Caller) -> &'static str {
        match self.page {
            Page::Served { .. } if self.is_for(caller) => {
                "there are /, /status, /livez, /readyz, /readyz/ROUTE and /metrics\n"
            }
            Page::Served { .. } => {
                "there are /livez, /readyz, /readyz/ROUTE and /metrics; / and /status are for callers on this host, \
                 unless [admin] has `status = true`\n"
            }
            Page::Off => "there are /livez, /readyz, /readyz/ROUTE and /metrics\n",
        }
    }

    async fn metrics(&self, exposition: Exposition) -> Reply<Content> {
        let mut reply = self.long(exposition.media_type(), NOTHING, || self.status.metrics(exposition)).await;
        reply.fields.push("vary", b"accept");
        reply
    }

    async fn report(&self) -> Reply<Content> {
        // names, texts and numbers: these can always be written
        let written = || serde_json::to_string(&self.status.report()).unwrap_or_default();
        self.long("application/json", NOTHING, written).await
    }

    async fn page(&self) -> Reply<Content> {
        let rendered = || page::render(&self.status.report());
        let mut reply = self.long("text/html; charset=utf-8", &page::POLICY, rendered).await;
        reply.fields.push("cross-origin-opener-policy", b"same-origin");
        reply
    }

    /// A response that may be long, if few clients read such at the moment.
    ///
    /// With thousands of clients or routes it takes milliseconds to make, on the thread that answers probes: they are
    /// made one at a time, and between any two of them the thread looks for probes.
    async fn long(&self, media_type: &str, policy: &str, content: impl FnOnce() -> String) -> Reply<Content> {
        let Some(place) = self.scrapes.take() else {
            let why = format!("{SCRAPES} clients are reading metrics or status already\n");
            return plain(StatusCode::SERVICE_UNAVAILABLE, why);
        };
        let turn = self.turn.lock().await;
        yield_now().await;
        let content = content();
        drop(turn);
        let mut reply = text(StatusCode::OK, media_type, policy, content);
        reply.body.keep(place);
        reply
    }
}

impl Caller {
    fn of(peer: &PeerEvidence) -> Self {
        match peer.origin() {
            Origin::User(_) => Self::ThisHost,
            Origin::Address(address) if address.to_canonical().is_loopback() => Self::ThisHost,
            Origin::Address(_) => Self::Elsewhere,
        }
    }
}

impl Handler for Admin {
    type Body = Content;

    async fn handle(
        &self,
        peer: Rc<PeerEvidence>,
        exchange: ExchangeGuard,
        head: RequestHead,
        _: RequestBody,
    ) -> Reply<Content> {
        let mut reply = match (origin::ambiguous(&head), origin::foreign(&self.names, &peer, &head)) {
            (Some(why), _) => plain(StatusCode::BAD_REQUEST, why.to_owned()),
            (None, Some(why)) => plain(StatusCode::FORBIDDEN, why.to_owned()),
            (None, None) => self.respond(Caller::of(&peer), head.method(), head.path(), head.fields()).await,
        };
        reply.body.keep(exchange);
        reply
    }

    fn name(&self) -> &str {
        "admin"
    }

    fn refuse(&self, _: Rc<PeerEvidence>, exchange: ExchangeGuard, fault: HeadFault) -> Reply<Content> {
        let mut reply = plain(StatusCode::BAD_REQUEST, format!("{fault}\n"));
        reply.body.keep(exchange);
        reply
    }
}

/// Has the counters read every `period`, for as long as the process lives.
async fn read_counters(status: Arc<dyn Status>, period: Duration) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        status.read_counters();
    }
}

fn probed(readiness: &Readiness) -> Reply<Content> {
    let status = if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status, readiness.text())
}

/// The words that `countersign health --route` knows.
fn no_route() -> Reply<Content> {
    plain(StatusCode::NOT_FOUND, "no such route\n".to_owned())
}

fn plain(status: StatusCode, content: String) -> Reply<Content> {
    text(status, "text/plain; charset=utf-8", NOTHING, content)
}

/// The response after which the connection is closed: it leaves its place to the next. No other page may show it, run
/// it, or take it for something else than it is.
fn text(status: StatusCode, media_type: &str, policy: &str, content: String) -> Reply<Content> {
    let fields = [
        ("content-type", media_type),
        ("cache-control", "no-store"),
        ("content-security-policy", policy),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("connection", "close"),
    ];
    Reply { status, fields: fields.into_iter().collect(), body: Content::new(Bytes::from(content)) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Has some text of metrics, and notes how many are made.
    #[derive(Default)]
    struct Well {
        made: AtomicUsize,
    }

    impl Status for Well {
        fn readiness(&self) -> Readiness {
            Readiness::default()
        }

        fn route_readiness(&self, route: &str) -> Option<Readiness> {
            (route == "importexport").then(Readiness::default)
        }

        fn metrics(&self, _: Exposition) -> String {
            self.made.fetch_add(1, Ordering::Relaxed);
            "# EOF\n".to_owned()
        }

        fn report(&self) -> Report {
            serde_json::from_str(include_str!("../status/sample.json")).unwrap()
        }

        fn read_counters(&self) {}
    }

    fn admin(status: &Arc<Well>) -> Admin {
        let status = Arc::clone(status);
        Admin::new(status, HostNames::new(Vec::new()), Page::Off)
    }

    #[tokio::test]
    async fn the_page_is_for_callers_on_this_host_unless_it_is_for_everybody() {
        let statuses = |page| async move {
            let admin = Admin::new(Arc::new(Well::default()), HostNames::new(Vec::new()), page);
            let mut all = Vec::new();
            for caller in [Caller::ThisHost, Caller::Elsewhere] {
                for path in Admin::REPORTS.into_iter().chain(["/metrics"]) {
                    all.push(admin.respond(caller, "GET", path, &Fields::default()).await.status.as_u16());
                }
            }
            all
        };
        let served = |to| Page::Served { to, reading: Duration::from_secs(1) };
        assert_eq!(statuses(served(Audience::Everybody)).await, [200; 6]);
        assert_eq!(statuses(served(Audience::ThisHost)).await, [200, 200, 200, 404, 404, 200]);
        assert_eq!(statuses(Page::Off).await, [404, 404, 200, 404, 404, 200]);
    }

    #[tokio::test]
    async fn whoever_reads_the_metrics_slowly_leaves_places_for_probes() {
        let (admin, fields) = (admin(&Arc::default()), Fields::default());
        let get = |path| admin.respond(Caller::ThisHost, "GET", path, &fields);
        let mut slow = Vec::new();
        for _ in 0..SCRAPES {
            slow.push(get("/metrics").await);
        }
        assert!(slow.iter().all(|reply| reply.status == StatusCode::OK));
        assert_eq!(get("/metrics").await.status, StatusCode::SERVICE_UNAVAILABLE);
        for path in ["/livez", "/readyz"] {
            assert_eq!(get(path).await.status, StatusCode::OK);
        }
        slow.pop();
        assert_eq!(get("/metrics").await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_route_that_does_not_exist_is_not_found() {
        let (admin, fields) = (admin(&Arc::default()), Fields::default());
        for (path, status) in [
            ("/readyz/importexport", StatusCode::OK),
            ("/readyz/other", StatusCode::NOT_FOUND),
            ("/readyz/", StatusCode::NOT_FOUND),
            ("/readyzimportexport", StatusCode::NOT_FOUND),
        ] {
            assert_eq!(admin.respond(Caller::ThisHost, "GET", path, &fields).await.status, status, "{path}");
        }
    }

    #[tokio::test]
    async fn however_many_ask_for_metrics_a_probe_waits_for_few_of_them() {
        let status = Arc::new(Well::default());
        let admin = Rc::new(admin(&status));
        let local = tokio::task::LocalSet::new();
        let get = |path: &'static str| {
            let admin = Rc::clone(&admin);
            local.spawn_local(
                async move { admin.respond(Caller::Elsewhere, "GET", path, &Fields::default()).await.status },
            )
        };
        let scrapes: Vec<_> = (0..SCRAPES).map(|_| get("/metrics")).collect();
        local
            .run_until(async {
                // as a connection does that is accepted and read: after the system was asked what is new, twice
                yield_now().await;
                yield_now().await;
                let made = status.made.load(Ordering::Relaxed);
                assert!(made <= 4, "{made} responses were made before a probe had its turn");
                for scrape in scrapes {
                    assert_eq!(scrape.await.unwrap(), StatusCode::OK);
                }
            })
            .await;
        assert_eq!(status.made.load(Ordering::Relaxed), SCRAPES);
    }
}

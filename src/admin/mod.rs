//! Health, readiness, metrics and status, on listeners of their own: reachable when the listeners of the proxy are
//! full, and without access to keys.
//!
//! A connection has one request (`serving`), metrics and status leave places for probes, and `origin` and `host_names`
//! keep web pages from reading the responses. `page` is for people.

mod body;
mod host_names;
mod origin;
mod page;
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
use crate::downstream::{Capacity, Handler, HeadFault, ListenerSocket, PeerEvidence, Reply, RequestBody, RequestHead};
use crate::http1::Fields;
use crate::status::Report;
use crate::telemetry::metrics::Exposition;

pub use host_names::HostNames;

/// How many connections there may be at once.
pub const PLACES: usize = 64;

/// How many clients may be reading metrics or status at once: half the places. Both may be long, and a client that
/// reads them slowly keeps its place; the other responses fit into the buffers of the kernel.
const SCRAPES: usize = 32;

/// What a browser may do with a response that is not a page: show its text in a tab of its own.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// What the admin listener reports of the process.
pub trait Status: Send + Sync {
    /// Why the process is not ready, one reason per line of the response; empty if it is ready.
    fn not_ready(&self) -> Vec<String>;

    /// What is wrong although the process is ready, one problem per line; empty if all is well.
    fn degraded(&self) -> Vec<String>;

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
        /// How often the counters are read for it.
        reading: Duration,
    },
    /// They are answered with 404.
    Off,
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
        if let Page::Served { reading } = self.page {
            local.spawn_local(read_counters(Arc::clone(&self.status), reading));
        }
        local.block_on(&runtime, serve_all(sockets, self))
    }

    async fn respond(&self, method: &str, path: &str, fields: &Fields) -> Reply<Content> {
        if !["GET", "HEAD"].contains(&method) {
            let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
            reply.fields.push("allow", b"GET, HEAD");
            return reply;
        }
        match path {
            // a process that should be restarted does not get here
            "/livez" => plain(StatusCode::OK, "alive\n".to_owned()),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics(Exposition::asked_for(fields.all("accept"))).await,
            Self::PAGE if self.page != Page::Off => self.page().await,
            "/status" if self.page != Page::Off => self.report().await,
            _ => plain(StatusCode::NOT_FOUND, self.paths().to_owned()),
        }
    }

    const fn paths(&self) -> &'static str {
        match self.page {
            Page::Served { .. } => "there are /, /status, /livez, /readyz and /metrics\n",
            Page::Off => "there are /livez, /readyz and /metrics\n",
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

    fn readiness(&self) -> Reply<Content> {
        let reasons = self.status.not_ready();
        if reasons.is_empty() {
            let notes = self.status.degraded();
            let text = notes.iter().fold("ready\n".to_owned(), |text, note| format!("{text}degraded: {note}\n"));
            return plain(StatusCode::OK, text);
        }
        plain(StatusCode::SERVICE_UNAVAILABLE, format!("not ready:\n{}\n", reasons.join("\n")))
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
            (None, None) => self.respond(head.method(), head.path(), head.fields()).await,
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
        fn not_ready(&self) -> Vec<String> {
            Vec::new()
        }

        fn degraded(&self) -> Vec<String> {
            Vec::new()
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
    async fn whoever_reads_the_metrics_slowly_leaves_places_for_probes() {
        let (admin, fields) = (admin(&Arc::default()), Fields::default());
        let get = |path| admin.respond("GET", path, &fields);
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
    async fn however_many_ask_for_metrics_a_probe_waits_for_few_of_them() {
        let status = Arc::new(Well::default());
        let admin = Rc::new(admin(&status));
        let local = tokio::task::LocalSet::new();
        let get = |path: &'static str| {
            let admin = Rc::clone(&admin);
            local.spawn_local(async move { admin.respond("GET", path, &Fields::default()).await.status })
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

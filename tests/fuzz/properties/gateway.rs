//! The proxy whose connections are fuzzed: one listener, one route, one key, and timeouts that nothing reaches by
//! itself.

use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign::authorize::{Admission, Callers, Clients, Policy, RateLimitFields, RouteView};
use countersign::credentials::{ActiveKey, KeySlot, KeyStore, LoadError};
use countersign::downstream::server::{Clocks, MinimumRate, Socket};
use countersign::downstream::{BodyLimits, ByteBudget, Capacity, Shares};
use countersign::proxy::{DateEvidence, EndpointClock, OwnNames, Proxy, Route, Routes, WorkerClock, WorkerEndpoint};
use countersign::query::{ErrorDialect, FormLimits, FormPlace};
use countersign::signing::{ClockSource, Profile, SignatureMethod};
use countersign::telemetry::trace::Tracing;
use countersign::telemetry::{AuditLog, Metrics};
use countersign::upstream::{
    BreakerLimits, CallSettings, Client, Destination, EndpointName, EndpointSettings, NextHop, PoolLimits, Timeouts,
    Trust,
};
use http::HeaderName;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::keys::{active, target};

pub(super) const LISTENER: &str = "127.0.0.1:8021";
/// The one field of clients that the route passes on.
pub(super) const FORWARDED: &str = "x-trace";
pub(super) const LIMITS: FormLimits = FormLimits::new(64);
/// Longer than anything takes.
pub(super) const AGES: Duration = Duration::from_secs(3600);
/// The clocks of a client's connection.
pub(super) const CLOCKS: Clocks =
    Clocks { head_timeout: AGES, idle_timeout: AGES, slowest: MinimumRate { bytes: NonZeroU32::MIN, grace: AGES } };

/// A proxy whose endpoint is on this port of loopback.
pub(super) fn proxy(port: u16) -> Proxy {
    let key = Arc::new(KeySlot::new("main"));
    key.refresh(&FixedKey).unwrap();
    let metrics = Metrics::new().route("importexport", &[]);
    let name = EndpointName { route: "importexport".to_owned(), endpoint: "http://127.0.0.1/".to_owned() };
    let (authentic, told) = (DateEvidence::Authentic, Some(metrics.clone()));
    let clock = EndpointClock::new(name.clone(), ClockSource::Endpoint, authentic, told);
    let destination = Arc::new(Destination::new(name, call_settings(port), None).unwrap());
    let upstream = Client::new(&destination).unwrap();
    let route = Route {
        name: "importexport".into(),
        tenant: None,
        hosts: Vec::new(),
        path: "/".to_owned(),
        scope: None,
        policy: Policy::AnyLocal,
        key,
        endpoint: WorkerEndpoint {
            profile: Profile::aws_v2(SignatureMethod::HmacSha256),
            clock: WorkerClock::of(&Arc::new(clock)),
            upstream: Rc::new(upstream),
            among_others: None,
        },
        fallbacks: Vec::new(),
        dialect: ErrorDialect::Query,
        accept: vec![FormPlace::PostBody],
        forward_headers: vec![HeaderName::from_static(FORWARDED)],
        safe_to_repeat: Vec::new(),
        audit_values: Vec::new(),
        body_limits: BodyLimits { bytes: 2048, deadline: AGES },
        form_limits: LIMITS,
        in_flight: Rc::new(Shares::undivided(Capacity::new(4))),
        metrics: Rc::new(metrics),
    };
    Proxy {
        listener: Rc::new(Metrics::new().listener("fuzzed")),
        connections: Shares::undivided(Capacity::new(4)),
        names: OwnNames::new(&[LISTENER.parse().unwrap()], &[]),
        callers: Callers::new(Admission::AnyLocal, Arc::new(Clients::new(Vec::new()))),
        issued_keys: None,
        service_accounts: None,
        required_header: None,
        rate_limit_fields: RateLimitFields::Off,
        bodies: Shares::undivided(ByteBudget::new(64 * 1024)),
        unnamed: 0,
        strangers: 0,
        rates: Arc::default(),
        shares: Metrics::new().shares,
        panics: Metrics::new().process.panics(),
        audit: AuditLog::off(),
        tracing: Tracing::off(),
        routes: Routes::new(vec![Rc::new(route)], RouteView::All),
    }
}

fn call_settings(port: u16) -> CallSettings {
    CallSettings {
        endpoint: EndpointSettings {
            name: "127.0.0.1".to_owned(),
            next_hop: NextHop::Tcp { host: "127.0.0.1".to_owned(), port },
            tunnel: None,
            trust: Trust::Plaintext,
            target: target(),
        },
        tls: countersign::trust::ClientTls::PLAIN,
        timeouts: Timeouts { connect: AGES, first_byte: AGES, idle: AGES },
        pool: PoolLimits { connections: 4, warm: 0, idle_timeout: AGES },
        breaker: BreakerLimits { failures: 0, longest_pause: AGES },
    }
}

struct FixedKey;

impl KeyStore for FixedKey {
    fn load(&self) -> Result<ActiveKey, LoadError> {
        Ok(active(None).into())
    }

    fn watched(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn poll(&self) -> Duration {
        Duration::MAX
    }

    fn describe(&self) -> String {
        "fixed".to_owned()
    }
}

/// A pipe in memory, as a client's socket.
pub(super) struct Pipe(pub(super) DuplexStream);

impl Socket for Pipe {
    fn reset_on_close(&self) {}
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

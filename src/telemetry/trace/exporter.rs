//! The thread that sends spans: it takes records out of the queue in batches, and tries again while the collector has
//! no time or is away. What cannot be sent is dropped and counted.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    Protocol, RetryPolicy, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::runtime::Builder;
use tokio::select;
use tokio::sync::{mpsc as records, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use uuid::Uuid;

use super::collector::{Collector, Heard};
use super::drop_reason::DropReason;
use super::queue::{Places, SpanQueue};
use super::recorded::Recorded;
use super::response::PartialSuccess;
use super::settings::ExportSettings;
use super::spans::{Clocks, SpanMaker};
use crate::fetch::Upload;
use crate::telemetry::metrics::TraceMetrics;

/// How often a batch is sent before it is dropped.
const ATTEMPTS: u32 = 5;
/// The pause after the first attempt. It doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, whatever `Retry-After` says: meanwhile the queue fills.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// When the process ends, once it does.
type Ending = watch::Receiver<Option<Instant>>;

/// The thread, to be told of the end.
pub(crate) struct SpanWriter {
    ending: watch::Sender<Option<Instant>>,
    ended: mpsc::Receiver<()>,
}

impl SpanWriter {
    /// Has everything sent that waits, before `deadline`. Does not wait for it.
    pub(crate) fn end(&self, deadline: Instant) {
        self.ending.send_replace(Some(deadline));
    }

    /// Waits for the end of the thread, at most `limit` long.
    pub(crate) fn wait(self, limit: Duration) {
        // the thread ends by itself at its deadline, and says what it drops
        let _ended_or_late = self.ended.recv_timeout(limit);
    }
}

/// Starts the thread. `now` reads the clock.
///
/// # Errors
/// The system refuses a thread or what its runtime needs.
pub(crate) fn start(
    settings: &ExportSettings,
    upload: Arc<Upload>,
    places: Arc<dyn Places>,
    metrics: TraceMetrics,
    now: fn() -> Timestamp,
) -> io::Result<(SpanQueue, SpanWriter)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (sender, inbox) = records::channel(settings.queue);
    let (ending, told) = watch::channel(None);
    let (done, ended) = mpsc::channel();
    let collector = Arc::new(Collector::new(upload));
    let exporter = exporter(settings, &collector)?;
    let link = Link {
        exporter,
        collector,
        maker: SpanMaker::new(),
        metrics: metrics.clone(),
        timeout: settings.timeout,
        now,
        health: Health::Unknown,
        ending: told,
    };
    let (batch, interval) = (settings.batch, settings.interval);
    thread::Builder::new().name("spans".to_owned()).spawn(move || {
        runtime.block_on(serve(inbox, link, batch, interval));
        // without waiting for a lookup of the collector's name
        runtime.shutdown_background();
        let _nobody_waits = done.send(());
    })?;
    Ok((SpanQueue::new(sender, places, metrics), SpanWriter { ending, ended }))
}

/// Everything that the library would read from the environment is set here, so that the configuration alone counts.
fn exporter(settings: &ExportSettings, collector: &Arc<Collector>) -> io::Result<OtlpExporter> {
    let built = OtlpExporter::builder()
        .with_http()
        .with_shared_http_client(Arc::<Collector>::clone(collector))
        // only for the library: where requests go is the collector's own matter
        .with_endpoint("http://collector.invalid/v1/traces")
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(settings.timeout)
        .with_retry_policy(RetryPolicy::disabled())
        .build();
    let mut exporter = built.map_err(io::Error::other)?;
    let attributes = settings.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", Uuid::new_v4().to_string()))
        .with_attributes(attributes)
        .with_service_name(settings.service_name.clone())
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

async fn serve(mut inbox: records::Receiver<Recorded>, mut link: Link, limit: usize, interval: Duration) {
    let mut ending = link.ending.clone();
    loop {
        let mut batch = Vec::new();
        select! {
            biased;
            _told = ending.wait_for(Option::is_some) => break,
            first = inbox.recv() => match first {
                Some(record) => batch.push(record),
                None => return,
            },
        }
        let now = Instant::now();
        let until = now.checked_add(interval).unwrap_or(now);
        while batch.len() < limit {
            select! {
                biased;
                _told = ending.wait_for(Option::is_some) => break,
                more = timeout_at(until, inbox.recv()) => match more {
                    Ok(Some(record)) => batch.push(record),
                    Ok(None) | Err(_) => break,
                },
            }
        }
        link.deliver(&batch).await;
    }
    flush(&mut inbox, &mut link, limit).await;
}

/// The workers have ended: what is in the queue is all there will be.
async fn flush(inbox: &mut records::Receiver<Recorded>, link: &mut Link, limit: usize) {
    loop {
        let batch: Vec<Recorded> = std::iter::from_fn(|| inbox.try_recv().ok()).take(limit).collect();
        if batch.is_empty() {
            return;
        }
        link.deliver(&batch).await;
    }
}

/// Waits until the process has no time left.
async fn time_is_up(mut ending: Ending) {
    let deadline = ending.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        // nobody will tell
        None => std::future::pending().await,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Unknown,
    Well,
    Failing,
}

struct Link {
    exporter: OtlpExporter,
    collector: Arc<Collector>,
    maker: SpanMaker,
    metrics: TraceMetrics,
    timeout: Duration,
    now: fn() -> Timestamp,
    health: Health,
    ending: Ending,
}

impl Link {
    /// Sends the spans of a batch, or drops them.
    async fn deliver(&mut self, batch: &[Recorded]) {
        let clocks = Clocks::read(self.now);
        let spans: Vec<SpanData> = batch.iter().flat_map(|record| self.maker.spans(record, clocks)).collect();
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let Some(limit) = self.time_left() else { return self.drop_spans(DropReason::Ended, count) };
            let (why, wait) = match self.send_in_time(spans.clone(), limit).await {
                Heard::Taken(partial) => return self.taken(&partial, count),
                Heard::Refused(why) => {
                    self.failed(&why);
                    return self.drop_spans(DropReason::Refused, count);
                }
                Heard::Later(why, wait) => (why, wait),
            };
            self.failed(&why);
            if self.ending.borrow().is_some() {
                return self.drop_spans(DropReason::Ended, count);
            }
            if attempt < ATTEMPTS {
                let mut ending = self.ending.clone();
                select! {
                    () = sleep(wait.unwrap_or(pause).min(LONGEST_PAUSE)) => {}
                    _told = ending.wait_for(Option::is_some) => {}
                }
                pause = pause.saturating_mul(2);
            }
        }
        self.drop_spans(DropReason::Unreachable, count);
    }

    /// How long a request may take; `None` when the process has no time left.
    fn time_left(&self) -> Option<Duration> {
        let Some(deadline) = *self.ending.borrow() else { return Some(self.timeout) };
        let left = deadline.saturating_duration_since(Instant::now()).min(self.timeout);
        (!left.is_zero()).then_some(left)
    }

    /// The process may be told of its end while a request is under way.
    async fn send_in_time(&self, spans: Vec<SpanData>, limit: Duration) -> Heard {
        select! {
            biased;
            heard = self.send(spans, limit) => heard,
            () = time_is_up(self.ending.clone()) => Heard::Later("the process ends".to_owned(), None),
        }
    }

    async fn send(&self, spans: Vec<SpanData>, limit: Duration) -> Heard {
        self.collector.expect_within(limit);
        let exported = self.exporter.export(spans).await;
        self.collector.take_heard().unwrap_or_else(|| match exported {
            Ok(()) => Heard::Taken(PartialSuccess::default()),
            Err(error) => Heard::Refused(format!("no request was made of them: {error}")),
        })
    }

    fn taken(&mut self, partial: &PartialSuccess, count: u64) {
        let rejected = partial.rejected.min(count);
        self.metrics.count_exported(count.saturating_sub(rejected));
        if rejected > 0 {
            self.metrics.count_dropped(DropReason::Rejected, rejected);
        }
        if rejected > 0 || !partial.message.is_empty() {
            tracing::warn!(rejected, of = count, said = ?partial.message, "the collector of traces took spans in part");
        }
        if self.health == Health::Failing {
            tracing::info!("spans reach the collector of traces again");
        }
        self.health = Health::Well;
    }

    fn failed(&mut self, error: &str) {
        if self.health != Health::Failing {
            tracing::warn!(
                error,
                "spans cannot be exported; calls go on without (countersign_trace_spans_dropped_total counts)"
            );
        }
        self.health = Health::Failing;
    }

    fn drop_spans(&self, reason: DropReason, count: u64) {
        self.metrics.count_dropped(reason, count);
        if reason == DropReason::Ended {
            tracing::warn!(spans = count, "the process ends before these spans were exported");
        }
    }
}

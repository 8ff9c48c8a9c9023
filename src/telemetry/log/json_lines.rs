//! The JSON log: each event is one object in a line.
//!
//! The format is that of `tracing_subscriber`'s JSON lines with flattened fields. The library writes them piece by
//! piece through layers of adapters, which took a quarter of the instructions of a request. This layer writes
//! straight into the line that is handed to the [`Outlet`].

use std::cell::Cell;
use std::fmt;
use std::time::Instant;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::Line;
use super::outlet::Outlet;

/// The layer that writes events as lines.
pub(in crate::telemetry) struct JsonLines {
    outlet: Outlet,
    wall: fn(Instant) -> Timestamp,
}

thread_local! {
    /// The last line of this thread. The next one reuses its memory.
    static LAST: Cell<Option<Box<Line>>> = const { Cell::new(None) };
}

impl JsonLines {
    /// Writes to `outlet`; `wall` gives the wall-clock time of an instant.
    pub(in crate::telemetry) const fn new(outlet: Outlet, wall: fn(Instant) -> Timestamp) -> Self {
        Self { outlet, wall }
    }

    /// Has `members` write a line without an event, if the thread's subscriber logs through this layer; else returns
    /// `false` and writes nothing. The caller has asked whether such an event is enabled. `record::log_line` says
    /// what this saves.
    pub(in crate::telemetry) fn write_directly(
        at: Instant,
        level: Level,
        target: &str,
        members: impl Fn(&mut Line),
    ) -> bool {
        dispatcher::get_default(|dispatch| {
            let ours = dispatch.downcast_ref::<Self>();
            ours.map(|lines| lines.write(at, level, target, &members)).is_some()
        })
    }

    fn write(&self, at: Instant, level: Level, target: &str, members: impl FnOnce(&mut Line)) {
        // taken out, so that a field whose `Debug` logs something itself finds no line here; a thread that is ending
        // has none
        let mut line = LAST.try_with(Cell::take).ok().flatten().unwrap_or_default();
        line.begin((self.wall)(at), level);
        members(&mut line);
        line.end(target);
        self.outlet.put(line.text(), at);
        let _ending = LAST.try_with(|last| last.set(Some(line)));
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        self.write(Instant::now(), *metadata.level(), metadata.target(), |line| event.record(line));
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.named(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.named(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.named(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.named(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.named(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.shown(field.name(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::memory::Memory;
    use super::*;

    fn events() {
        let error = io::Error::other("a \"quoted\"\nline \\ \u{7f}\u{1}é");
        let (text, below) = ("a\"b\\c\td", -3_i64);
        tracing::info!(target: "countersign::exchange", text, count = 7_u64, below, yes = true, "exchange");
        let (absent, present) = (None::<&str>, Some("x"));
        tracing::warn!(part = 0.25_f64, none = f64::NAN, %error, absent, present, "{} and {:?}", 1, "é\n");
        tracing::error!(debug = ?Some("a\u{0}"), r#type = "keyword");
        tracing::debug!("only words");
        // special characters at every place of texts of every length, and none
        for length in 0..40_usize {
            tracing::trace!(plain = "p".repeat(length), beyond = "é\u{7f}".repeat(length));
            for (before, behind) in (0..length).zip((0..length).rev()) {
                let with = |special: &str| format!("{}{special}{}", "p".repeat(before), "p".repeat(behind));
                tracing::trace!(
                    quote = with("\""),
                    backslash = with("\\"),
                    control = with("\u{1f}"),
                    space = with(" ")
                );
            }
        }
    }

    /// The lines without their times, which differ.
    fn parsed(bytes: &[u8]) -> Vec<serde_json::Value> {
        let lines = std::str::from_utf8(bytes).unwrap().lines();
        let without_time = |line: &str| {
            let mut object: serde_json::Value = serde_json::from_str(line).unwrap();
            let time = object.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert_eq!(time.as_str().unwrap().len(), "2026-01-01T00:00:00.000000Z".len());
            object
        };
        lines.map(without_time).collect()
    }

    /// Does when it is shown what an event does; a real one is passed over within a test's subscriber.
    struct Talkative;

    impl fmt::Debug for Talkative {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut line = LAST.take().unwrap_or_default();
            assert_eq!(line.text(), b"");
            line.begin(Timestamp::UNIX_EPOCH, Level::INFO);
            LAST.set(Some(line));
            f.write_str("shown")
        }
    }

    #[test]
    fn a_line_written_within_another_spoils_neither() {
        let memory = Memory::default();
        let outlet = Outlet::start(memory.clone()).unwrap();
        let subscriber = tracing_subscriber::registry().with(JsonLines::new(outlet.clone(), |_| Timestamp::now()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(first = 1_u64, field = ?Talkative, last = "x");
            tracing::info!("after");
        });
        outlet.flush();
        let lines = parsed(&memory.0.lock().unwrap());
        let expected = |fields: &str| -> serde_json::Value { serde_json::from_str(fields).unwrap() };
        let (level, target) = ("\"level\":\"INFO\"", format!("\"target\":\"{}\"", module_path!()));
        assert_eq!(lines[0], expected(&format!("{{{level},\"first\":1,\"field\":\"shown\",\"last\":\"x\",{target}}}")));
        assert_eq!(lines[1], expected(&format!("{{{level},\"message\":\"after\",{target}}}")));
    }

    #[test]
    fn lines_are_those_of_the_librarys_own_format() {
        let (ours, theirs) = (Memory::default(), Memory::default());
        let outlet = Outlet::start(ours.clone()).unwrap();
        let wall = |_| Timestamp::from_second(1_767_225_600).unwrap();
        let subscriber = tracing_subscriber::registry().with(JsonLines::new(outlet.clone(), wall));
        tracing::subscriber::with_default(subscriber, events);
        outlet.flush();
        let library = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
        let library = library.with_max_level(Level::TRACE).with_writer(theirs.clone()).finish();
        tracing::subscriber::with_default(library, events);
        let (ours, theirs) = (ours.0.lock().unwrap(), theirs.0.lock().unwrap());
        assert_eq!(parsed(&ours), parsed(&theirs));
        assert!(ours.starts_with(b"{\"timestamp\":\"2026-01-01T00:00:00.000000Z\",\"level\":\"INFO\",\"message\":"));
    }
}

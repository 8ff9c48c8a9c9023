//! The log for machines: each event as one JSON object in a line.
//!
//! The format is that of `tracing_subscriber`'s own JSON lines with flattened fields. Those are written piece by piece through
//! layers of adapters, which was a quarter of the instructions of a request; these are written straight into the line that is
//! handed to the [`Outlet`].

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::outlet::Outlet;

/// Room for the line of an exchange.
const ROOM: usize = 768;

/// Writes events as lines.
pub(super) struct JsonLines {
    outlet: Outlet,
    now: fn() -> Timestamp,
}

impl JsonLines {
    /// Into `outlet`, with the time of `now`.
    pub(super) const fn new(outlet: Outlet, now: fn() -> Timestamp) -> Self {
        Self { outlet, now }
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.outlet.put(line((self.now)(), event));
    }
}

fn line(now: Timestamp, event: &Event<'_>) -> Vec<u8> {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    let mut line = Object(Vec::with_capacity(ROOM));
    line.0.extend_from_slice(b"{\"timestamp\":\"");
    let _infallible = PRINTER.print_timestamp(&now, &mut line.0);
    line.0.extend_from_slice(b"\",\"level\":\"");
    line.0.extend_from_slice(level(*event.metadata().level()).as_bytes());
    line.0.push(b'"');
    event.record(&mut line);
    line.text("target", event.metadata().target());
    line.0.extend_from_slice(b"}\n");
    line.0
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// An object that is being written.
struct Object(Vec<u8>);

impl Object {
    /// Names stand in a source, as identifiers: there is nothing to escape.
    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.0.push(b'"');
        escape_into(text, &mut self.0);
        self.0.push(b'"');
    }

    fn number(&mut self, name: &str, number: impl fmt::Display) {
        self.name(name);
        let _infallible = std::io::Write::write_fmt(&mut self.0, format_args!("{number}"));
    }
}

impl Visit for Object {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other number: what is none is null
        self.name(field.name());
        let _infallible = serde_json::to_writer(&mut self.0, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field.name());
        self.0.push(b'"');
        let _infallible = write!(Escaping(&mut self.0), "{value:?}");
        self.0.push(b'"');
    }
}

/// Takes text, and writes it as it stands between quotes.
struct Escaping<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape_into(text, self.0);
        Ok(())
    }
}

/// RFC 8259 section 7.
fn escape_into(text: &str, out: &mut Vec<u8>) {
    // all bytes are looked at, many at once: nearly always none of them is special
    let is_special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, |found, byte| found | is_special(byte)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let text = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Memory {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn events() {
        let error = io::Error::other("a \"quoted\"\nline \\ \u{7f}\u{1}é");
        tracing::info!(target: "countersign::exchange", text = "a\"b\\c\td", count = 7_u64, below = -3_i64, yes = true, "exchange");
        tracing::warn!(part = 0.25_f64, none = f64::NAN, %error, absent = None::<&str>, present = Some("x"), "{} and {:?}", 1, "é\n");
        tracing::error!(debug = ?Some("a\u{0}"), r#type = "keyword");
        tracing::debug!("only words");
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

    #[test]
    fn lines_are_those_of_the_librarys_own_format() {
        let (ours, theirs) = (Memory::default(), Memory::default());
        let outlet = Outlet::start(ours.clone()).unwrap();
        let now = || Timestamp::from_second(1_767_225_600).unwrap();
        let subscriber = tracing_subscriber::registry().with(JsonLines::new(outlet.clone(), now));
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

//! The log for machines: each event as one JSON object in a line.
//!
//! The format is that of `tracing_subscriber`'s own JSON lines with flattened fields. Those are written piece by piece through
//! layers of adapters, which was a quarter of the instructions of a request; these are written straight into the line that is
//! handed to the [`Outlet`].

use std::cell::Cell;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::outlet::Outlet;

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

thread_local! {
    /// The last line of this thread: the next one is written over it.
    static LAST: Cell<Line> = Cell::default();
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // taken: a field that logs something itself when it is shown finds another line here. A thread that is ending has none
        let mut line = LAST.try_with(Cell::take).unwrap_or_default();
        line.write((self.now)(), event);
        self.outlet.put(line.text());
        let _ending = LAST.try_with(|last| last.set(line));
    }
}

/// A line. What is written over it keeps its memory, and what all lines of one second begin with.
#[derive(Default)]
struct Line {
    /// The line, and room for more behind its end: bytes are copied into their places, several pieces at a time, which is a third
    /// of the instructions that a `Vec` takes to grow by each.
    room: Vec<u8>,
    end: usize,
    /// Which second it is of, in Unix time.
    second: Option<i64>,
    /// Where the part ends that all lines of this second have.
    beginning: usize,
}

impl Line {
    fn text(&self) -> &[u8] {
        self.room.get(..self.end).unwrap_or_default()
    }

    fn write(&mut self, now: Timestamp, event: &Event<'_>) {
        self.begin(now);
        self.put([b"\",\"level\":\"", level(*event.metadata().level()).as_bytes(), b"\""]);
        event.record(self);
        self.string("target", event.metadata().target());
        self.put([b"}\n"]);
    }

    /// Writes the time, to the microsecond.
    fn begin(&mut self, now: Timestamp) {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        let (second, nanos) = (now.as_second(), now.subsec_nanosecond());
        // before 1970 both count backwards
        let is_usual = nanos >= 0;
        if is_usual && self.second == Some(second) {
            self.end = self.beginning;
            // a million more, for the zeros in front
            let mut digits = itoa::Buffer::new();
            let digits = digits.format((nanos / 1000).saturating_add(1_000_000));
            self.put([digits.strip_prefix('1').unwrap_or_default().as_bytes(), b"Z"]);
            return;
        }
        self.end = 0;
        self.put([b"{\"timestamp\":\"", PRINTER.timestamp_to_string(&now).as_bytes()]);
        self.beginning = self.end.saturating_sub("000000Z".len());
        self.second = is_usual.then_some(second);
    }

    /// Writes pieces, one behind the other.
    #[inline]
    fn put<const PIECES: usize>(&mut self, pieces: [&[u8]; PIECES]) {
        while !self.have_room(pieces) {
            self.room.resize(self.room.len().saturating_mul(2).max(1024), 0);
        }
    }

    #[inline]
    fn have_room<const PIECES: usize>(&mut self, pieces: [&[u8]; PIECES]) -> bool {
        let size = self.room.len();
        let mut room = self.room.get_mut(self.end..).unwrap_or_default();
        for piece in pieces {
            let Some((place, rest)) = room.split_at_mut_checked(piece.len()) else { return false };
            place.copy_from_slice(piece);
            room = rest;
        }
        self.end = size.saturating_sub(room.len());
        true
    }

    /// A member that is a text. Names stand in a source, as identifiers: there is nothing to escape.
    fn string(&mut self, name: &str, text: &str) {
        let put = |line: &mut Self, text: &str| line.put([b",\"", name.as_bytes(), b"\":\"", text.as_bytes(), b"\""]);
        escaped(text, |text| put(self, text));
    }

    /// A member that is none.
    fn value(&mut self, name: &str, value: &str) {
        self.put([b",\"", name.as_bytes(), b"\":", value.as_bytes()]);
    }
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

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.string(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field.name(), itoa::Buffer::new().format(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field.name(), itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field.name(), if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other number: what is none is null
        self.value(field.name(), &serde_json::to_string(&value).unwrap_or_default());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.value(field.name(), "\"");
        let _infallible = write!(Escaping(self), "{value:?}");
        self.put([b"\""]);
    }
}

/// Takes text, and writes it as it stands between quotes.
struct Escaping<'a>(&'a mut Line);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(text, |text| self.0.put([text.as_bytes()]));
        Ok(())
    }
}

/// Hands on a text as it stands between quotes: RFC 8259 section 7.
#[inline]
fn escaped(text: &str, take: impl FnOnce(&str)) {
    if is_plain(text.as_bytes()) {
        return take(text); // nearly always
    }
    let quoted = serde_json::to_string(text).unwrap_or_default();
    let text = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    take(text.unwrap_or_default());
}

/// Whether nothing has to be escaped. Bytes are looked at many at once, the last ones together with some before them.
fn is_plain(text: &[u8]) -> bool {
    fn by_ends<const N: usize>(text: &[u8]) -> Option<bool> {
        Some(are_plain(text.first_chunk::<N>()?) & are_plain(text.last_chunk::<N>()?))
    }
    if let Some(end) = text.last_chunk::<16>() {
        let (chunks, _) = text.as_chunks::<16>();
        return chunks.iter().all(are_plain) && are_plain(end);
    }
    let short = by_ends::<8>(text).or_else(|| by_ends::<4>(text));
    short.unwrap_or_else(|| text.iter().all(|byte| are_plain(&[*byte])))
}

#[inline]
fn are_plain<const N: usize>(bytes: &[u8; N]) -> bool {
    let is_special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    !bytes.iter().fold(false, |found, byte| found | is_special(*byte))
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
            let mut line = LAST.take();
            assert_eq!(line.text(), b"");
            line.begin(Timestamp::UNIX_EPOCH);
            LAST.set(line);
            f.write_str("shown")
        }
    }

    #[test]
    fn a_line_written_within_another_spoils_neither() {
        let memory = Memory::default();
        let outlet = Outlet::start(memory.clone()).unwrap();
        let subscriber = tracing_subscriber::registry().with(JsonLines::new(outlet.clone(), Timestamp::now));
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
    fn every_time_is_written_whole_whatever_the_line_before() {
        let mut line = Line::default();
        let half = 500_000_000;
        let times =
            [(-1, 0), (0, -half), (0, 0), (0, 999), (0, half), (0, 999_999_999), (1, 0), (1, 1_000), (0, -1), (0, 1)];
        for (second, nanos) in times.into_iter().chain([(253_402_207_200, 1_000), (1, 999_999), (-377_705_023_201, 0)])
        {
            let now = Timestamp::new(second, nanos).unwrap();
            line.begin(now);
            let expected = format!("{{\"timestamp\":\"{now:.6}");
            assert_eq!(std::str::from_utf8(line.text()).unwrap(), expected);
            line.put([b"and more"]);
        }
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

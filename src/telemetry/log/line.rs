//! One line of the JSON log while it is written: an object that begins with the time and the level.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use tracing::Level;

use crate::telemetry::request_id::RequestId;

/// A line that is written again and again: it keeps its memory, and the beginning that all lines of one second have.
#[derive(Default)]
pub(in crate::telemetry) struct Line {
    /// The line, and spare bytes behind its end: pieces are copied to where they belong, which takes fewer
    /// instructions than growing a `Vec` by each.
    buffer: Vec<u8>,
    end: usize,
    /// The second of the line's time, in Unix time.
    second: Option<i64>,
    /// Where the beginning ends that all lines of this second have.
    beginning: usize,
}

/// A value that a member of the object can have.
pub(in crate::telemetry) trait Value {
    /// Writes `before` and the value, or nothing at all for `None`.
    fn write(self, before: &str, line: &mut Line);
}

impl Line {
    /// The complete line.
    pub(in crate::telemetry) fn text(&self) -> &[u8] {
        self.buffer.get(..self.end).unwrap_or_default()
    }

    /// Begins a new line.
    pub(in crate::telemetry) fn begin(&mut self, now: Timestamp, level: Level) {
        self.begin_with_time(now);
        self.put([b"\",\"level\":\"", word(level).as_bytes(), b"\""]);
    }

    /// Adds a member; `before` is its name in quotes, with comma and colon. Always inlined, with what it calls: the
    /// length of the name is then known, and copying it takes two moves instead of a call.
    #[inline(always)]
    pub(in crate::telemetry) fn member(&mut self, before: &'static str, value: impl Value) {
        value.write(before, self);
    }

    /// Adds a member whose name comes without quotes. Names are identifiers of the source, so nothing has to be
    /// escaped.
    pub(in crate::telemetry) fn named(&mut self, name: &str, value: impl Value) {
        self.put([b",\"", name.as_bytes(), b"\":"]);
        value.write("", self);
    }

    /// Adds a member with the `Debug` text of `value`.
    pub(in crate::telemetry) fn shown(&mut self, name: &str, value: &dyn fmt::Debug) {
        self.named(name, format!("{value:?}").as_str());
    }

    /// Ends the line with its target, a path of the source in which nothing has to be escaped.
    pub(in crate::telemetry) fn end(&mut self, target: &str) {
        self.put([b",\"target\":\"", target.as_bytes(), b"\"}\n"]);
    }

    /// Begins with the time, to the microsecond.
    fn begin_with_time(&mut self, now: Timestamp) {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
        let (second, nanos) = (now.as_second(), now.subsec_nanosecond());
        // before 1970 both numbers are negative, and such a line is printed in full
        let counts_up = nanos >= 0;
        if counts_up && self.second == Some(second) {
            self.end = self.beginning;
            // a million is added, so that leading zeros are printed
            let mut digits = itoa::Buffer::new();
            let digits = digits.format((nanos / 1000).saturating_add(1_000_000));
            self.put([digits.strip_prefix('1').unwrap_or_default().as_bytes(), b"Z"]);
            return;
        }
        self.end = 0;
        self.put([b"{\"timestamp\":\"", PRINTER.timestamp_to_string(&now).as_bytes()]);
        self.beginning = self.end.saturating_sub("000000Z".len());
        self.second = counts_up.then_some(second);
    }

    /// Appends pieces.
    #[inline(always)]
    fn put<const PIECES: usize>(&mut self, pieces: [&[u8]; PIECES]) {
        while !self.has_taken(pieces) {
            self.grow();
        }
    }

    /// Appends pieces if the buffer has room for all of them.
    #[inline(always)]
    fn has_taken<const PIECES: usize>(&mut self, pieces: [&[u8]; PIECES]) -> bool {
        let size = pieces.iter().map(|piece| piece.len()).sum();
        let Some(mut spare) = self.buffer.get_mut(self.end..).and_then(|spare| spare.get_mut(..size)) else {
            return false;
        };
        for piece in pieces {
            let Some((first, rest)) = spare.split_at_mut_checked(piece.len()) else { return false };
            first.copy_from_slice(piece);
            spare = rest;
        }
        self.end = self.end.saturating_add(size);
        true
    }

    #[cold]
    fn grow(&mut self) {
        self.buffer.resize(self.buffer.len().saturating_mul(2).max(1024), 0);
    }

    /// Appends a text with the escapes of JSON: RFC 8259 section 7.
    #[cold]
    fn put_escaped(&mut self, before: &str, text: &str) {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        self.put([before.as_bytes(), quoted.as_bytes()]);
    }
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

impl Value for &str {
    #[inline(always)]
    fn write(self, before: &str, line: &mut Line) {
        if is_plain(self.as_bytes()) {
            line.put([before.as_bytes(), b"\"", self.as_bytes(), b"\""]);
        } else {
            line.put_escaped(before, self);
        }
    }
}

impl Value for RequestId {
    /// A request ID has digits, letters and dashes only, so nothing has to be escaped.
    #[inline(always)]
    fn write(self, before: &str, line: &mut Line) {
        line.put([before.as_bytes(), b"\"", self.as_bytes(), b"\""]);
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Value for $integer {
            #[inline(always)]
            fn write(self, before: &str, line: &mut Line) {
                line.put([before.as_bytes(), itoa::Buffer::new().format(self).as_bytes()]);
            }
        }
    )*};
}

integers!(i64 u16 u32 u64 usize);

impl Value for bool {
    fn write(self, before: &str, line: &mut Line) {
        line.put([before.as_bytes(), if self { b"true" } else { b"false" }]);
    }
}

impl Value for f64 {
    /// JSON has no NaN and no infinity: they are written as `null`.
    fn write(self, before: &str, line: &mut Line) {
        line.put([before.as_bytes(), serde_json::to_string(&self).unwrap_or_default().as_bytes()]);
    }
}

impl<V: Value> Value for Option<V> {
    #[inline(always)]
    fn write(self, before: &str, line: &mut Line) {
        if let Some(value) = self {
            value.write(before, line);
        }
    }
}

/// Whether nothing has to be escaped. Bytes are compared 16, 8 or 4 at a time; the last comparison overlaps the one
/// before.
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
    use super::*;

    #[test]
    fn every_time_is_written_whole_whatever_the_line_before() {
        let mut line = Line::default();
        let half = 500_000_000;
        let times =
            [(-1, 0), (0, -half), (0, 0), (0, 999), (0, half), (0, 999_999_999), (1, 0), (1, 1_000), (0, -1), (0, 1)];
        for (second, nanos) in times.into_iter().chain([(253_402_207_200, 1_000), (1, 999_999), (-377_705_023_201, 0)])
        {
            let now = Timestamp::new(second, nanos).unwrap();
            line.begin(now, Level::INFO);
            let expected = format!("{{\"timestamp\":\"{now:.6}\",\"level\":\"INFO\"");
            assert_eq!(std::str::from_utf8(line.text()).unwrap(), expected);
            line.member(",\"more\":", 7_u64);
        }
    }
}

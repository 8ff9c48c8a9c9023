//! The log for people: what a reader looks for comes first in the line, so that it fits a terminal; IDs come last.

use std::fmt::{self, Write as _};
use std::time::Instant;

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::outlet::Outlet;

/// The target of the lines whose fields are ordered; those of other lines stay as the source has them.
const ORDERED: &str = "countersign::exchange";
/// These come right after the message, in this order.
const FIRST: [&str; 5] = ["route", "action", "status", "total_us", "reason"];
/// These come last, and on a terminal they are dim.
const LAST: [&str; 14] = [
    "attempts",
    "bytes_in",
    "bytes_out",
    "connect_us",
    "decision",
    "endpoint_request_id",
    "first_byte_us",
    "identified_by",
    "key_id",
    "peer",
    "request_id",
    "rule",
    "sign_us",
    "trace_id",
];

/// Whether lines have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// For a terminal.
    Ansi,
    /// For a file or a pipe, and with `NO_COLOR`.
    None,
}

/// The layer that writes events as lines for people.
pub(super) struct HumanLines {
    outlet: Outlet,
    wall: fn(Instant) -> Timestamp,
    colour: Colour,
}

impl HumanLines {
    /// Writes to `outlet`; `wall` gives the wall-clock time of an instant.
    pub(super) const fn new(outlet: Outlet, wall: fn(Instant) -> Timestamp, colour: Colour) -> Self {
        Self { outlet, wall, colour }
    }

    fn line(&self, now: Timestamp, event: &Event<'_>) -> String {
        let mut fields = Fields::of(event.metadata().target());
        event.record(&mut fields);
        let (dim, level, plain) = match self.colour {
            Colour::Ansi => ("\u{1b}[2m", colour(*event.metadata().level()), "\u{1b}[0m"),
            Colour::None => ("", "", ""),
        };
        let mut line = format!("{dim}{now:.3}{plain} {level}{:>5}{plain}", event.metadata().level().as_str());
        let Fields { message, first, others, last, .. } = fields;
        for part in std::iter::once(&message).chain(&first).chain(&others).filter(|part| !part.is_empty()) {
            line.push(' ');
            line.push_str(part);
        }
        line.push(' ');
        line.push_str(dim);
        for part in &last {
            line.push_str(part);
            line.push(' ');
        }
        line.push_str(event.metadata().target());
        line.push_str(plain);
        line.push('\n');
        line
    }
}

impl<S: Subscriber> Layer<S> for HumanLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let at = Instant::now();
        self.outlet.put(self.line((self.wall)(at), event).as_bytes(), at);
    }
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

/// Whether fields have a place of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    ByName,
    AsWritten,
}

/// The fields of an event, by their place in the line.
struct Fields {
    order: Order,
    message: String,
    first: [String; FIRST.len()],
    others: Vec<String>,
    last: Vec<String>,
}

impl Fields {
    fn of(target: &str) -> Self {
        let order = if target == ORDERED { Order::ByName } else { Order::AsWritten };
        Self { order, message: String::new(), first: Default::default(), others: Vec::new(), last: Vec::new() }
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let name = field.name();
        if name == "message" {
            let _infallible = Printable(&mut self.message).write_fmt(value);
            return;
        }
        let mut text = format!("{name}=");
        let _infallible = Printable(&mut text).write_fmt(value);
        if self.order == Order::AsWritten {
            self.others.push(text);
            return;
        }
        let nth = FIRST.iter().position(|first| *first == name);
        match nth.and_then(|nth| self.first.get_mut(nth)) {
            Some(first) => *first = text,
            None if LAST.contains(&name) => self.last.push(text),
            None => self.others.push(text),
        }
    }
}

impl Visit for Fields {
    /// The message of a line that is put together field by field is a text like others, and stands without quotes.
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.add(field, format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    /// Values that were formatted come here too: `tracing` gives them a `Debug` that is their `Display`.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

/// Escapes control characters, so that no value can change the reader's terminal. An end of line stays: errors of
/// several lines are made here, and `Debug` escapes it in what comes from elsewhere.
struct Printable<'s>(&'s mut String);

impl fmt::Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() && character != '\n' {
                write!(self.0, "{}", character.escape_default())?;
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::memory::Memory;
    use super::*;

    fn logged(colour: Colour, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let outlet = Outlet::start(memory.clone()).unwrap();
        let lines = HumanLines::new(outlet.clone(), |_| Timestamp::UNIX_EPOCH, colour);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), log);
        outlet.flush();
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    }

    fn exchange() {
        let action = Some("ListJobs");
        tracing::info!(
            target: "countersign::exchange", request_id = %"r-1", listener = "local", peer = %"127.0.0.1:1",
            route = "ie", action, rule = None::<&str>, status = 200_u16, outcome = "answered_2xx", total_us = 1234_u64,
            "exchange"
        );
    }

    #[test]
    fn what_a_reader_looks_for_comes_first_and_ids_last() {
        assert_eq!(
            logged(Colour::None, exchange),
            "1970-01-01T00:00:00.000Z  INFO exchange route=\"ie\" action=\"ListJobs\" status=200 total_us=1234 \
             listener=\"local\" outcome=\"answered_2xx\" request_id=r-1 peer=127.0.0.1:1 countersign::exchange\n"
        );
    }

    #[test]
    fn on_a_terminal_the_level_is_coloured_and_what_comes_last_is_dim() {
        let line = logged(Colour::Ansi, exchange);
        assert!(line.contains("\u{1b}[32m INFO\u{1b}[0m exchange route=\"ie\" "), "{line:?}");
        assert!(
            line.contains(" \u{1b}[2mrequest_id=r-1 peer=127.0.0.1:1 countersign::exchange\u{1b}[0m\n"),
            "{line:?}"
        );
    }

    #[test]
    fn no_value_can_change_the_terminal_of_the_reader() {
        let line = logged(Colour::None, || {
            let hostile = "\u{1b}[2J\u{9b}31m\r\u{7}";
            tracing::warn!(target: "t", text = hostile, shown = %hostile, "words {hostile}");
        });
        assert_eq!(line.matches(char::is_control).collect::<String>(), "\n", "{line:?}");
        assert!(line.contains("words \\u{1b}[2J\\u{9b}31m\\r\\u{7} text=\"\\u{1b}[2J"), "{line:?}");
    }
}

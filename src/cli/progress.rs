//! Tells what a command waits for, on standard error: with a moving line on a terminal, with one plain line elsewhere.
//! The service tells it in its log.
//!
//! What is waited for is named where it is waited for ([`waits`]), so that a command only says which part of its work
//! may take long.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::printable;
use crate::clock;
use crate::config::settings;
use crate::telemetry::log;
use crate::waits::{self, UnderWay};

/// A shorter wait is not worth a line that moves.
const MOVING_AFTER: Duration = Duration::from_millis(400);

/// The time between two looks of the moving line.
const FRAME: Duration = Duration::from_millis(100);

/// A plain line stays, so it comes only for a wait that somebody may wonder about. The log tells of a wait as soon.
const PLAIN_AFTER: Duration = Duration::from_secs(5);

/// The longest time from one line of the log about a wait to the next about the same. It grows up to this, so that a
/// store that never answers does not fill the log.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// How standard error shows a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Display {
    Moving,
    Plain,
}

/// Does `work`, and tells what the process waits for meanwhile. Nothing of it is left on a terminal when this returns.
pub(crate) fn shown<T>(work: impl FnOnce() -> T) -> T {
    let variable = |name| std::env::var_os(name);
    match display(io::stderr().is_terminal(), variable("TERM").as_deref(), variable("CI").as_deref()) {
        Display::Moving => beside(work, moving),
        Display::Plain => beside(work, plain),
    }
}

/// The same for work that waits for one thing.
pub(crate) fn shown_for<T>(what: impl Into<String>, work: impl FnOnce() -> T) -> T {
    let _wait = waits::begin(what);
    shown(work)
}

/// Does `work` of the service before its log has a thread, and logs what it waits for. The thread that does so has
/// ended when this returns: those of a process that confines itself start later.
pub(crate) fn logged<T>(log: &settings::Log, work: impl FnOnce() -> T) -> T {
    let (format, level) = (log.format, log.level.clone());
    beside(work, move |ended| {
        let mut told = ToldWaits::default();
        while goes_on(ended, Duration::from_secs(1)) {
            let due = told.due(waits::under_way());
            if !due.is_empty() {
                // whoever reads the configuration says what is wrong with the level
                let _logged = log::write_at_once(format, &level, clock::at, || due.iter().for_each(log_line));
            }
        }
    })
}

/// Which waits the log has told of.
#[derive(Debug, Default)]
pub(crate) struct ToldWaits(BTreeMap<u64, Duration>);

impl ToldWaits {
    /// Logs each wait that has lasted for some seconds, and again when it has lasted twice as long, or a minute longer.
    pub(crate) fn log(&mut self) {
        self.due(waits::under_way()).iter().for_each(log_line);
    }

    fn due(&mut self, all: Vec<UnderWay>) -> Vec<UnderWay> {
        self.0.retain(|number, _| all.iter().any(|wait| wait.number == *number));
        let mut due = all;
        due.retain(|wait| {
            let next = self.0.entry(wait.number).or_insert(PLAIN_AFTER);
            let is_due = wait.lasted >= *next;
            if is_due {
                *next = wait.lasted.saturating_add(wait.lasted.min(LOG_INTERVAL));
            }
            is_due
        });
        due
    }
}

fn log_line(wait: &UnderWay) {
    let seconds = wait.lasted.as_secs();
    tracing::warn!(seconds, "still waiting for {} after {seconds} s", wait.what);
}

/// A line that moves is for a person who looks at it. A CI server keeps every state of it as a line.
fn display(is_terminal: bool, term: Option<&OsStr>, ci: Option<&OsStr>) -> Display {
    let can_move = term.is_some_and(|term| !term.is_empty() && term != "dumb");
    let is_ci = ci.is_some_and(|ci| !ci.is_empty() && ci != "false");
    if is_terminal && can_move && !is_ci { Display::Moving } else { Display::Plain }
}

/// Does `work` on this thread, and `tell` on another until it is done.
fn beside<T>(work: impl FnOnce() -> T, tell: impl FnOnce(&Receiver<Infallible>) + Send) -> T {
    let (end, ended) = channel();
    thread::scope(|scope| {
        // where the system refuses a thread nothing is told, and the work is done all the same
        let told = thread::Builder::new().name("progress".to_owned()).spawn_scoped(scope, move || tell(&ended));
        let done = work();
        drop(end);
        // the scope would wait for the closure alone, and not for the end of the thread
        let _ended = told.map(thread::ScopedJoinHandle::join);
        done
    })
}

/// Whether the work still goes on after so much time.
fn goes_on(ended: &Receiver<Infallible>, time: Duration) -> bool {
    matches!(ended.recv_timeout(time), Err(RecvTimeoutError::Timeout))
}

fn moving(ended: &Receiver<Infallible>) {
    let mut line: Option<ProgressBar> = None;
    while goes_on(ended, FRAME) {
        let all = waits::under_way();
        let is_long = all.first().is_some_and(|wait| wait.lasted >= MOVING_AFTER);
        match (&line, sentence(&all)) {
            (Some(line), Some(text)) => {
                line.set_message(text);
                line.tick();
            }
            (Some(shown), None) => {
                shown.finish_and_clear();
                line = None;
            }
            (None, Some(text)) if is_long => {
                let new = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                    new.set_style(style.tick_chars("|/-\\ "));
                }
                new.set_message(text);
                new.tick();
                line = Some(new);
            }
            (None, _) => {}
        }
    }
    if let Some(line) = line {
        line.finish_and_clear();
    }
}

fn plain(ended: &Receiver<Infallible>) {
    let mut told: Vec<u64> = Vec::new();
    while goes_on(ended, FRAME) {
        for wait in waits::under_way().iter().filter(|wait| wait.lasted >= PLAIN_AFTER) {
            if !told.contains(&wait.number) {
                told.push(wait.number);
                let seconds = wait.lasted.as_secs();
                // where standard error is closed, nobody waits for the line
                let _may_be_closed = writeln!(
                    io::stderr(),
                    "countersign: still waiting for {} after {seconds} s",
                    printable(&wait.what)
                );
            }
        }
    }
}

/// The longest wait, and how many others there are.
fn sentence(all: &[UnderWay]) -> Option<String> {
    let (first, others) = all.split_first()?;
    let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
    // the time comes first: a terminal may be too narrow for the rest
    Some(format!("{} s: waiting for {}{more}", first.lasted.as_secs(), printable(&first.what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(number: u64, seconds: u64) -> UnderWay {
        UnderWay { number, what: format!("key.{number}"), lasted: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_line_moves_on_a_terminal_only_and_not_on_a_dumb_one_or_in_ci() {
        let display = |is_terminal, term: Option<&str>, ci: Option<&str>| {
            display(is_terminal, term.map(OsStr::new), ci.map(OsStr::new))
        };
        assert_eq!(display(true, Some("xterm"), None), Display::Moving);
        assert_eq!(display(true, Some("xterm"), Some("false")), Display::Moving);
        for (is_terminal, term, ci) in [
            (false, Some("xterm"), None),
            (true, None, None),
            (true, Some(""), None),
            (true, Some("dumb"), None),
            (true, Some("xterm"), Some("true")),
            (true, Some("xterm"), Some("1")),
        ] {
            assert_eq!(display(is_terminal, term, ci), Display::Plain, "{is_terminal} {term:?} {ci:?}");
        }
    }

    #[test]
    fn the_log_tells_of_a_wait_after_five_seconds_and_then_ever_less_often_down_to_once_a_minute() {
        let mut told = ToldWaits::default();
        let at: Vec<u64> = (0..400).filter(|seconds| !told.due(vec![wait(1, *seconds)]).is_empty()).collect();
        assert_eq!(at, [5, 10, 20, 40, 80, 140, 200, 260, 320, 380]);
    }

    #[test]
    fn each_wait_is_told_of_by_itself_and_forgotten_with_its_end() {
        let mut told = ToldWaits::default();
        assert_eq!(told.due(vec![wait(1, 6), wait(2, 1)]), [wait(1, 6)]);
        assert_eq!(told.due(vec![wait(1, 7), wait(2, 6)]), [wait(2, 6)]);
        assert_eq!(told.due(Vec::new()), []);
        assert!(told.0.is_empty());
    }

    #[test]
    fn the_longest_wait_is_named_and_no_name_changes_the_terminal() {
        assert_eq!(sentence(&[]), None);
        assert_eq!(sentence(&[wait(1, 3)]).as_deref(), Some("3 s: waiting for key.1"));
        assert_eq!(sentence(&[wait(1, 3), wait(2, 1)]).as_deref(), Some("3 s: waiting for key.1, and 1 more"));
        let hostile = UnderWay { what: "a\u{1b}[2J\nb".to_owned(), ..wait(1, 0) };
        assert!(!sentence(&[hostile]).unwrap().contains(char::is_control));
    }

    #[test]
    fn work_is_done_on_the_callers_thread_and_the_other_thread_has_ended_after_it() {
        let ours = thread::current().id();
        let (told, telling) = channel();
        let result = beside(
            || thread::current().id(),
            move |ended| {
                while goes_on(ended, FRAME) {}
                told.send(thread::current().id()).unwrap();
            },
        );
        assert_eq!(result, ours);
        assert_ne!(telling.try_recv().unwrap(), ours);
    }
}

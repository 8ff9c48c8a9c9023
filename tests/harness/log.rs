//! What the program writes to standard error, kept line by line and waited for.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use serde_json::Value;

use super::PATIENCE;

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
    reader: Option<std::thread::Thread>,
}

/// The log of one process.
#[derive(Clone, Default)]
pub struct Log {
    lines: Arc<(Mutex<Lines>, Condvar)>,
    paused: Arc<AtomicBool>,
    leaving: Arc<AtomicBool>,
}

impl Log {
    /// Collects what comes out of `pipe` from now on.
    pub fn follow(pipe: impl Read + Send + 'static) -> Self {
        let log = Self::default();
        let ours = log.clone();
        let reader = std::thread::spawn(move || {
            let (lines, changed) = &*ours.lines;
            for line in BufReader::new(pipe).lines() {
                lines.lock().unwrap().lines.push(line.unwrap());
                changed.notify_all();
                while ours.paused.load(Ordering::SeqCst) {
                    std::thread::park();
                }
                if ours.leaving.load(Ordering::SeqCst) {
                    break;
                }
            }
            lines.lock().unwrap().ended = true;
            changed.notify_all();
        });
        log.lines.0.lock().unwrap().reader = Some(reader.thread().clone());
        log
    }

    /// Reads no more until [`Self::read_on`], with the next line at the latest.
    pub fn stop_reading(&self) {
        self.paused.store(true, Ordering::SeqCst);
    }

    /// Closes the pipe with the next line.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    pub fn read_on(&self) {
        self.paused.store(false, Ordering::SeqCst);
        self.lines.0.lock().unwrap().reader.as_ref().unwrap().unpark();
    }

    /// Waits for the first line that `pick` picks.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let (lines, changed) = &*self.lines;
        let deadline = Instant::now() + PATIENCE;
        let mut lines = lines.lock().unwrap();
        let mut looked_at = 0;
        loop {
            if let Some(found) = lines.lines[looked_at..].iter().find_map(|line| pick(line)) {
                return found;
            }
            looked_at = lines.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !lines.ended, "no {what} in the log:\n{}", lines.lines.join("\n"));
            lines = changed.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// The rest of the first line that holds `text`, once there is one.
    #[track_caller]
    pub fn after(&self, text: &str) -> String {
        self.wait_for(text, |line| line.split_once(text).map(|(_, rest)| rest.to_owned()))
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lines.0.lock().unwrap().lines.join("\n")
    }

    /// Waits for the end of the stream, which is the end of the process, and returns all of it.
    #[track_caller]
    pub fn to_the_end(&self) -> String {
        let (lines, changed) = &*self.lines;
        let lines = changed.wait_timeout_while(lines.lock().unwrap(), PATIENCE, |lines| !lines.ended).unwrap().0;
        assert!(lines.ended, "the log did not end");
        lines.lines.join("\n")
    }

    /// How many lines there are so far of which `which` holds.
    pub fn count(&self, which: impl Fn(&str) -> bool) -> usize {
        self.lines.0.lock().unwrap().lines.iter().filter(|line| which(line)).count()
    }

    /// The JSON line of the exchange with this request id.
    #[track_caller]
    pub fn exchange(&self, request_id: &str) -> Value {
        self.json("line of the exchange", |line| line["request_id"] == request_id)
    }

    /// The first JSON line for which `condition` holds.
    #[track_caller]
    pub fn json(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, |line| serde_json::from_str(line).ok().filter(|line| condition(line)))
    }
}

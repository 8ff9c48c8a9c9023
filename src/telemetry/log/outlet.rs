//! How log lines leave the process: through a thread of their own, so that a slow reader delays no exchange.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::queue::{Queues, Taken, locked};

/// Bytes of memory that are kept between two batches.
const KEPT: usize = 256 * 1024;

/// How long the thread pauses after a write. A single line is written at once; under load, one wake-up and one write
/// serve the many lines of a pause.
const GATHERED: Duration = Duration::from_millis(5);

/// How long the process waits at its end until its last lines are read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Accepts lines without ever waiting for their reader. Lines that do not fit the queue are dropped and counted.
#[derive(Clone)]
pub(in crate::telemetry) struct Outlet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queues: Queues,
    /// The thread that writes, and whether it is waiting for a line.
    writer: OnceLock<Thread>,
    is_awaited: AtomicBool,
    /// Bytes written so far.
    written: Mutex<usize>,
    progress: Condvar,
}

impl Outlet {
    /// Starts the thread that writes to `sink` until the process ends. Lines that `sink` refuses are lost, since
    /// there is no other place to report that to.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(in crate::telemetry) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let ours = Arc::clone(&shared);
        let writer = thread::Builder::new().name("log".to_owned()).spawn(move || ours.drain(sink))?;
        let _first = shared.writer.set(writer.thread().clone());
        Ok(Self(shared))
    }

    /// Accepts a line with its newline; `at` is when the event happened.
    pub(in crate::telemetry) fn put(&self, line: &[u8], at: Instant) {
        self.0.queues.put(line, at);
        // the queue's lock orders the two threads: either this thread sees the flag, or the writer sees the line
        if self.0.is_awaited.load(Ordering::Relaxed) {
            self.0.writer.get().into_iter().for_each(Thread::unpark);
        }
    }

    /// Waits until every line accepted so far is written, at most a second.
    pub(in crate::telemetry) fn flush(&self) {
        let accepted = self.0.queues.accepted();
        let is_behind = |written: &mut usize| *written < accepted;
        // the result does not matter: nothing more can be done when time is up
        let _waited = self.0.progress.wait_timeout_while(locked(&self.0.written), PATIENCE, is_behind);
    }
}

impl Outlet {
    /// An outlet whose lines nobody writes: they are there to be taken.
    pub(super) fn without_thread() -> Self {
        Self(Arc::default())
    }

    /// The lines put in so far.
    pub(super) fn take(&self) -> Vec<u8> {
        let (mut taken, mut lines) = (Taken::default(), Vec::new());
        let _none_is_lost = self.0.queues.take(&mut taken);
        taken.merge(Instant::now(), &mut lines);
        lines
    }
}

impl Shared {
    fn drain(&self, mut sink: impl Write) {
        let (mut taken, mut batch) = (Taken::default(), Vec::new());
        loop {
            let now = Instant::now();
            let lost = self.queues.take(&mut taken);
            if lost > 0 {
                // this line goes through the same queue, which has room again
                tracing::warn!(
                    target: "countersign::log",
                    lost,
                    "log lines were lost: they are not read as fast as they are written"
                );
            }
            taken.merge(now, &mut batch);
            if batch.is_empty() && taken.is_empty() {
                self.await_line();
                continue;
            }
            let _gone = sink.write_all(&batch);
            self.note_written(batch.len());
            batch.clear();
            batch.shrink_to(KEPT);
            taken.shrink_to(KEPT);
            thread::sleep(GATHERED);
        }
    }

    fn await_line(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
        if self.queues.are_empty() {
            thread::park(); // may return early, which the caller's loop allows for
        }
        self.is_awaited.store(false, Ordering::Relaxed);
    }

    fn note_written(&self, bytes: usize) {
        let mut written = locked(&self.written);
        *written = written.saturating_add(bytes);
        self.progress.notify_all();
    }
}

impl Write for Outlet {
    /// Accepts all of `line`: the formatter writes one complete event at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line, Instant::now());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Outlet {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::ROOM;
    use super::*;
    use std::sync::mpsc::{self, Receiver};

    /// A reader that takes what is written each time it is told to.
    struct Reluctant {
        go: Receiver<()>,
        read: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Reluctant {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(io::Error::other)?;
            self.read.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_beyond_the_queue_are_dropped_and_those_in_it_come_out_in_order() {
        let (tell, go) = mpsc::channel();
        let (read, reading) = mpsc::channel();
        let mut outlet = Outlet::start(Reluctant { go, read }).unwrap();
        let shared = Arc::clone(&outlet.0);
        let (mut expected, mut number, mut lost) = (String::new(), 0, 0);
        while lost < 10 {
            let (line, before) = (format!("{number:0>99}\n"), shared.queues.accepted());
            outlet.write_all(line.as_bytes()).unwrap(); // and does not wait
            if shared.queues.accepted() == before {
                lost += 1;
            } else {
                expected.push_str(&line);
            }
            number += 1;
        }
        assert!((ROOM - 100..=2 * ROOM).contains(&expected.len()), "{}: the thread may hold a batch", expected.len());
        let mut came = Vec::new();
        while came.len() < expected.len() {
            tell.send(()).unwrap();
            came.extend(reading.recv().unwrap());
        }
        assert_eq!(String::from_utf8(came).unwrap(), expected);
    }

    #[test]
    fn a_flush_waits_for_what_was_accepted() {
        let (tell, go) = mpsc::channel();
        let (read, reading) = mpsc::channel();
        let mut outlet = Outlet::start(Reluctant { go, read }).unwrap();
        outlet.write_all(b"last words").unwrap();
        tell.send(()).unwrap();
        outlet.flush();
        assert_eq!(reading.try_recv().unwrap(), b"last words");
    }
}

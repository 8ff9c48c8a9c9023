//! Where log lines leave the process: through a thread of their own, so that whoever reads them slowly holds up no exchange.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::places::{Apart, PLACES, place};

/// Bytes of a thread's lines that may wait for the reader: some 8000 lines, or what a quarter of a second of heavy load writes.
const ROOM: usize = 4 * 1024 * 1024;

/// Room that is kept between two batches; more, which only a reader that stalled had made necessary, is given back.
const KEPT: usize = 256 * 1024;

/// How long lines gather after some have been written. A line by itself is written at once; under load, one wake-up and one write
/// are for many. Lines of two threads may come in another order than they were written in, within this time.
const GATHERED: Duration = Duration::from_millis(5);

/// How long the end of the process waits for its last lines to be read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes lines without ever waiting for their reader; those for which there is no room are counted and dropped.
#[derive(Clone)]
pub(super) struct Outlet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// One for each thread that logs, so that workers share no lock: the other who takes it is the thread that writes, now and then.
    queues: [Apart<Mutex<Queue>>; PLACES],
    /// The thread that writes, and whether it waits for a line.
    writer: OnceLock<Thread>,
    is_awaited: AtomicBool,
    /// Bytes that have left so far.
    written: Mutex<usize>,
    progress: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    lost: u64,
    /// Bytes that were taken in so far.
    accepted: usize,
}

impl Outlet {
    /// Starts the thread that writes to `sink`, for as long as the process lives. What `sink` refuses is gone: a log has nobody to
    /// complain to.
    ///
    /// # Errors
    /// No thread to be had.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let ours = Arc::clone(&shared);
        let writer = thread::Builder::new().name("log".to_owned()).spawn(move || ours.drain(sink))?;
        let _first = shared.writer.set(writer.thread().clone());
        Ok(Self(shared))
    }

    /// Takes a line, with its end.
    pub(super) fn put(&self, line: &[u8]) {
        let Some(Apart(queue)) = self.0.queues.get(place()) else { return };
        {
            // held for a copy or a swap, never while something is written
            let mut queue = locked(queue);
            if queue.lines.len().saturating_add(line.len()) > ROOM {
                queue.lost = queue.lost.saturating_add(1);
                return;
            }
            queue.lines.extend_from_slice(line);
            queue.accepted = queue.accepted.saturating_add(line.len());
        }
        // whoever had the queue's lock first, either this is seen here or the line there
        if self.0.is_awaited.load(Ordering::Relaxed) {
            self.0.writer.get().into_iter().for_each(Thread::unpark);
        }
    }

    /// Waits until every line accepted so far is written, at most a second.
    pub(super) fn flush(&self) {
        let queues = self.0.queues.iter().map(|Apart(queue)| locked(queue).accepted);
        let accepted = queues.fold(0, usize::saturating_add);
        let is_behind = |written: &mut usize| *written < accepted;
        // whether it was enough makes no difference: nothing more can be done
        let _waited = self.0.progress.wait_timeout_while(locked(&self.0.written), PATIENCE, is_behind);
    }
}

impl Shared {
    fn drain(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        loop {
            let (mut lost, mut came) = (0_u64, false);
            for Apart(queue) in &self.queues {
                lost = lost.saturating_add(take(queue, &mut batch));
                if !batch.is_empty() {
                    came = true;
                    let _gone = sink.write_all(&batch);
                    self.note_written(batch.len());
                    batch.clear();
                    batch.shrink_to(KEPT);
                }
            }
            if lost > 0 {
                // into our own queue, behind what is lost
                tracing::warn!(target: "countersign::log", lost, "log lines were lost: they are not read as fast as they are written");
            }
            if came {
                thread::sleep(GATHERED);
            } else {
                self.await_line();
            }
        }
    }

    fn await_line(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
        if self.queues.iter().all(|Apart(queue)| locked(queue).lines.is_empty()) {
            thread::park(); // and looks again, whatever ended it
        }
        self.is_awaited.store(false, Ordering::Relaxed);
    }

    fn note_written(&self, bytes: usize) {
        let mut written = locked(&self.written);
        *written = written.saturating_add(bytes);
        self.progress.notify_all();
    }
}

/// Swaps the lines for `batch`, which is empty. Returns how many had no room behind them.
fn take(queue: &Mutex<Queue>, batch: &mut Vec<u8>) -> u64 {
    let mut queue = locked(queue);
    mem::swap(&mut queue.lines, batch);
    mem::take(&mut queue.lost)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Write for Outlet {
    /// Takes `line` whole: the formatter hands over one event at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
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
        let accepted = || shared.queues.iter().map(|Apart(queue)| locked(queue).accepted).sum::<usize>();
        let (mut expected, mut number, mut lost) = (String::new(), 0, 0);
        while lost < 10 {
            let (line, before) = (format!("{number:0>99}\n"), accepted());
            outlet.write_all(line.as_bytes()).unwrap(); // and does not wait
            if accepted() == before {
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

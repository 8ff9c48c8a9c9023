//! Where log lines leave the process: through a thread of their own, so that whoever reads them slowly holds up no exchange.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the reader, of some 500 bytes each: 4 MiB, or what a second of heavy load writes.
const QUEUE: usize = 8192;

/// How long lines gather after some have been written. A line by itself is written at once; under load, one wake-up and one write
/// are for many.
const GATHERED: Duration = Duration::from_millis(5);

/// Bytes of lines that are written at once, unless one line has more.
const BATCH: usize = 64 * 1024;

/// How long the end of the process waits for its last lines to be read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes lines without ever waiting; those for which there is no room are counted and dropped.
#[derive(Clone)]
pub(super) struct Outlet {
    lines: SyncSender<Vec<u8>>,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    lost: AtomicU64,
    written: Mutex<u64>,
    changed: Condvar,
}

impl Outlet {
    /// Starts the thread that writes to `sink`. What `sink` refuses is gone: a log has nobody to complain to.
    ///
    /// # Errors
    /// No thread to be had.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE);
        let tally = Arc::<Tally>::default();
        let ours = Arc::clone(&tally);
        thread::Builder::new().name("log".to_owned()).spawn(move || drain(&queue, sink, &ours))?;
        Ok(Self { lines, tally })
    }

    /// Waits until every line accepted so far is written, at most a second.
    pub(super) fn flush(&self) {
        let accepted = self.tally.accepted.load(Ordering::Relaxed);
        let written = self.tally.written.lock().unwrap_or_else(PoisonError::into_inner);
        // whether it was enough makes no difference: nothing more can be done
        let _waited = self.tally.changed.wait_timeout_while(written, PATIENCE, |written| *written < accepted);
    }
}

fn drain(queue: &Receiver<Vec<u8>>, mut sink: impl Write, tally: &Tally) {
    let mut next = None;
    loop {
        let first = match next.take().map_or_else(|| queue.try_recv(), Ok) {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                let lost = tally.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    // into our own queue, which is empty
                    tracing::warn!(target: "countersign::log", lost, "log lines were lost: they are not read as fast as they are written");
                }
                thread::sleep(GATHERED);
                let Ok(line) = queue.recv() else { return };
                line
            }
        };
        let (mut batch, mut lines) = (first, 1_u64);
        while let Ok(line) = queue.try_recv() {
            if batch.len().saturating_add(line.len()) > BATCH {
                next = Some(line);
                break;
            }
            batch.extend_from_slice(&line);
            lines = lines.saturating_add(1);
        }
        let _gone = sink.write_all(&batch);
        tally.note_written(lines);
    }
}

impl Tally {
    fn note_written(&self, lines: u64) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written = written.saturating_add(lines);
        self.changed.notify_all();
    }
}

impl Outlet {
    /// Takes a line, with its end.
    pub(super) fn put(&self, line: Vec<u8>) {
        let counter = match self.lines.try_send(line) {
            Ok(()) => &self.tally.accepted,
            Err(_full) => &self.tally.lost,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Write for Outlet {
    /// Takes `line` whole: the formatter hands over one event at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
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
    use std::sync::mpsc;

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
        let lost = Arc::clone(&outlet.tally);
        let lost = || lost.lost.load(Ordering::Relaxed);
        let (mut expected, mut number) = (String::new(), 0);
        while lost() < 10 {
            let (line, before) = (format!("{number}\n"), lost());
            outlet.write_all(line.as_bytes()).unwrap(); // and does not wait
            if lost() == before {
                expected.push_str(&line);
            }
            number += 1;
        }
        let accepted = expected.lines().count();
        assert!((QUEUE..=QUEUE + BATCH).contains(&accepted), "{accepted}: the thread may hold a batch");
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

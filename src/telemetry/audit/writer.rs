//! The thread that writes audit lines one after the other, and tries each again until it is written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Shared;
use super::sink::Sink;

/// How often a target that failed is tried again, and a file is checked for rotation while there is nothing to write.
const PACE: Duration = Duration::from_secs(1);

pub(super) enum Message {
    Line(Vec<u8>),
    /// The thread ends after the lines before this message.
    End,
}

/// The handle of the thread. The thread ends with [`AuditWriter::finish`], or with the process.
pub(crate) struct AuditWriter {
    shared: Arc<Shared>,
    lines: SyncSender<Message>,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

impl AuditWriter {
    pub(super) fn start(
        sink: Sink,
        shared: Arc<Shared>,
        lines: SyncSender<Message>,
        inbox: Receiver<Message>,
    ) -> io::Result<Self> {
        let (end, ended) = channel();
        let work = Work { sink, shared: Arc::clone(&shared), inbox };
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(move || {
            work.run();
            // fails only when `finish` has stopped waiting
            let _waiting = end.send(());
        })?;
        Ok(Self { shared, lines, ended, thread })
    }

    /// Has the file opened again within a second (SIGHUP).
    pub(crate) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
    }

    /// Waits at most `limit` until the queue is written, and returns how many lines are left.
    #[must_use]
    pub(crate) fn finish(self, limit: Duration) -> usize {
        let _room_or_stopping = self.lines.try_send(Message::End);
        self.shared.stopping.store(true, Ordering::Relaxed);
        if self.ended.recv_timeout(limit).is_ok() {
            let _panicked = self.thread.join();
        }
        self.shared.taken.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// The target has taken a line, or was looked at.
    fn end_of_work(&self) {
        let was_stuck = self.stall.end();
        if self.failing.swap(false, Ordering::Relaxed) || was_stuck {
            tracing::info!("the audit is written again");
        }
    }
}

struct Work {
    sink: Sink,
    shared: Arc<Shared>,
    inbox: Receiver<Message>,
}

enum Written {
    Yes,
    /// The process ends while the target still fails.
    GivenUp,
}

impl Work {
    fn run(mut self) {
        loop {
            match self.inbox.recv_timeout(PACE) {
                Ok(Message::Line(line)) => match self.write(&line) {
                    Written::Yes => self.shared.give_back(),
                    Written::GivenUp => return,
                },
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return,
                // a file that was moved away is closed even when there is nothing to write
                Err(RecvTimeoutError::Timeout) => {
                    // a file system that does not answer stops here as well
                    self.shared.stall.begin();
                    self.follow_rotation();
                    self.shared.end_of_work();
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> Written {
        self.shared.stall.begin();
        loop {
            self.follow_rotation();
            match self.sink.write(line) {
                Ok(()) => {
                    self.shared.end_of_work();
                    return Written::Yes;
                }
                Err(error) => {
                    if !self.shared.failing.swap(true, Ordering::Relaxed) {
                        let when_full = self.shared.when_full;
                        tracing::error!(
                            %error,
                            ?when_full,
                            "the audit cannot be written; trying again every second"
                        );
                    }
                }
            }
            if self.shared.stopping.load(Ordering::Relaxed) {
                return Written::GivenUp;
            }
            thread::sleep(PACE);
        }
    }

    fn follow_rotation(&mut self) {
        if self.shared.reopen.swap(false, Ordering::Relaxed) {
            self.sink.reopen();
        }
        self.sink.follow();
    }
}

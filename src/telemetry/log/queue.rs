//! Queues of log lines: one for each thread that logs, merged by time when the lines leave.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::telemetry::thread_slot::{CacheLine, SLOTS, slot};

/// Bytes of a thread's lines that may wait for the reader: about 4,000 lines, which a worker writes in 50 ms at full
/// load.
pub(super) const ROOM: usize = 2 * 1024 * 1024;

/// Lines that were dropped since the process began. A process has one log, which is set up before its metrics.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The queues. Workers share no lock; only the thread that writes takes the lock of each queue now and then.
#[derive(Default)]
pub(super) struct Queues([CacheLine<Mutex<Queue>>; SLOTS]);

#[derive(Default)]
struct Queue {
    lines: Lines,
    lost: u64,
    /// Bytes accepted so far.
    accepted: usize,
}

/// Lines of one thread, in order.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// When each line was logged, and where it ends in `text`.
    ends: Vec<(Instant, usize)>,
}

/// Lines that were taken out of the queues and are not written yet.
#[derive(Default)]
pub(super) struct Taken([Lines; SLOTS]);

/// How many lines were dropped since the process began.
pub(crate) fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

impl Queues {
    /// Adds a line of this thread, with its newline; `at` orders it among the lines of other threads. A line that
    /// does not fit is dropped and counted.
    pub(super) fn put(&self, line: &[u8], at: Instant) {
        let Some(CacheLine(queue)) = self.0.get(slot()) else { return };
        // the lock is held for a copy or a swap, never during a write to the sink
        let mut queue = locked(queue);
        if queue.lines.text.len().saturating_add(line.len()) > ROOM {
            queue.lost = queue.lost.saturating_add(1);
            // counted here and not where the log tells of it: that is when the reader takes lines again
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.lines.text.extend_from_slice(line);
        let end = queue.lines.text.len();
        queue.lines.ends.push((at, end));
        queue.accepted = queue.accepted.saturating_add(line.len());
    }

    /// Bytes accepted so far.
    pub(super) fn accepted(&self) -> usize {
        self.0.iter().map(|CacheLine(queue)| locked(queue).accepted).fold(0, usize::saturating_add)
    }

    /// Whether no line is waiting.
    pub(super) fn are_empty(&self) -> bool {
        self.0.iter().all(|CacheLine(queue)| locked(queue).lines.text.is_empty())
    }

    /// Moves all lines to `taken`. Returns how many lines were dropped since the last call.
    pub(super) fn take(&self, taken: &mut Taken) -> u64 {
        let taken = self.0.iter().zip(&mut taken.0).map(|(CacheLine(queue), taken)| {
            let mut queue = locked(queue);
            if taken.text.is_empty() {
                mem::swap(&mut queue.lines, taken);
            } else {
                taken.append(&mut queue.lines);
            }
            mem::take(&mut queue.lost)
        });
        taken.fold(0, u64::saturating_add)
    }
}

impl Taken {
    /// Moves the lines of all threads into `batch`, ordered by time. Lines logged after `end` stay: another thread
    /// may have added an earlier one to a queue that had been emptied already.
    pub(super) fn merge(&mut self, end: Instant, batch: &mut Vec<u8>) {
        if batch.is_empty() && self.is_of_one_thread(end) {
            // nothing to order, so nothing to copy
            for lines in &mut self.0 {
                lines.ends.clear();
                if !lines.text.is_empty() {
                    mem::swap(&mut lines.text, batch);
                }
            }
            return;
        }
        let mut rests = self.0.each_ref().map(|lines| (lines.ends.as_slice(), 0_usize));
        let first = |rest: &(&[(Instant, usize)], usize)| rest.0.first().map(|(at, _)| *at).filter(|at| *at <= end);
        while let Some((earliest, _)) =
            rests.iter().enumerate().filter_map(|(nth, rest)| Some((nth, first(rest)?))).min_by_key(|(_, at)| *at)
        {
            let (Some((ends, begin)), Some(lines)) = (rests.get_mut(earliest), self.0.get(earliest)) else { break };
            let Some(((_, line_end), behind)) = ends.split_first() else { break };
            batch.extend_from_slice(lines.text.get(*begin..*line_end).unwrap_or_default());
            (*ends, *begin) = (behind, *line_end);
        }
        let moved = rests.map(|(ends, begin)| (ends.len(), begin));
        for (lines, (left, begin)) in self.0.iter_mut().zip(moved) {
            lines.drop_first(lines.ends.len().saturating_sub(left), begin);
        }
    }

    /// Whether no line is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|lines| lines.text.is_empty())
    }

    /// Whether all lines are of one thread, and none was logged after `end`.
    fn is_of_one_thread(&self, end: Instant) -> bool {
        let mut of_threads = self.0.iter().filter_map(|lines| lines.ends.last());
        of_threads.next().is_some_and(|(last, _)| *last <= end) && of_threads.next().is_none()
    }

    /// Frees memory beyond this many bytes for each thread: only a reader that stalled makes more necessary.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        for lines in &mut self.0 {
            lines.text.shrink_to(bytes);
            lines.ends.shrink_to(bytes >> 6); // hardly any line has less than 64 bytes
        }
    }
}

impl Lines {
    fn append(&mut self, more: &mut Self) {
        let before = self.text.len();
        self.text.append(&mut more.text);
        self.ends.extend(more.ends.drain(..).map(|(at, end)| (at, before.saturating_add(end))));
    }

    fn drop_first(&mut self, lines: usize, bytes: usize) {
        drop(self.text.drain(..bytes.min(self.text.len())));
        drop(self.ends.drain(..lines.min(self.ends.len())));
        for (_, end) in &mut self.ends {
            *end = end.saturating_sub(bytes);
        }
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn lines_of_all_threads_leave_in_the_order_in_which_they_were_put_in() {
        let queues = Arc::<Queues>::default();
        // a line goes from thread to thread, and each puts it in before it hands it on
        let threads = 2 * SLOTS;
        let (starts, mut ends): (Vec<_>, Vec<_>) = (0..=threads).map(|_| channel::<usize>()).unzip();
        let last = ends.pop().unwrap();
        for (nth, end) in ends.into_iter().enumerate() {
            let (queues, next) = (Arc::clone(&queues), starts[nth + 1].clone());
            thread::spawn(move || {
                for line in end {
                    queues.put(format!("{line}\n").as_bytes(), Instant::now());
                    next.send(line + 1).unwrap();
                }
            });
        }
        let (mut taken, mut batch, mut number) = (Taken::default(), Vec::new(), 0);
        for round in 0..20 {
            starts[0].send(number).unwrap();
            if round % 3 == 0 {
                // amid their work: what is newer than this look stays
                let now = Instant::now();
                queues.take(&mut taken);
                taken.merge(now, &mut batch);
            }
            number = last.recv().unwrap();
        }
        while !taken.is_empty() || !queues.are_empty() {
            let now = Instant::now();
            assert_eq!(queues.take(&mut taken), 0);
            taken.merge(now, &mut batch);
        }
        let expected: String = (0..number).map(|line| format!("{line}\n")).collect();
        assert_eq!(String::from_utf8(batch).unwrap(), expected);
        assert_eq!(queues.accepted(), expected.len());
    }
}

//! Reading what a program prints, until it has exited, its time is over or it has printed too much.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use zeroize::Zeroizing;

use crate::credentials::document::MAX_DOCUMENT;

/// How much of standard error is kept, in bytes: the last of it.
const KEPT: usize = 4096;

/// Why reading has ended.
pub(super) enum End {
    Exited,
    TimedOut,
    TooMuch,
}

/// What a program has printed. Both buffers have their final capacity from the start: growing would leave copies.
pub(super) struct Printed {
    pub(super) output: Zeroizing<Vec<u8>>,
    pub(super) errors: Zeroizing<Vec<u8>>,
}

impl Printed {
    pub(super) fn new() -> Self {
        Self {
            output: Zeroizing::new(Vec::with_capacity(MAX_DOCUMENT.saturating_add(KEPT))),
            errors: Zeroizing::new(Vec::with_capacity(KEPT.saturating_mul(2))),
        }
    }

    /// Reads both streams until the program has exited. A stream that another process holds open is not waited for.
    pub(super) fn collect(&mut self, child: &mut Child, limit: Duration) -> io::Result<End> {
        let begun = Instant::now();
        let exit = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let exit = exit.ok_or_else(|| io::Error::other("a process without a number"))?;
        let exit = pidfd_open(exit, PidfdFlags::empty())?;
        let (mut output, mut errors) = (Stream::new(child.stdout.take())?, Stream::new(child.stderr.take())?);
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(End::TimedOut);
            }
            let exited = {
                let exit = PollFd::new(&exit, PollFlags::IN);
                let mut waited: Vec<PollFd<'_>> =
                    [output.waited(), errors.waited()].into_iter().flatten().chain([exit]).collect();
                let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
                match poll(&mut waited, Some(&timeout)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                waited.last().is_some_and(|exit| exit.revents().contains(PollFlags::IN))
            };
            output.read_into(&mut self.output, MAX_DOCUMENT.saturating_add(1))?;
            errors.read_into(&mut self.errors, usize::MAX)?;
            if self.output.len() > MAX_DOCUMENT {
                return Ok(End::TooMuch);
            }
            if exited {
                return Ok(End::Exited);
            }
        }
    }
}

/// A stream of a program; `None` after its end.
struct Stream<R>(Option<R>);

impl<R: Read + AsFd> Stream<R> {
    fn new(stream: Option<R>) -> io::Result<Self> {
        if let Some(stream) = &stream {
            fcntl_setfl(stream, fcntl_getfl(stream)? | OFlags::NONBLOCK)?;
        }
        Ok(Self(stream))
    }

    fn waited(&self) -> Option<PollFd<'_>> {
        let descriptor: BorrowedFd<'_> = self.0.as_ref()?.as_fd();
        Some(PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
    }

    /// Reads what is available. `kept` holds at most `limit` bytes and never grows: older bytes are dropped.
    fn read_into(&mut self, kept: &mut Zeroizing<Vec<u8>>, limit: usize) -> io::Result<()> {
        let mut piece = Zeroizing::new([0; KEPT]);
        while let Some(stream) = self.0.as_mut().filter(|_| kept.len() < limit) {
            match stream.read(piece.as_mut_slice()) {
                Ok(0) => self.0 = None,
                Ok(count) => {
                    let excess = kept.len().saturating_add(count).saturating_sub(kept.capacity());
                    let oldest = excess.min(kept.len());
                    kept.drain(..oldest);
                    kept.extend_from_slice(piece.get(..count).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

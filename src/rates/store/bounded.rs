//! A connection on which the other side may say no more than was asked of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many more bytes may arrive. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Limit(Arc<AtomicUsize>);

impl Limit {
    /// Allows this many more bytes from now on.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A stream that breaks when more comes than its limit allows. The library that reads it keeps a reply in memory until
/// it is complete, whatever its size.
pub(super) struct Bounded<S> {
    stream: S,
    limit: Limit,
}

impl<S> Bounded<S> {
    pub(super) const fn new(stream: S, limit: Limit) -> Self {
        Self { stream, limit }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        let left = self.limit.0.load(Ordering::Relaxed).checked_sub(read);
        self.limit.0.store(left.unwrap_or(0), Ordering::Relaxed);
        Poll::Ready(left.map(drop).ok_or_else(|| io::Error::other("more came than was asked for")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn a_connection_breaks_when_more_comes_than_was_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut far, near) = tokio::io::duplex(64);
            let limit = Limit::default();
            let mut near = Bounded::new(near, limit.clone());
            limit.set(5);
            far.write_all(b"12345").await.unwrap();
            let mut read = [0; 5];
            near.read_exact(&mut read).await.unwrap();
            limit.set(3);
            far.write_all(b"1234").await.unwrap();
            assert!(near.read_exact(&mut [0; 4]).await.unwrap_err().to_string().contains("more came"));
            near.write_all(b"x").await.unwrap();
            far.read_exact(&mut [0]).await.unwrap();
        });
    }
}

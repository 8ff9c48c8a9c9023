//! Bytes that have been received and not consumed yet, in memory that connections lend each other.
//!
//! A waiting connection has no memory of its own to read into: a connection that reads borrows the one spare buffer of
//! its thread, and gives it back when all that was read has been consumed.

use std::cell::Cell;

use bytes::{Buf as _, Bytes, BytesMut};

use super::MOST_COPIED;

/// A larger piece of memory, in bytes, is not lent: a connection that has received a single byte would keep all of it.
const MOST_SPARE: usize = 16 * 1024;

thread_local! {
    /// Memory of a buffer that is empty, for the next connection that reads.
    static SPARE: Cell<BytesMut> = Cell::default();
}

/// See the module's page.
#[derive(Debug, Default)]
pub struct ReceiveBuffer {
    bytes: BytesMut,
}

impl ReceiveBuffer {
    /// What is in it.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many more bytes fit.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.bytes.capacity().saturating_sub(self.bytes.len())
    }

    /// The buffer with memory for `more` bytes at least, to be read into. To be followed by [`Self::rest`] when nothing
    /// came.
    pub fn space(&mut self, more: usize) -> &mut BytesMut {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
        }
        // gets the same memory again, if what was read into it is gone
        self.bytes.reserve(more);
        &mut self.bytes
    }

    /// The same, with memory for `all` bytes in one piece, including those already in it: exactly as many, when they
    /// have to be moved.
    pub fn space_for_all(&mut self, all: usize) -> &mut BytesMut {
        if self.bytes.capacity() < all {
            let mut whole = BytesMut::with_capacity(all);
            whole.extend_from_slice(&self.bytes);
            give_back(std::mem::replace(&mut self.bytes, whole));
        }
        &mut self.bytes
    }

    /// Gives the memory back when nothing is in it.
    pub fn rest(&mut self) {
        if self.bytes.is_empty() {
            give_back(std::mem::take(&mut self.bytes));
        }
    }

    /// Drops this many bytes.
    pub fn skip(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.len()));
    }

    /// Takes this many bytes. A few are copied, which costs less than sharing the memory; a large piece keeps the
    /// memory until it is dropped.
    #[must_use]
    pub fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.bytes.len());
        if count > MOST_COPIED {
            return self.bytes.split_to(count).freeze();
        }
        let copy = Bytes::copy_from_slice(self.bytes.get(..count).unwrap_or_default());
        self.bytes.advance(count);
        copy
    }

    /// Takes all that is in it.
    #[must_use]
    pub fn take_all(&mut self) -> Bytes {
        if self.bytes.len() > MOST_COPIED {
            return self.bytes.split().freeze();
        }
        let copy = Bytes::copy_from_slice(&self.bytes);
        self.bytes.clear();
        copy
    }
}

fn give_back(mut bytes: BytesMut) {
    if (1..=MOST_SPARE).contains(&bytes.capacity()) {
        bytes.clear();
        SPARE.set(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_received_is_taken_in_its_order_in_pieces_of_any_size() {
        let sent: Vec<u8> = (0..20_000_u32).map(|n| n as u8).collect();
        let mut buffer = ReceiveBuffer::default();
        buffer.space(0).extend_from_slice(&sent);
        let mut taken = Vec::new();
        for count in [1, MOST_COPIED, MOST_COPIED + 1, 0, 5000] {
            taken.extend_from_slice(&buffer.take(count));
        }
        taken.extend_from_slice(&buffer.take_all());
        assert!(taken == sent && buffer.is_empty());
    }

    #[test]
    fn an_empty_buffer_lends_its_memory_to_the_next_that_reads() {
        let (mut one, mut other) = (ReceiveBuffer::default(), ReceiveBuffer::default());
        one.space(1000).extend_from_slice(b"a");
        let memory = one.as_slice().as_ptr();
        one.rest();
        assert_eq!(one.as_slice(), b"a", "not empty yet");
        drop(one.take(1));
        one.rest();
        assert_eq!(one.spare(), 0);
        other.space(1000).extend_from_slice(b"b");
        // its start has moved behind the byte that was taken, or back again
        assert!(other.as_slice().as_ptr().addr().abs_diff(memory.addr()) <= 1);
    }
}

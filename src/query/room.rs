//! A buffer on the stack in which a text is assembled from short pieces, before a large part of it is appended at once.
//!
//! Pieces are copied 32 bytes at a time, whatever their length: copies of a fixed length are faster. The buffer is not
//! appended after each piece, because bytes that have just been stored in small pieces are slow to load.

/// How many bytes each copy moves.
pub(super) const COPY: usize = 32;

/// A buffer for a text of less than `LENGTH - COPY` bytes. `LENGTH - COPY` is a power of two.
pub(super) struct Room<const LENGTH: usize> {
    bytes: [u8; LENGTH],
    end: usize,
}

impl<const LENGTH: usize> Room<LENGTH> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { bytes: [0; LENGTH], end: 0 }
    }

    /// How many bytes it holds.
    #[inline]
    pub(super) const fn length(&self) -> usize {
        self.end
    }

    /// Adds `window[from..to]`. `WINDOW - COPY` is a power of two, and `to` is at most `WINDOW - COPY`.
    #[inline]
    pub(super) fn copy<const WINDOW: usize>(&mut self, window: &[u8; WINDOW], mut from: usize, to: usize) {
        let mut count = to.wrapping_sub(from);
        let mut at = self.end;
        self.end = at.wrapping_add(count);
        loop {
            // `from` is smaller than the mask anyway; with the mask, the compiler leaves out the bounds check
            let masked = from & WINDOW.wrapping_sub(COPY).wrapping_sub(1);
            if let Some(bytes) = window.get(masked..).and_then(<[u8]>::first_chunk::<COPY>) {
                self.store(at, *bytes);
            }
            if count <= COPY {
                return;
            }
            count = count.wrapping_sub(COPY);
            (from, at) = (from.wrapping_add(COPY), at.wrapping_add(COPY));
        }
    }

    /// Adds the first `count` of these bytes.
    #[inline]
    pub(super) fn put<const SIZE: usize>(&mut self, bytes: [u8; SIZE], count: usize) {
        self.store(self.end, bytes);
        self.end = self.end.wrapping_add(count);
    }

    /// Appends its bytes to `out`, and empties it.
    #[inline]
    pub(super) fn append_to(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes.get(..self.end).unwrap_or_default());
        self.end = 0;
    }

    #[inline]
    fn store<const SIZE: usize>(&mut self, at: usize, bytes: [u8; SIZE]) {
        // masked for the same reason as in `copy`
        let at = at & LENGTH.wrapping_sub(COPY).wrapping_sub(1);
        if let Some(to) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *to = bytes;
        }
    }
}

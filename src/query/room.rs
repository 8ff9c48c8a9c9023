//! Where the pieces of a text are put together, before a large part of it is appended: a copy of one length is faster
//! than one of the right length, and what has just been written in small pieces is slow to read.

/// The length of a copy.
pub(super) const COPY: usize = 32;

/// Room for a text of less than `LENGTH - COPY` bytes, which is a power of two.
pub(super) struct Room<const LENGTH: usize> {
    bytes: [u8; LENGTH],
    end: usize,
}

impl<const LENGTH: usize> Room<LENGTH> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { bytes: [0; LENGTH], end: 0 }
    }

    /// How much is in it.
    #[inline]
    pub(super) const fn length(&self) -> usize {
        self.end
    }

    /// Adds `window[from..to]`. `WINDOW - COPY` is a power of two, and `to` is not more than that.
    #[inline]
    pub(super) fn copy<const WINDOW: usize>(&mut self, window: &[u8; WINDOW], mut from: usize, to: usize) {
        let mut count = to.wrapping_sub(from);
        let mut at = self.end;
        self.end = at.wrapping_add(count);
        loop {
            // the mask tells the compiler what is so anyway, which spares the check of each copy
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

    /// Adds `count` bytes of these.
    #[inline]
    pub(super) fn put<const SIZE: usize>(&mut self, bytes: [u8; SIZE], count: usize) {
        self.store(self.end, bytes);
        self.end = self.end.wrapping_add(count);
    }

    /// Appends what is in it, and empties it.
    #[inline]
    pub(super) fn append_to(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes.get(..self.end).unwrap_or_default());
        self.end = 0;
    }

    #[inline]
    fn store<const SIZE: usize>(&mut self, at: usize, bytes: [u8; SIZE]) {
        // as above
        let at = at & LENGTH.wrapping_sub(COPY).wrapping_sub(1);
        if let Some(to) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *to = bytes;
        }
    }
}

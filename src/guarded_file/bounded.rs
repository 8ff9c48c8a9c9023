//! Reading a secret into memory that is reserved once, never moves and is wiped on drop.

use std::io::{self, ErrorKind, Read};

use zeroize::Zeroizing;

/// Reads `source` to its end; `None` when it holds more than `limit` bytes.
///
/// A growing `Vec` would leave copies of the secret in freed memory, so this one has its final capacity from the start.
///
/// # Errors
/// The error of `source`.
pub fn read_bounded(mut source: impl Read, limit: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut buffer = Zeroizing::new(vec![0; limit.saturating_add(1)]);
    let mut filled = 0_usize;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match source.read(room) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if filled > limit {
        return Ok(None);
    }
    buffer.truncate(filled);
    Ok(Some(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_read_and_one_byte_more_is_refused() {
        assert_eq!(**read_bounded(&b"12345"[..], 5).unwrap().unwrap(), *b"12345");
        assert!(read_bounded(&b"123456"[..], 5).unwrap().is_none());
    }

    #[test]
    fn the_buffer_never_moves() {
        let read = read_bounded(&[7; 1000][..], 1000).unwrap().unwrap();
        assert_eq!((read.len(), read.capacity()), (1000, 1001));
    }
}

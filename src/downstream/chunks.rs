//! Where the chunked body of a request ends: the bytes themselves are decoded by hyper.
//!
//! hyper's own reading ends at the same byte for whatever passes here; it has limits of its own for extensions and trailers.

use super::head_line::is_token;
use crate::chunks::{BadChunk, Chunks, Part};

/// Reads on; returns how many of `bytes` belong to the body: all, unless it ends among them.
pub(super) fn advance(chunks: &mut Chunks, bytes: &[u8]) -> Result<usize, BadChunk> {
    let mut rest = bytes;
    while !chunks.is_over() {
        rest = rest.get(chunks.take_data(rest.len())..).unwrap_or_default();
        let Some((byte, behind)) = rest.split_first() else { break };
        // a name has to be there: some take a line that begins with a blank for more of the one before
        if chunks.read(*byte)? == Part::TrailerStart && !is_token(byte) {
            return Err(BadChunk);
        }
        rest = behind;
    }
    Ok(bytes.len().saturating_sub(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunks::MISFRAMED;

    #[test]
    fn a_body_ends_behind_its_trailers_however_it_is_cut() {
        for body in [
            "0\r\n\r\n",
            "3\r\na=b\r\n0\r\n\r\n",
            "003 \t;x=\"y\"\r\na=b\r\n1B;z\r\n\r\n0\r\n\r\nnot a chunk at all, \r\n0;q\r\nA: b\r\nC:\r\n\r\n",
        ] {
            let sent = format!("{body}POST / HTTP/1.1\r\n");
            for piece in 1..sent.len() {
                let (mut chunks, mut taken) = (Chunks::default(), 0);
                for bytes in sent.as_bytes().chunks(piece) {
                    taken += advance(&mut chunks, bytes).unwrap();
                }
                assert!(chunks.is_over());
                assert_eq!(taken, body.len(), "in pieces of {piece}: {body:?}");
            }
        }
    }

    #[test]
    fn what_is_not_framed_to_the_letter_is_refused() {
        for body in MISFRAMED.into_iter().chain(["0\r\n A: b\r\n", "0\r\n: b\r\n"]) {
            assert_eq!(advance(&mut Chunks::default(), body.as_bytes()), Err(BadChunk), "{body:?}");
        }
    }
}

//! Reading a header off a connection: all of it, and not a byte of what follows.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::header::{ADDRESSES, HeaderFault, PREFIX, Prefix, begins};

/// Why no header came.
#[derive(Debug, Error)]
pub(in crate::downstream) enum NoHeader {
    /// The connection ended before it, or within it.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// What came is none, or none that can be used.
    #[error(transparent)]
    Fault(#[from] HeaderFault),
}

/// Receives a header. Returns the client's address, if the header has one. Waits as long as the sender does.
pub(in crate::downstream) async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, NoHeader> {
    let mut first = [0; PREFIX];
    let mut come = 0_usize;
    while let Some(space @ [_, ..]) = first.get_mut(come..) {
        match stream.read(space).await? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            more => come = come.saturating_add(more),
        }
        begins(first.get(..come).unwrap_or_default())?;
    }
    let prefix = Prefix::read(&first)?;
    let mut addresses = [0; ADDRESSES];
    let beginning = prefix.length().min(ADDRESSES);
    if let Some(beginning) = addresses.get_mut(..beginning) {
        stream.read_exact(beginning).await?;
    }
    skip(stream, prefix.length().saturating_sub(beginning)).await?;
    Ok(prefix.client(&addresses))
}

async fn skip(stream: &mut (impl AsyncRead + Unpin), mut left: usize) -> io::Result<()> {
    let mut skipped = [0; 256];
    while left > 0 {
        let most = left.min(skipped.len());
        let read = stream.read(skipped.get_mut(..most).unwrap_or_default()).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(read);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::header::SIGNATURE;
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    const ADDRESS: &str = "192.0.2.1:4660";

    fn header(fields: usize) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x21, 0x11]);
        bytes.extend(u16::try_from(fields.saturating_add(12)).unwrap().to_be_bytes());
        bytes.extend([192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb]);
        bytes.resize(bytes.len().saturating_add(fields), 0x04);
        bytes
    }

    /// Receives what is sent in pieces of this size; also what is left on the connection then.
    fn received(bytes: &[u8], piece: usize) -> (Result<Option<SocketAddr>, NoHeader>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(piece);
            let sending = async {
                let _refused = theirs.write_all(bytes).await;
                drop(theirs);
            };
            let receiving = async {
                let received = receive(&mut ours).await;
                let mut rest = Vec::new();
                ours.read_to_end(&mut rest).await.unwrap();
                (received, rest)
            };
            tokio::join!(sending, receiving).1
        })
    }

    #[test]
    fn a_header_is_taken_to_its_last_byte_and_the_next_is_left_however_it_comes() {
        for fields in [0, 1, 24, 25, 256, 300, 4084] {
            let bytes = [header(fields), b"POST / HTTP/1.1\r\n".to_vec()].concat();
            for piece in [1, 2, 15, 16, 17, 28, 5000] {
                let (address, rest) = received(&bytes, piece);
                assert_eq!(address.unwrap(), Some(ADDRESS.parse().unwrap()), "{fields} {piece}");
                assert_eq!(rest, b"POST / HTTP/1.1\r\n", "{fields} {piece}");
            }
        }
    }

    #[test]
    fn a_second_header_is_what_follows_the_first() {
        let bytes = [header(0), header(0)].concat();
        assert_eq!(received(&bytes, 5000).1, header(0));
    }

    #[test]
    fn a_connection_that_ends_within_its_header_has_none() {
        let whole = header(300);
        for length in (0..whole.len()).step_by(7) {
            let (address, rest) = received(&whole[..length], 5000);
            assert!(matches!(address, Err(NoHeader::Socket(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn something_else_is_refused_before_sixteen_bytes_have_come() {
        let (address, rest) = received(b"GET", 1);
        assert!(matches!(address, Err(NoHeader::Fault(HeaderFault::Missing))));
        assert_eq!(rest, b"ET");
        assert!(matches!(received(b"PROXY TCP4 1.2.3.4", 5000).0, Err(NoHeader::Fault(HeaderFault::Version1))));
    }
}

//! The messages of the agent's socket: one per packet, so that a message is never cut, even when a process dies.
//!
//! ```text
//! request   number, u32 | 0
//! reply     number, u32 | 0 | the key's JSON
//!           number, u32 | 1 permissions, 2 unavailable, 3 invalid | the error, UTF-8
//! ```
//!
//! Numbers are little-endian. A reply has its request's number, so that a late reply is not taken for the next one.

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use zeroize::Zeroizing;

use crate::credentials::document::MAX_DOCUMENT;
use crate::credentials::store::LoadErrorKind;

/// The longest text of an error, in bytes.
const LONGEST_TEXT: usize = 4096;

const HEAD: usize = 5;

/// Asks for the current key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// Increases with each request.
    pub(super) number: u32,
}

/// The content of a reply.
pub(super) enum Answer {
    /// The key's JSON.
    Document(Zeroizing<Vec<u8>>),
    /// The load failed.
    Failed { kind: LoadErrorKind, text: String },
}

/// An answer, and the number of its request.
pub(super) struct Reply {
    pub(super) number: u32,
    pub(super) answer: Answer,
}

impl Request {
    pub(super) fn send(self, socket: impl AsFd) -> io::Result<()> {
        send_packet(socket, &frame(self.number, 0, &[]))
    }

    /// The next request; `None` at the end.
    pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<Self>> {
        let Some(packet) = receive_packet(socket)? else { return Ok(None) };
        match split(&packet) {
            Some((number, 0, [])) => Ok(Some(Self { number })),
            Some(_) | None => Err(garbled()),
        }
    }
}

impl Reply {
    pub(super) fn send(&self, socket: impl AsFd) -> io::Result<()> {
        let packet = match &self.answer {
            Answer::Document(json) => frame(self.number, 0, json),
            Answer::Failed { kind, text } => {
                let end = text.floor_char_boundary(LONGEST_TEXT);
                frame(self.number, tag(*kind), text.get(..end).unwrap_or_default().as_bytes())
            }
        };
        send_packet(socket, &packet)
    }

    /// The next reply; `None` at the end.
    pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<Self>> {
        let Some(packet) = receive_packet(socket)? else { return Ok(None) };
        let (number, tag, body) = split(&packet).ok_or_else(garbled)?;
        let failed = |kind| Answer::Failed { kind, text: String::from_utf8_lossy(body).into_owned() };
        let answer = match tag {
            0 => Answer::Document(Zeroizing::new(body.to_vec())),
            1 => failed(LoadErrorKind::Permissions),
            2 => failed(LoadErrorKind::Unavailable),
            3 => failed(LoadErrorKind::Invalid),
            _ => return Err(garbled()),
        };
        Ok(Some(Self { number, answer }))
    }
}

const fn tag(kind: LoadErrorKind) -> u8 {
    match kind {
        LoadErrorKind::Permissions => 1,
        LoadErrorKind::Unavailable => 2,
        LoadErrorKind::Invalid => 3,
    }
}

fn frame(number: u32, tag: u8, body: &[u8]) -> Zeroizing<Vec<u8>> {
    // reserved once: growing would leave copies
    let mut packet = Zeroizing::new(Vec::with_capacity(HEAD.saturating_add(body.len())));
    packet.extend_from_slice(&number.to_le_bytes());
    packet.push(tag);
    packet.extend_from_slice(body);
    packet
}

fn split(packet: &[u8]) -> Option<(u32, u8, &[u8])> {
    let (number, rest) = packet.split_first_chunk::<4>()?;
    let (tag, body) = rest.split_first()?;
    Some((u32::from_le_bytes(*number), *tag, body))
}

fn send_packet(socket: impl AsFd, packet: &[u8]) -> io::Result<()> {
    loop {
        // without SIGPIPE if the other end is closed
        match send(&socket, packet, SendFlags::NOSIGNAL) {
            Ok(_whole) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive_packet(socket: impl AsFd) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut packet = Zeroizing::new(vec![0; HEAD.saturating_add(MAX_DOCUMENT)]);
    loop {
        match recv(&socket, packet.as_mut_slice(), RecvFlags::TRUNC) {
            Ok((_, 0)) | Err(Errno::CONNRESET) => return Ok(None),
            Ok((_, length)) if length > packet.len() => return Err(garbled()),
            Ok((_, length)) => {
                packet.truncate(length);
                return Ok(Some(packet));
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a message between countersign and its agent")
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn what_is_sent_is_received_until_the_other_end_is_gone() {
        let (ours, theirs) = pair();
        Request { number: 7 }.send(&ours).unwrap();
        assert_eq!(Request::receive(&theirs).unwrap(), Some(Request { number: 7 }));
        let longest = Zeroizing::new(vec![b'x'; MAX_DOCUMENT]);
        Reply { number: 7, answer: Answer::Document(longest) }.send(&theirs).unwrap();
        let reply = Reply::receive(&ours).unwrap().unwrap();
        assert!(matches!(reply, Reply { number: 7, answer: Answer::Document(json) } if json.len() == MAX_DOCUMENT));
        drop(theirs);
        assert!(Reply::receive(&ours).unwrap().is_none());
        assert!(Request { number: 8 }.send(&ours).is_err());
    }

    #[test]
    fn an_error_keeps_its_kind_and_a_long_one_its_beginning() {
        let (ours, theirs) = pair();
        for kind in [LoadErrorKind::Permissions, LoadErrorKind::Unavailable, LoadErrorKind::Invalid] {
            let text = "é".repeat(LONGEST_TEXT);
            Reply { number: 1, answer: Answer::Failed { kind, text } }.send(&theirs).unwrap();
            let Some(Reply { answer: Answer::Failed { kind: received, text }, .. }) = Reply::receive(&ours).unwrap()
            else {
                panic!("an error")
            };
            assert_eq!((received, text.len()), (kind, LONGEST_TEXT));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let (ours, theirs) = pair();
        for packet in [&b"abc"[..], b"abcd\x09text", &vec![0; HEAD + MAX_DOCUMENT + 1]] {
            send_packet(&theirs, packet).unwrap();
            assert!(Reply::receive(&ours).is_err());
            send_packet(&theirs, packet).unwrap();
            assert!(Request::receive(&ours).is_err());
        }
    }
}

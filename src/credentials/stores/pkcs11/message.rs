//! The messages of the signing socket, one per packet.
//!
//! ```text
//! request   number, u64 | deadline, u64   | 1 HmacSHA1, 2 HmacSHA256 | the message
//! reply     number, u64 | 0 | the MAC
//!           number, u64 | 1 late, 2 away, 3 failed | the error, UTF-8
//! ```
//!
//! Numbers are little-endian; times are nanoseconds of the system's monotonic clock, which all its processes share.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::credentials::key_use::SignatureMethod;
use crate::credentials::signing_key::Mac;

/// The length of a request without its message, in bytes.
pub(super) const REQUEST_HEAD: usize = 17;

/// The longest reply, in bytes.
pub(super) const LONGEST_REPLY: usize = 1024;

const REPLY_HEAD: usize = 9;

/// A message to sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Request<'a> {
    pub(super) number: u64,
    pub(super) until: u64,
    pub(super) method: SignatureMethod,
    pub(super) message: &'a [u8],
}

/// The outcome of a request.
pub(super) enum Answer {
    Signed(Mac),
    /// Its deadline passed in the queue.
    Late,
    /// The token is away.
    Away(String),
    /// The token failed.
    Failed(String),
}

/// The outcome of the request with this number.
pub(super) struct Reply {
    pub(super) number: u64,
    pub(super) answer: Answer,
}

impl<'a> Request<'a> {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(REQUEST_HEAD.saturating_add(self.message.len()));
        packet.extend_from_slice(&self.number.to_le_bytes());
        packet.extend_from_slice(&self.until.to_le_bytes());
        packet.push(match self.method {
            SignatureMethod::HmacSha1 => 1,
            SignatureMethod::HmacSha256 => 2,
        });
        packet.extend_from_slice(self.message);
        packet
    }

    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let (number, rest) = packet.split_first_chunk::<8>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (method, message) = rest.split_first()?;
        let method = match method {
            1 => SignatureMethod::HmacSha1,
            2 => SignatureMethod::HmacSha256,
            _ => return None,
        };
        Some(Self { number: u64::from_le_bytes(*number), until: u64::from_le_bytes(*until), method, message })
    }
}

impl Reply {
    pub(super) fn write(&self) -> Vec<u8> {
        let (status, body) = match &self.answer {
            Answer::Signed(mac) => (0, mac.as_bytes()),
            Answer::Late => (1, &[][..]),
            Answer::Away(text) => (2, text.as_bytes()),
            Answer::Failed(text) => (3, text.as_bytes()),
        };
        let body = body.get(..LONGEST_REPLY.saturating_sub(REPLY_HEAD)).unwrap_or(body);
        let mut packet = Vec::with_capacity(REPLY_HEAD.saturating_add(body.len()));
        packet.extend_from_slice(&self.number.to_le_bytes());
        packet.push(status);
        packet.extend_from_slice(body);
        packet
    }

    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let (number, rest) = packet.split_first_chunk::<8>()?;
        let (status, body) = rest.split_first()?;
        let text = || String::from_utf8_lossy(body).into_owned();
        let answer = match (status, body.len()) {
            (0, 32) => Answer::Signed(Mac::Sha256(body.try_into().ok()?)),
            (0, 20) => Answer::Signed(Mac::Sha1(body.try_into().ok()?)),
            (1, 0) => Answer::Late,
            (2, _) => Answer::Away(text()),
            (3, _) => Answer::Failed(text()),
            _ => return None,
        };
        Some(Self { number: u64::from_le_bytes(*number), answer })
    }
}

/// The system's monotonic clock.
pub(super) fn now() -> u64 {
    // since boot, so neither part is negative; the sum overflows after 584 years
    let time = clock_gettime(ClockId::Monotonic);
    let since_boot = Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0));
    u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        for method in [SignatureMethod::HmacSha1, SignatureMethod::HmacSha256] {
            for message in [&b""[..], b"POST\nhost\n/\nAction=ListJobs"] {
                let request = Request { number: 1 << 40, until: u64::MAX, method, message };
                assert_eq!(Request::read(&request.write()), Some(request));
            }
        }
    }

    #[test]
    fn a_reply_is_read_as_it_was_written_and_a_long_text_is_cut() {
        for mac in [Mac::Sha256([7; 32]), Mac::Sha1([8; 20])] {
            let packet = Reply { number: 3, answer: Answer::Signed(mac) }.write();
            let Some(Reply { number: 3, answer: Answer::Signed(read) }) = Reply::read(&packet) else { panic!("a MAC") };
            assert_eq!(read.as_bytes(), &packet[REPLY_HEAD..]);
        }
        let packet = Reply { number: 3, answer: Answer::Failed("é".repeat(2000)) }.write();
        assert_eq!(packet.len(), LONGEST_REPLY);
        assert!(matches!(Reply::read(&packet), Some(Reply { answer: Answer::Failed(text), .. }) if text.len() > 1000));
        for late in [Answer::Late, Answer::Away("gone".to_owned())] {
            assert!(Reply::read(&Reply { number: 1, answer: late }.write()).is_some());
        }
    }

    #[test]
    fn what_is_no_message_is_told_from_one() {
        for packet in [&b""[..], b"12345678", b"1234567812345678", b"1234567812345678\x03message"] {
            assert_eq!(Request::read(packet), None);
        }
        let with = |status: u8, length: usize| [&[0; 8][..], &[status], &vec![0; length]].concat();
        for packet in [vec![0; 8], with(0, 16), with(0, 0), with(1, 1), with(9, 0)] {
            assert!(Reply::read(&packet).is_none(), "{packet:?}");
        }
    }

    #[test]
    fn the_clock_goes_forward() {
        let before = now();
        assert!(before > 0 && now() >= before);
    }
}

//! The messages of the signing socket, one per packet.
//!
//! ```text
//! request   number, u64 | deadline, u64 | 1 the secret by HmacSHA1, 2 by HmacSHA256, 3 the secret and `&` | message
//!           number, u64 | deadline, u64 | 4 a key derived as by AWS, 5 as by Volcengine | scope | message
//! scope     date, 8 digits | length, u8 | region | length, u8 | service
//! reply     number, u64 | 0 | the MAC
//!           number, u64 | 1 late, 2 away, 3 failed | the error, UTF-8
//! ```
//!
//! Numbers are little-endian; times are nanoseconds of the system's monotonic clock, which all its processes share.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::credentials::key_use::{Derivation, KeyScope, KeyUse};
use crate::credentials::mac_key::SignatureMethod;
use crate::credentials::signing_key::Mac;

/// The greatest length of a request without its message, in bytes.
pub(super) const REQUEST_HEAD: usize = 17 + 8 + 2 * 256;

/// The longest reply, in bytes.
pub(super) const LONGEST_REPLY: usize = 1024;

const REPLY_HEAD: usize = 9;

/// A message to sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request<'a> {
    pub(super) number: u64,
    pub(super) until: u64,
    pub(super) key: Cow<'a, KeyUse>,
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
        match &*self.key {
            KeyUse::Secret(SignatureMethod::HmacSha1) => packet.push(1),
            KeyUse::Secret(SignatureMethod::HmacSha256) => packet.push(2),
            KeyUse::SecretAndAmpersand => packet.push(3),
            KeyUse::Derived(scope) => write_scope(scope, &mut packet),
        }
        packet.extend_from_slice(self.message);
        packet
    }

    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let (number, rest) = packet.split_first_chunk::<8>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (tag, rest) = rest.split_first()?;
        let (key, message) = match tag {
            1 => (KeyUse::Secret(SignatureMethod::HmacSha1), rest),
            2 => (KeyUse::Secret(SignatureMethod::HmacSha256), rest),
            3 => (KeyUse::SecretAndAmpersand, rest),
            4 => read_scope(Derivation::Aws4, rest)?,
            5 => read_scope(Derivation::Volcengine, rest)?,
            _ => return None,
        };
        let (number, until) = (u64::from_le_bytes(*number), u64::from_le_bytes(*until));
        Some(Self { number, until, key: Cow::Owned(key), message })
    }
}

fn write_scope(scope: &KeyScope, packet: &mut Vec<u8>) {
    packet.push(match scope.derivation {
        Derivation::Aws4 => 4,
        Derivation::Volcengine => 5,
    });
    packet.extend_from_slice(&scope.date);
    for word in [&scope.region, &scope.service] {
        // a profile has shorter ones; if it had not, the endpoint would refuse the signature
        let length = u8::try_from(word.len()).unwrap_or(u8::MAX);
        packet.push(length);
        packet.extend(word.bytes().take(length.into()));
    }
}

/// The scope, and the message behind it.
fn read_scope(derivation: Derivation, packet: &[u8]) -> Option<(KeyUse, &[u8])> {
    fn word(packet: &[u8]) -> Option<(Arc<str>, &[u8])> {
        let (length, rest) = packet.split_first()?;
        let (word, rest) = rest.split_at_checked(usize::from(*length))?;
        Some((std::str::from_utf8(word).ok()?.into(), rest))
    }
    let (date, rest) = packet.split_first_chunk()?;
    let (region, rest) = word(rest)?;
    let (service, message) = word(rest)?;
    Some((KeyUse::Derived(Box::new(KeyScope { derivation, date: *date, region, service })), message))
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
        let derived = |derivation, region: &str| {
            let scope = KeyScope { derivation, date: *b"20270101", region: region.into(), service: "iam".into() };
            KeyUse::Derived(Box::new(scope))
        };
        for key in [
            KeyUse::Secret(SignatureMethod::HmacSha1),
            KeyUse::Secret(SignatureMethod::HmacSha256),
            KeyUse::SecretAndAmpersand,
            derived(Derivation::Aws4, "us-east-1"),
            derived(Derivation::Volcengine, &"x".repeat(255)),
        ] {
            for message in [&b""[..], b"POST\nhost\n/\nAction=ListJobs"] {
                let request = Request { number: 1 << 40, until: u64::MAX, key: Cow::Borrowed(&key), message };
                let packet = request.write();
                assert!(packet.len() <= REQUEST_HEAD + message.len());
                assert_eq!(Request::read(&packet), Some(request));
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
        let cut = b"1234567812345678\x0420270101\x09us-east-1\x04iam";
        for packet in [&b""[..], b"12345678", b"1234567812345678", b"1234567812345678\x06message", cut] {
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

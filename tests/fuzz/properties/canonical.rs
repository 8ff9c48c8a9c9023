//! Two readers of parameters that share no code with the program: one for what clients may send, one for what may
//! leave.

use std::collections::HashSet;

/// Decoded names and values.
pub type Pairs = Vec<(String, String)>;

/// Reads a form as the URL standard does, but refuses what that repairs, and names that are not printable ASCII or that
/// two parsers could take for one; sorted by name. `None` for what must be
/// refused.
pub(super) fn read_form(body: &[u8]) -> Option<Pairs> {
    let mut pairs = Pairs::new();
    for piece in body.split(|&byte| byte == b'&') {
        if piece.is_empty() {
            continue;
        }
        let mut halves = piece.splitn(2, |&byte| byte == b'=');
        let name = decode(halves.next().unwrap(), Plus::Space)?;
        let value = decode(halves.next().unwrap_or_default(), Plus::Space)?;
        if name.bytes().any(|byte| !(0x20..=0x7e).contains(&byte)) {
            return None;
        }
        pairs.push((name, value));
    }
    pairs.sort();
    let names: HashSet<String> = pairs.iter().map(|(name, _)| folded(name)).collect();
    let twice = names.len() < pairs.len();
    if twice { None } else { Some(pairs) }
}

/// What counts of a name: everything but letter case, `_`, `-` and spaces.
pub(super) fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a name is another spelling of `of`, or continues it with a character that is neither letter nor digit.
pub(super) fn may_be_taken_for(name: &str, of: &str) -> bool {
    let (name, behind) = (folded(name), folded(of));
    name.strip_prefix(&behind).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Reads a canonical query string with its `Signature` at the end, and fails on everything that is not exactly one: the
/// pairs in the order written, without the signature, and the signature.
pub(super) fn read_signed(body: &[u8]) -> (Pairs, String) {
    let mut pairs: Pairs = body
        .split(|&byte| byte == b'&')
        .map(|piece| {
            let halves: Vec<&[u8]> = piece.split(|&byte| byte == b'=').collect();
            assert_eq!(halves.len(), 2, "one equals sign in each pair");
            let [name, value] = [halves[0], halves[1]].map(|half| {
                assert_canonical(half);
                decode(half, Plus::Itself).expect("canonical text is UTF-8")
            });
            (name, value)
        })
        .collect();
    let (last, signature) = pairs.pop().expect("there is always a signature");
    assert_eq!(last, "Signature");
    assert!(pairs.windows(2).all(|pair| pair[0].0.as_bytes() < pair[1].0.as_bytes()), "sorted, and each name once");
    (pairs, signature)
}

/// RFC 3986's unreserved characters as they are, all else as `%XY` in upper case, and nothing escaped without need.
pub(super) fn assert_canonical(text: &[u8]) {
    const UNRESERVED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    let mut at = 0;
    while at < text.len() {
        if UNRESERVED.contains(&text[at]) {
            at += 1;
            continue;
        }
        assert_eq!(text[at], b'%', "byte {at} is neither literal nor an escape");
        let digits = text.get(at + 1..at + 3).expect("an escape has two digits");
        assert!(digits.iter().all(|digit| b"0123456789ABCDEF".contains(digit)), "escapes are upper-case");
        let byte = 16 * digit(digits[0]).unwrap() + digit(digits[1]).unwrap();
        assert!(!UNRESERVED.contains(&byte), "{byte:#x} needs no escape");
        at += 3;
    }
}

/// What a `+` stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    Space,
    Itself,
}

/// Takes percent escapes off; `None` when one is broken or the result is no UTF-8.
pub(super) fn decode(text: &[u8], plus: Plus) -> Option<String> {
    let mut decoded = Vec::new();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => 16 * digit(*bytes.next()?)? + digit(*bytes.next()?)?,
            b'+' if plus == Plus::Space => b' ',
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

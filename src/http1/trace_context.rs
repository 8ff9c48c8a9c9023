//! W3C Trace Context, levels 1 and 2: which trace a client says that its request belongs to, read to the letter.
//!
//! What is wrong begins a new trace and never refuses a call: nobody's call may fail for the sake of its trace.

use std::fmt;

use super::fields::Fields;

/// The field that names the trace and the span that calls.
pub const TRACE_PARENT: &str = "traceparent";
/// The field with what each tracing system adds.
pub const TRACE_STATE: &str = "tracestate";

/// The most members of `tracestate`: section 3.3.1.1. One with more is dropped.
const MOST_MEMBERS: usize = 32;
/// How much of `tracestate` has to be passed on: section 3.3.1.5. An endpoint need not take more.
const MOST_STATE: usize = 512;
/// Members that are longer go first where something has to go.
const LONG_MEMBER: usize = 128;
/// The greatest length of a key, and of a value.
const LONGEST_PART: usize = 256;

/// The ID of a trace, as 32 lower-case hexadecimal digits that are not all zero. It is kept as text: to read, log and
/// pass it on takes no conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

/// The ID of a span, as 16 lower-case hexadecimal digits that are not all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 16]);

/// The flags that this version knows. All others are zero in what is sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceFlags {
    /// Whether the caller may have recorded its span.
    pub sampled: bool,
    /// Whether the last 56 bits of the trace's ID are random (level 2).
    pub random: bool,
}

/// What `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that calls.
    pub span_id: SpanId,
    /// What is known of both.
    pub flags: TraceFlags,
}

impl TraceParent {
    /// What a request's head says. `None` without the field, with a wrong one, and with several: which of them counts
    /// would be anybody's guess.
    #[must_use]
    pub fn of(fields: &Fields) -> Option<Self> {
        fields.only(TRACE_PARENT).and_then(Self::read)
    }

    /// Reads `VERSION-TRACE-SPAN-FLAGS`. A later version may add parts behind the flags; version 00 has none, and ff
    /// is none.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let (version, rest) = value.split_first_chunk::<2>()?;
        let (trace_id, rest) = rest.strip_prefix(b"-")?.split_first_chunk::<32>()?;
        let (span_id, rest) = rest.strip_prefix(b"-")?.split_first_chunk::<16>()?;
        let (flags, rest) = rest.strip_prefix(b"-")?.split_first_chunk::<2>()?;
        let is_version = is_hex(version) && version != b"ff";
        let ends = rest.is_empty() || (version != b"00" && rest.starts_with(b"-"));
        if !is_version || !ends || !is_hex(flags) {
            return None;
        }
        let known = flags.last().and_then(|digit| char::from(*digit).to_digit(16)).unwrap_or_default();
        let flags = TraceFlags { sampled: known & 1 != 0, random: known & 2 != 0 };
        Some(Self { trace_id: TraceId::read(trace_id)?, span_id: SpanId::read(span_id)?, flags })
    }
}

impl fmt::Display for TraceParent {
    /// As it is sent on, in version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace_id, span_id, flags: TraceFlags { sampled, random } } = self;
        write!(f, "00-{trace_id}-{span_id}-0{}", u8::from(*sampled) | u8::from(*random) << 1)
    }
}

impl TraceId {
    fn read(text: &[u8; 32]) -> Option<Self> {
        is_id(text).then_some(Self(*text))
    }

    /// The ID of these bytes. Zeros, which are no ID, become 1.
    #[must_use]
    pub fn of(bytes: [u8; 16]) -> Self {
        let mut text = [b'0'; 32];
        write_hex(&u128::from_be_bytes(bytes).max(1).to_be_bytes(), &mut text);
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // never empty in fact: the bytes are ASCII
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u128 {
        u128::from_str_radix(self.as_str(), 16).unwrap_or_default()
    }
}

impl SpanId {
    fn read(text: &[u8; 16]) -> Option<Self> {
        is_id(text).then_some(Self(*text))
    }

    /// The ID of these bytes. Zeros, which are no ID, become 1.
    #[must_use]
    pub fn of(bytes: [u8; 8]) -> Self {
        let mut text = [b'0'; 16];
        write_hex(&u64::from_be_bytes(bytes).max(1).to_be_bytes(), &mut text);
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::from_str_radix(self.as_str(), 16).unwrap_or_default()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The `tracestate` of a request whose `traceparent` is valid, as it is sent on: its fields become one, in their order.
/// `None` where there is none, and where any member is wrong or there are too many: then all of it is dropped.
///
/// Keys are those of level 2, which has all of level 1. Of a key that stands there twice, the first member is kept.
#[must_use]
pub fn trace_state(fields: &Fields) -> Option<String> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for value in fields.all(TRACE_STATE) {
        let value = std::str::from_utf8(value).ok()?;
        for member in value.split(',').map(|member| member.trim_matches([' ', '\t'])) {
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=').filter(|(key, value)| is_key(key) && is_state(value))?;
            if !members.iter().any(|(known, _)| *known == key) {
                // at once: each member is compared with all before it, and a head has space for thousands
                if members.len() == MOST_MEMBERS {
                    return None;
                }
                members.push((key, value));
            }
        }
    }
    let mut members: Vec<String> = members.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    shorten(&mut members);
    (!members.is_empty()).then(|| members.join(","))
}

/// Removes members until they fit: long ones first, and those at the end, which are the oldest.
fn shorten(members: &mut Vec<String>) {
    let length = |members: &[String]| {
        members.iter().map(|member| member.len().saturating_add(1)).fold(0, usize::saturating_add).saturating_sub(1)
    };
    while length(members) > MOST_STATE {
        match members.iter().rposition(|member| member.len() > LONG_MEMBER) {
            Some(long) => drop(members.remove(long)),
            None => drop(members.pop()),
        }
    }
}

fn is_key(key: &str) -> bool {
    let begins = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let follows = |byte: &u8| begins(byte) || b"_-*/@".contains(byte);
    (1..=LONGEST_PART).contains(&key.len())
        && key.as_bytes().first().is_some_and(begins)
        && key.bytes().all(|byte| follows(&byte))
}

/// Whether it is a value: visible characters but `,` and `=`, and spaces except at its end.
fn is_state(value: &str) -> bool {
    let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b',' && byte != b'=';
    (1..=LONGEST_PART).contains(&value.len())
        && value.bytes().all(|byte| byte == b' ' || is_visible(byte))
        && !value.ends_with(' ')
}

fn is_id(text: &[u8]) -> bool {
    is_hex(text) && text.iter().any(|digit| *digit != b'0')
}

/// Capitals are wrong here.
fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    for (byte, digits) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |digit| digit as u8);
        digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn read(value: &str) -> Option<String> {
        TraceParent::read(value.as_bytes()).map(|parent| parent.to_string())
    }

    #[test]
    fn a_trace_parent_is_read_and_sent_on_with_the_flags_that_are_known() {
        for (flags, sent) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("fc", "00")] {
            let expected = format!("00-{TRACE}-{SPAN}-{sent}");
            assert_eq!(read(&format!("00-{TRACE}-{SPAN}-{flags}")), Some(expected), "{flags}");
        }
        let parent = TraceParent::read(format!("00-{TRACE}-{SPAN}-01").as_bytes()).unwrap();
        assert_eq!((parent.trace_id.as_str(), parent.span_id.as_str()), (TRACE, SPAN));
        let numbers = (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331);
        assert_eq!((parent.trace_id.number(), parent.span_id.number()), numbers);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_this_one_knows_it() {
        let expected = format!("00-{TRACE}-{SPAN}-01");
        for good in ["", "-", "-what-the-future-will-be-like"] {
            assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01{good}")), Some(expected.clone()), "{good}");
        }
        for bad in [".what", "0", " "] {
            assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01{bad}")), None, "{bad}");
        }
    }

    #[test]
    fn whatever_differs_from_the_grammar_is_no_trace_parent() {
        let zeros = |count: usize| "0".repeat(count);
        for value in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("00-{TRACE}-{SPAN}-.1"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("FF-{TRACE}-{SPAN}-01"),
            format!("0x-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{}-{SPAN}-01", zeros(32)),
            format!("00-{TRACE}-{}-01", zeros(16)),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}0-01"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }

    #[test]
    fn several_fields_are_no_trace_parent() {
        let value = format!("00-{TRACE}-{SPAN}-01");
        let once: Fields = [("TraceParent", value.as_str())].into_iter().collect();
        let twice: Fields = [("traceparent", value.as_str()), ("Traceparent", &value)].into_iter().collect();
        assert!(TraceParent::of(&once).is_some());
        assert_eq!(TraceParent::of(&twice), None);
        assert_eq!(TraceParent::of(&Fields::default()), None);
    }

    #[test]
    fn ids_are_written_with_leading_zeros_and_never_all_zero() {
        let mut bytes = [0; 16];
        assert_eq!(TraceId::of(bytes).as_str(), "00000000000000000000000000000001");
        assert_eq!(SpanId::of([0; 8]).as_str(), "0000000000000001");
        bytes[0] = 0x0f;
        bytes[15] = 0xa0;
        assert_eq!(TraceId::of(bytes).as_str(), "0f0000000000000000000000000000a0");
        assert_eq!(SpanId::of([1, 2, 3, 4, 5, 6, 7, 0xff]).as_str(), "01020304050607ff");
    }

    fn state(values: &[&str]) -> Option<String> {
        trace_state(&values.iter().map(|value| ("tracestate", *value)).collect())
    }

    #[test]
    fn the_members_of_all_trace_states_become_one_in_their_order() {
        assert_eq!(state(&["foo=1,bar=2", "rojo=1"]).as_deref(), Some("foo=1,bar=2,rojo=1"));
        assert_eq!(state(&["foo=1 \t , \t bar=2 ,", "", " , "]).as_deref(), Some("foo=1,bar=2"));
        assert_eq!(state(&["foo=1", "bar=2", "foo=3"]).as_deref(), Some("foo=1,bar=2"));
        assert_eq!(state(&["a= x y"]).as_deref(), Some("a= x y"));
        for key in ["a", "0", "a-_*/", "1a@b", "a@", &"z".repeat(256)] {
            assert!(state(&[&format!("{key}=1")]).is_some(), "{key}");
        }
        assert_eq!(state(&[]), None);
        assert_eq!(state(&[""]), None);
    }

    #[test]
    fn one_wrong_member_drops_the_whole_trace_state() {
        for wrong in [
            "foo",
            "=1",
            "foo=",
            "foo =1",
            "FOO=1",
            "foo.bar=1",
            "@foo=1",
            "-a=1",
            "foo=a=b",
            "foo=\u{e9}",
            "f\u{f6}=1",
            "foo=a\tb",
            &format!("{}=1", "z".repeat(257)),
            &format!("a={}", "z".repeat(257)),
        ] {
            assert_eq!(state(&[wrong]), None, "{wrong}");
            assert_eq!(state(&["good=1", wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn what_follows_the_33rd_member_of_a_trace_state_is_not_looked_at() {
        // a stranger may send it: two million members, each compared with all others, would take hours
        let endless: String = (0..2_000_000).map(|n| format!("m{n}=1,")).collect();
        assert_eq!(state(&[&endless]), None);
    }

    #[test]
    fn a_trace_state_has_at_most_32_members_and_512_characters() {
        let members = |count: usize| (0..count).map(|n| format!("m{n}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(state(&[&members(32)]), Some(members(32)));
        assert_eq!(state(&[&members(33)]), None);
        assert_eq!(state(&[&members(32), "m0=2,m31=2"]), Some(members(32)), "the same members again are no more");
        let (long, short) = (format!("long={}", "x".repeat(200)), format!("short={}", "x".repeat(90)));
        let all = format!("first=1,{long},a{short},b{short},c{short},d{short},last=1");
        let kept = format!("first=1,a{short},b{short},c{short},d{short},last=1");
        assert_eq!(state(&[&all]), Some(kept.clone()), "the long one goes first");
        let kept = format!("first=1,a{short},b{short},c{short},d{short},e{short}");
        assert_eq!(state(&[&format!("{kept},f{short},last=1")]), Some(kept));
    }
}

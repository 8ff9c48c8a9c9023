//! The encodings that programs sign by mistake: what URL libraries write instead of RFC 3986.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::query::percent;

/// An encoding of parameters other than that of Signature Version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A space is written as `+`.
    PlusForSpace,
    /// `~` is written as `%7E`.
    TildeEscaped,
    /// `*` is not escaped.
    AsteriskLiteral,
    /// The URL standard's form serializer, and Java's `URLEncoder`: `+`, `%7E`, and `*` not escaped.
    FormUrlencoded,
    /// PHP's `urlencode` and older `quote_plus`: `+`, `%7E`.
    PlusAndTilde,
    /// JavaScript's `encodeURIComponent`: `!*'()` are not escaped.
    UriComponent,
    /// JavaScript's `encodeURI`: no character is escaped that a complete URI may have.
    WholeUri,
    /// `/` is not escaped.
    SlashLiteral,
    /// Python 2's `quote`: `%7E`, and `/` not escaped.
    SlashAndTilde,
    /// `:` is not escaped.
    ColonLiteral,
    /// Escapes have lower-case hexadecimal digits.
    LowerHex,
    /// .NET's `UrlEncode`: lower-case digits, `+`, and `!*()` not escaped.
    LowerHexForm,
    /// Nothing is escaped.
    Unescaped,
    /// Escapes stand for ISO 8859-1 instead of UTF-8.
    Latin1,
    /// Names and values were escaped twice for signing, once for sending.
    SignedDoubleEncoded,
    /// Names and values were escaped once for signing, twice for sending.
    SentDoubleEncoded,
    /// The bytes of the body were signed unchanged.
    AsSent,
    /// A `+` was signed, and sent as `+`, which a form reads as a space.
    PlusSentLiterally,
    /// Line feeds were signed, and sent as carriage return and line feed.
    LineFeedSigned,
    /// Carriage returns with line feeds were signed, and sent as line feeds.
    CarriageReturnSigned,
    /// The `=` of an empty value was left out.
    EqualsLeftOut,
}

impl Encoding {
    /// All encodings, each before those that include it.
    pub(super) const ALL: [Self; 21] = [
        Self::PlusForSpace,
        Self::TildeEscaped,
        Self::AsteriskLiteral,
        Self::FormUrlencoded,
        Self::PlusAndTilde,
        Self::UriComponent,
        Self::SlashLiteral,
        Self::SlashAndTilde,
        Self::ColonLiteral,
        Self::WholeUri,
        Self::LowerHex,
        Self::LowerHexForm,
        Self::Unescaped,
        Self::Latin1,
        Self::SignedDoubleEncoded,
        Self::SentDoubleEncoded,
        Self::AsSent,
        Self::PlusSentLiterally,
        Self::LineFeedSigned,
        Self::CarriageReturnSigned,
        Self::EqualsLeftOut,
    ];

    /// Encodes a decoded name or value. [`Self::AsSent`] and [`Self::EqualsLeftOut`] differ in whole pairs only, and
    /// encode names and values correctly.
    pub(super) fn write(self, text: &str) -> String {
        match self {
            Self::PlusForSpace => escape(text, "-_.~", "+", upper),
            Self::TildeEscaped => escape(text, "-_.", "%20", upper),
            Self::AsteriskLiteral => escape(text, "-_.~*", "%20", upper),
            Self::FormUrlencoded => escape(text, "-_.*", "+", upper),
            Self::PlusAndTilde => escape(text, "-_.", "+", upper),
            Self::UriComponent => escape(text, "-_.~!*'()", "%20", upper),
            Self::WholeUri => escape(text, "-_.~!*'();,/?:@&=+$#", "%20", upper),
            Self::SlashLiteral => escape(text, "-_.~/", "%20", upper),
            Self::SlashAndTilde => escape(text, "-_./", "%20", upper),
            Self::ColonLiteral => escape(text, "-_.~:", "%20", upper),
            Self::LowerHex => escape(text, "-_.~", "%20", lower),
            Self::LowerHexForm => escape(text, "-_.!*()", "+", lower),
            Self::Unescaped => text.to_owned(),
            Self::Latin1 => latin1(text),
            Self::SignedDoubleEncoded => percent::encode(&percent::encode(text)),
            Self::SentDoubleEncoded => percent::encode(&decoded_again(text)),
            Self::PlusSentLiterally => percent::encode(&text.replace(' ', "+")),
            Self::LineFeedSigned => percent::encode(&text.replace("\r\n", "\n")),
            Self::CarriageReturnSigned => percent::encode(&text.replace("\r\n", "\n").replace('\n', "\r\n")),
            Self::AsSent | Self::EqualsLeftOut => percent::encode(text),
        }
    }

    /// Describes the mistake.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::PlusForSpace => "spaces were signed as `+`",
            Self::TildeEscaped => "`~` was signed as `%7E`",
            Self::AsteriskLiteral => "`*` was signed as it is, not as `%2A`",
            Self::FormUrlencoded => "a form encoder wrote what was signed: space as `+`, `~` as `%7E`, `*` as it is",
            Self::PlusAndTilde => "a form encoder wrote what was signed: space as `+`, `~` as `%7E`",
            Self::UriComponent => "`encodeURIComponent` wrote what was signed: `! * ' ( )` are as they are",
            Self::WholeUri => "`encodeURI` wrote what was signed: the delimiters of a URI are as they are",
            Self::SlashLiteral => "`/` was signed as it is, not as `%2F`",
            Self::SlashAndTilde => "`/` was signed as it is, not as `%2F`, and `~` as `%7E`",
            Self::ColonLiteral => "`:` was signed as it is, not as `%3A`",
            Self::LowerHex => "escapes were signed in lower case (`%2f`)",
            Self::LowerHexForm => "a form encoder wrote what was signed: escapes in lower case, space as `+`",
            Self::Unescaped => "names and values were signed as they are, without percent-encoding",
            Self::Latin1 => "characters beyond ASCII were signed as ISO 8859-1, not as UTF-8",
            Self::SignedDoubleEncoded => "names and values were percent-encoded twice before signing",
            Self::SentDoubleEncoded => "names and values were percent-encoded once for signing and twice for sending",
            Self::AsSent => "the body was signed byte for byte as it was sent, not in canonical encoding",
            Self::PlusSentLiterally => "a `+` was signed, but sent without escaping it, which makes it a space",
            Self::LineFeedSigned => "line feeds were signed, but sent as carriage return and line feed",
            Self::CarriageReturnSigned => "carriage returns before line feeds were signed, but not sent",
            Self::EqualsLeftOut => "an empty value was signed without its `=`",
        }
    }

    /// How to mend it.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::PlusForSpace
            | Self::TildeEscaped
            | Self::AsteriskLiteral
            | Self::FormUrlencoded
            | Self::PlusAndTilde
            | Self::UriComponent
            | Self::WholeUri
            | Self::SlashLiteral
            | Self::SlashAndTilde
            | Self::ColonLiteral
            | Self::LowerHex
            | Self::LowerHexForm
            | Self::Unescaped
            | Self::AsSent => {
                "percent-encode for signing all but A-Z a-z 0-9 - _ . ~ with upper-case digits, a space as %20 \
                 (RFC 3986), whatever encoding the body has"
            }
            Self::Latin1 => "percent-encode the UTF-8 bytes",
            Self::SignedDoubleEncoded => "percent-encode names and values once for signing",
            Self::SentDoubleEncoded => "percent-encode names and values once for sending; they were encoded already",
            Self::PlusSentLiterally => "send `+` as %2B",
            Self::LineFeedSigned | Self::CarriageReturnSigned => "send line ends as they were signed",
            Self::EqualsLeftOut => "sign `name=` for an empty value",
        }
    }
}

const fn upper(digit: char) -> char {
    digit.to_ascii_uppercase()
}

const fn lower(digit: char) -> char {
    digit.to_ascii_lowercase()
}

fn push_escape(byte: u8, case: fn(char) -> char, out: &mut String) {
    out.push('%');
    let digits = [byte >> 4, byte & 0x0f].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'));
    out.extend(digits.map(case));
}

/// Keeps `A-Za-z0-9` and the characters of `literal`, writes `space` for a space, and an escape for every other byte.
fn escape(text: &str, literal: &str, space: &str, case: fn(char) -> char) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || literal.contains(character) {
            out.push(character);
        } else if character == ' ' {
            out.push_str(space);
        } else {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                push_escape(byte, case, &mut out);
            }
        }
    }
    out
}

fn latin1(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) if !character.is_ascii() => push_escape(byte, upper, &mut out),
            Ok(_) | Err(_) => out.push_str(&percent::encode(character.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Decodes a decoded text once more; returns the text itself when the result is not UTF-8.
fn decoded_again(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8().unwrap_or(Cow::Borrowed(text))
}

//! The texts that are signed, as an endpoint repeats them: told apart, and taken to pieces.

use percent_encoding::percent_decode_str;

/// What was signed, in pieces.
pub(super) enum SignedText<'a> {
    /// Signature Version 2: method, host, path, and the form.
    Lines { method: &'a str, host: &'a str, path: &'a str, form: &'a str },
    /// Alibaba Cloud: method, path, and the form, encoded once more.
    Encoded { method: &'a str, path: &'a str, form: String },
    /// The canonical request of Signature Version 4.
    Canonical(CanonicalRequest<'a>),
}

/// A canonical request of Signature Version 4. It has the hash of the form instead of the form.
pub(super) struct CanonicalRequest<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// Names and values of the fields that are signed.
    pub(super) fields: Vec<(&'a str, &'a str)>,
    pub(super) hash: &'a str,
}

impl<'a> SignedText<'a> {
    /// Takes a text to pieces; `None` when it is of none of these kinds.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        encoded(text).or_else(|| lines(text)).or_else(|| canonical(text).map(Self::Canonical))
    }

    /// Whether both are of one kind.
    pub(super) const fn is_like(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Lines { .. }, Self::Lines { .. })
                | (Self::Encoded { .. }, Self::Encoded { .. })
                | (Self::Canonical(_), Self::Canonical(_))
        )
    }
}

fn lines(text: &str) -> Option<SignedText<'_>> {
    let mut lines = text.splitn(4, '\n').map(|line| line.trim_end_matches('\r'));
    let (method, host, path, form) = (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
    // Signature Version 4 has the path on its second line
    (!host.starts_with('/') && form.contains("AccessKeyId=")).then_some(SignedText::Lines { method, host, path, form })
}

fn encoded(text: &str) -> Option<SignedText<'_>> {
    let mut parts = text.splitn(3, '&');
    let (method, path, form) = (parts.next()?, parts.next()?, parts.next()?);
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    let is_form = path.starts_with("%2F") && !form.contains(['&', '=', '\n']);
    let form = percent_decode_str(form).decode_utf8().ok().filter(|_| is_method && is_form)?;
    Some(SignedText::Encoded { method, path, form: form.into_owned() })
}

fn canonical(text: &str) -> Option<CanonicalRequest<'_>> {
    const DIGITS_OF_A_HASH: usize = 64;
    let mut lines = text.split('\n').map(|line| line.trim_end_matches('\r'));
    let (method, path, query) = (lines.next()?, lines.next()?, lines.next()?);
    let mut fields = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        fields.push(line.split_once(':')?);
    }
    let (_names, hash) = (lines.next()?, lines.next()?);
    let is_hash = hash.len() == DIGITS_OF_A_HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_one = is_hash && path.starts_with('/') && lines.next().is_none();
    is_one.then_some(CanonicalRequest { method, path, query, fields, hash })
}

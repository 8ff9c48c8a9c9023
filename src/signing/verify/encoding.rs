//! How servers write what they have decoded, before they sign it.

use std::fmt::Write as _;

/// RFC 3986: letters, digits and `-_.~` stay.
pub(super) fn rfc3986(text: &str) -> String {
    escaped(text, |byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}

/// The same, with slashes that stay: a path.
pub(super) fn path(text: &str) -> String {
    escaped(text, |byte| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte))
}

/// `java.net.URLEncoder`, with `%20` for its `+`: letters, digits and `-_.*` stay.
pub(super) fn java(text: &str) -> String {
    escaped(text, |byte| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte))
}

fn escaped(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `name=value` for each pair, both written by `write`, joined by `&`.
pub(super) fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, write: impl Fn(&str) -> String) -> String {
    pairs.map(|(name, value)| format!("{}={}", write(name), write(value))).collect::<Vec<_>>().join("&")
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The host without its port.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_leaves_what_its_servers_leave() {
        let text = "aZ0-_.~* +/Ü";
        assert_eq!(rfc3986(text), "aZ0-_.~%2A%20%2B%2F%C3%9C");
        assert_eq!(path(text), "aZ0-_.~%2A%20%2B/%C3%9C");
        assert_eq!(java(text), "aZ0-_.%7E*%20%2B%2F%C3%9C");
        assert_eq!(["h:80", "h", "[::1]:80", "[::1]"].map(without_port), ["h", "h", "[::1]", "[::1]"]);
    }
}

//! `host[:port]`, as in `Host` fields.

/// The host; `None` if what follows the colon is not a port.
#[must_use]
pub fn without_port(host: &str) -> Option<&str> {
    // the colons of an IPv6 address are in its brackets
    let Some((name, port)) = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) else { return Some(host) };
    port.parse::<u16>().is_ok_and(|_| port.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_its_port_and_from_what_is_no_port() {
        for (text, host) in [
            ("ie.internal", Some("ie.internal")),
            ("ie.internal:0", Some("ie.internal")),
            ("ie.internal:65535", Some("ie.internal")),
            ("[::1]", Some("[::1]")),
            ("[::1]:80", Some("[::1]")),
            ("", Some("")),
            (":80", Some("")),
            ("localhost:", None),
            ("localhost:+1", None),
            ("localhost:65536", None),
            ("127.0.0.1:80:attacker.example", None),
        ] {
            assert_eq!(without_port(text), host, "{text}");
        }
    }
}

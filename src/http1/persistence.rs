//! Whether a connection carries another message after this one: RFC 9112 section 9.3.

use super::fields::same_name;

/// The supported versions of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Connections end with their response, unless both sides say otherwise.
    Http10,
    /// Connections go on, unless one side says otherwise.
    Http11,
}

/// What becomes of the connection after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// The next request may follow.
    KeepAlive,
    /// The connection ends: nothing after the message is read.
    Close,
}

/// The options in the `Connection` fields of a message that say whether the connection goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
}

impl ConnectionOptions {
    /// Takes in the value of one more field.
    pub(super) fn note(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= same_name(option, "close");
            self.keep_alive |= same_name(option, "keep-alive");
        }
    }

    /// `close` takes precedence, whichever of the fields has it.
    pub(super) const fn persistence(self, version: Version) -> Persistence {
        match version {
            Version::Http11 | Version::Http10 if self.close => Persistence::Close,
            Version::Http10 if !self.keep_alive => Persistence::Close,
            Version::Http11 | Version::Http10 => Persistence::KeepAlive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_is_the_last_word_and_http_1_0_has_to_ask_to_go_on() {
        use Persistence::{Close, KeepAlive};
        for (values, http_1_1, http_1_0) in [
            (&[][..], KeepAlive, Close),
            (&["keep-alive"], KeepAlive, KeepAlive),
            (&["Keep-Alive, x"], KeepAlive, KeepAlive),
            (&["Close"], Close, Close),
            (&["x, \tclose"], Close, Close),
            (&["close", "keep-alive"], Close, Close),
            (&["keep-alive", "close"], Close, Close),
            (&["keep-alive, close"], Close, Close),
            (&["closed", ",,,", ""], KeepAlive, Close),
        ] {
            let mut options = ConnectionOptions::default();
            values.iter().for_each(|value| options.note(value.as_bytes()));
            assert_eq!(options.persistence(Version::Http11), http_1_1, "{values:?}");
            assert_eq!(options.persistence(Version::Http10), http_1_0, "{values:?}");
        }
    }
}

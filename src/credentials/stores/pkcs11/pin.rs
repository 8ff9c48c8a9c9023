//! Reads the PIN of a token from its file.

use std::path::Path;

use cryptoki::types::AuthPin;

use super::error::TokenError;
use crate::credentials::saved_text::without_mark;
use crate::guarded_file;

const LONGEST: usize = 255;

/// Reads a PIN: the file's one line, without its end. A byte order mark is no part of it: a token counts wrong PINs.
pub(super) fn read(path: &Path) -> Result<AuthPin, TokenError> {
    let bytes = guarded_file::read_secret(path).map_err(TokenError::PinFile)?;
    let text = without_mark(&bytes);
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).ok().filter(|text| !text.chars().any(char::is_control));
    let pin = text.filter(|text| !text.is_empty() && text.len() <= LONGEST);
    // allocated with exactly this size: a string that shrinks leaves a copy behind
    pin.map(|pin| AuthPin::new(pin.into())).ok_or_else(|| TokenError::NotAPin(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn with(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pin");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_pin_is_one_line() {
        for content in [&b"1234"[..], b"1234\n", b"1234\r\n", b"\xef\xbb\xbf1234"] {
            let (_directory, path) = with(content);
            assert!(read(&path).is_ok());
        }
        for content in [&b""[..], b"\n", b"1234\n\n", b"12\n34", b"\xff\xfe", &[b'1'; 256]] {
            let (_directory, path) = with(content);
            assert!(matches!(read(&path), Err(TokenError::NotAPin(_))), "{content:?}");
        }
    }

    #[test]
    fn a_pin_that_others_can_read_is_refused() {
        let (_directory, path) = with(b"1234");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(&path), Err(TokenError::PinFile(_))));
    }
}

//! Makes access keys that are worth something only to countersign: clients sign with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::{GetRandomFailed, aws_lc_rs};
use zeroize::Zeroizing;

use super::access_key::{AccessKeyId, Credentials};
use super::secret::SecretAccessKey;

/// The beginning of every id, so that nobody takes one for a key of AWS, which begins `AKIA` or `ASIA`.
const BEGINNING: &str = "CSGN";
/// As many characters as AWS's ids have.
const ID_LENGTH: usize = 20;
/// Random bytes of a secret: 40 characters, as AWS's secrets have, without `+` and `/`, which programs confuse.
const SECRET_BYTES: usize = 30;

/// A new key of random characters. `None` when the system has no randomness.
#[must_use]
pub fn issue() -> Option<Credentials> {
    let mut random = Zeroizing::new([0; ID_LENGTH]);
    fill(&mut *random).ok()?;
    let mut id = BEGINNING.to_owned();
    id.extend(random.iter().map(|byte| base32(*byte)).take(ID_LENGTH.saturating_sub(BEGINNING.len())));
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    fill(&mut *secret).ok()?;
    let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(*secret));
    Some(Credentials {
        access_key_id: AccessKeyId::parse(&id)?,
        secret_access_key: SecretAccessKey::new(secret.as_bytes())?,
        session_token: None,
        expiration: None,
    })
}

fn fill(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    aws_lc_rs::default_provider().secure_random.fill(bytes)
}

/// The character of five bits (RFC 4648 section 6).
fn base32(byte: u8) -> char {
    const CHARACTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    CHARACTERS.get(usize::from(byte & 0x1f)).copied().map(char::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_another_and_has_the_form_of_awss() {
        let keys = [issue().unwrap(), issue().unwrap()];
        for key in &keys {
            let (id, secret) = (key.access_key_id.as_str(), key.secret_access_key.expose_secret());
            assert!(id.starts_with("CSGN") && id.len() == 20, "{id}");
            assert!(id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{id}");
            assert!(secret.len() == 40 && secret.iter().all(u8::is_ascii_graphic));
        }
        let [first, second] = &keys;
        assert_ne!(first.access_key_id, second.access_key_id);
        assert_ne!(first.secret_access_key.expose_secret(), second.secret_access_key.expose_secret());
    }
}

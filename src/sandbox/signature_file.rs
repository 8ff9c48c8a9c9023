//! The SIGNATURE file on an import device, by which the service knows whose device it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::credentials::{SignatureMethod, SigningKey};

/// The signature of a manifest: base64 of its HMAC-SHA1 with the access key that created the job.
#[must_use]
pub(super) fn signature(manifest: &str, key: &SigningKey) -> String {
    STANDARD.encode(key.mac(SignatureMethod::HmacSha1, manifest.as_bytes()).as_bytes())
}

/// The file's contents, line by line as the API reference prints them, with a line feed after the last.
#[must_use]
pub(super) fn contents(job_id: &str, signature: &str) -> String {
    format!("version:2.0\nsigningMethod:HmacSHA1\njobId:{job_id}\nsignature:{signature}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::SecretAccessKey;

    #[test]
    fn the_file_has_the_four_lines_of_the_reference() {
        assert_eq!(
            contents("WXSPP", "jLbLVp54vBa/vuh/XW1MOMdZUxw="),
            "version:2.0\nsigningMethod:HmacSHA1\njobId:WXSPP\nsignature:jLbLVp54vBa/vuh/XW1MOMdZUxw=\n"
        );
    }

    #[test]
    fn the_signature_is_the_manifests_hmac_sha1_in_base64() {
        // RFC 2202, test case 2: effcdf6ae5eb2fa2d27416d5f184df9c259a7c79
        let key = SigningKey::new(&SecretAccessKey::new(b"Jefe").unwrap());
        assert_eq!(signature("what do ya want for nothing?", &key), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
    }
}

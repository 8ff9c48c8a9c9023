//! Alibaba Cloud's RPC style, signature version 1.0.

use super::encoding::{joined, rfc3986};
use super::problem::Problem;
use super::reading::{Once, Reading, RequestTime, Window, base64, time};
use super::received::Received;
use super::verifying_key::KeyForm;

/// Neither host nor path is signed; the nonce may not come again.
pub(super) fn read(received: &Received<'_>, write: &dyn Fn(&str) -> String) -> Result<Reading, Problem> {
    let all = received.query_and_form()?;
    if all.get("AccessKeyId").is_none() && all.get("Signature").is_none() {
        return Err(Problem::NotSigned("AccessKeyId"));
    }
    let key_id = all.required("AccessKeyId")?.to_owned();
    let tag = base64("Signature", all.required("Signature")?)?;
    all.must_be("SignatureMethod", "HMAC-SHA1")?;
    all.must_be("SignatureVersion", "1.0")?;
    let nonce = all.required("SignatureNonce")?.to_owned();
    let at = time("Timestamp", all.required("Timestamp")?, "%Y-%m-%dT%H:%M:%SZ")?;
    let signed = all.only(|name| name != "Signature");
    Ok(Reading {
        key_id,
        canonical_request: None,
        string_to_sign: format!("POST&%2F&{}", rfc3986(&joined(signed.iter(), write))),
        otherwise: None,
        once: Some(Once { name: "SignatureNonce", value: nonce }),
        token: all.get("SecurityToken").map(str::to_owned),
        token_name: "SecurityToken",
        tag,
        form: KeyForm::AmpersandSha1,
        time: RequestTime { name: "Timestamp", at, window: Window::minutes(15) },
        parameters: all.into_pairs(),
    })
}

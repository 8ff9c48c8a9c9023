//! QingCloud's API.

use super::encoding::joined;
use super::problem::Problem;
use super::reading::{Reading, RequestTime, Window, base64, time};
use super::received::Received;
use super::verifying_key::KeyForm;

/// The path is signed, the host is not.
pub(super) fn read(received: &Received<'_>, write: &dyn Fn(&str) -> String) -> Result<Reading, Problem> {
    let all = received.form()?;
    if all.get("access_key_id").is_none() && all.get("signature").is_none() {
        return Err(Problem::NotSigned("access_key_id"));
    }
    let key_id = all.required("access_key_id")?.to_owned();
    let tag = base64("signature", all.required("signature")?)?;
    all.must_be("version", "1")?;
    all.must_be("signature_method", "HmacSHA256")?;
    let token = all.get("token").map(str::to_owned);
    all.must_be("signature_version", if token.is_some() { "2" } else { "1" })?;
    let at = time("time_stamp", all.required("time_stamp")?, "%Y-%m-%dT%H:%M:%SZ")?;
    let signed = all.only(|name| name != "signature");
    Ok(Reading {
        key_id,
        canonical_request: None,
        string_to_sign: format!("POST\n{}\n{}", received.path, joined(signed.iter(), write)),
        otherwise: None,
        once: None,
        token,
        token_name: "token",
        tag,
        form: KeyForm::Sha256,
        time: RequestTime { name: "time_stamp", at, window: Window::minutes(15) },
        parameters: all.into_pairs(),
    })
}

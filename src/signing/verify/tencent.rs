//! Tencent Cloud's API 3.0, signature version 1.

use jiff::Timestamp;

use super::encoding::{joined, without_port};
use super::problem::Problem;
use super::reading::{Reading, RequestTime, Window, base64};
use super::received::Received;
use super::verifying_key::KeyForm;

/// Values are signed as they are, and the host without its port.
pub(super) fn read(received: &Received<'_>) -> Result<Reading, Problem> {
    let all = received.form()?;
    if all.get("SecretId").is_none() && all.get("Signature").is_none() {
        return Err(Problem::NotSigned("SecretId"));
    }
    let key_id = all.required("SecretId")?.to_owned();
    let tag = base64("Signature", all.required("Signature")?)?;
    let wrong = |name: &'static str, expected: &str| Problem::Wrong { name, expected: expected.to_owned() };
    let form = match all.required("SignatureMethod")? {
        "HmacSHA256" => KeyForm::Sha256,
        "HmacSHA1" => KeyForm::Sha1,
        _ => return Err(wrong("SignatureMethod", "HmacSHA256 or HmacSHA1")),
    };
    let nonce = all.required("Nonce")?.parse::<i32>().ok().filter(|number| *number > 0);
    nonce.ok_or_else(|| wrong("Nonce", "a positive integer of 31 bits"))?;
    let seconds = all.required("Timestamp")?.parse::<i64>().ok();
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.ok_or_else(|| wrong("Timestamp", "a number of seconds since 1970"))?;
    let signed = all.only(|name| name != "Signature");
    let (host, path) = (without_port(received.host).to_ascii_lowercase(), received.path);
    Ok(Reading {
        key_id,
        canonical_request: None,
        string_to_sign: format!("POST{host}{path}?{}", joined(signed.iter(), str::to_owned)),
        otherwise: None,
        once: None,
        token: all.get("Token").map(str::to_owned),
        token_name: "Token",
        tag,
        form,
        time: RequestTime { name: "Timestamp", at, window: Window::minutes(5) },
        parameters: all.into_pairs(),
    })
}

//! Apache CloudStack, as its server's `ApiServer.verifyRequest` does it.

use jiff::SignedDuration;

use super::encoding::java;
use super::problem::Problem;
use super::reading::{Reading, RequestTime, Window, base64, time};
use super::received::Received;
use super::verifying_key::KeyForm;
use crate::query::ShownName;

/// Query string and form are one list, names are compared without regard to case, and neither method, host nor path is
/// signed.
pub(super) fn read(received: &Received<'_>) -> Result<Reading, Problem> {
    let all = received.query_and_form()?;
    // the server puts them into a map of lower-case names after it has verified them: of two, any may win
    let mut names: Vec<_> = all.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    let twice = names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(ShownName::of(one)),
        _ => None,
    });
    if let Some(name) = twice {
        return Err(Problem::Twice(name));
    }
    let find = |name: &str| all.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let required = |name: &'static str| find(name).filter(|value| !value.is_empty()).ok_or(Problem::Missing(name));
    if find("apiKey").is_none() && find("signature").is_none() {
        return Err(Problem::NotSigned("apiKey"));
    }
    let key_id = required("apiKey")?.to_owned();
    let tag = base64("signature", required("signature")?)?;
    // any other version is good for ever: no client should send it
    if required("signatureVersion")? != "3" {
        return Err(Problem::Wrong { name: "signatureVersion", expected: "3".to_owned() });
    }
    let at = time("expires", required("expires")?, "%Y-%m-%dT%H:%M:%S%z")?;
    let window = Window { behind: SignedDuration::ZERO, ahead: Some(SignedDuration::from_mins(15)) };
    let signed = all.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("signature"));
    let written: Vec<_> = signed.map(|(name, value)| format!("{name}={}", java(value))).collect();
    Ok(Reading {
        key_id,
        canonical_request: None,
        string_to_sign: written.join("&").to_lowercase(),
        otherwise: None,
        once: None,
        token: None,
        token_name: "",
        tag,
        form: KeyForm::Sha1,
        time: RequestTime { name: "expires", at, window },
        parameters: all.into_pairs(),
    })
}

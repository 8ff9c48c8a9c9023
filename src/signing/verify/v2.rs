//! AWS Signature Version 2, and the servers that took it over with changes of their own: keystone before heat-api-cfn,
//! NIFCLOUD, Eucalyptus.

use jiff::{SignedDuration, Timestamp};

use super::encoding::{joined, without_port};
use super::problem::Problem;
use super::reading::{Once, Reading, RequestTime, Window, base64};
use super::received::{Parameters, Received};
use super::verifying_key::KeyForm;

/// What one of them does otherwise.
pub(super) struct Family {
    pub(super) key_id: &'static str,
    pub(super) window: Window,
    pub(super) method: Method,
    pub(super) host: Host,
    pub(super) query: Query,
    pub(super) replays: Replays,
}

/// What is made of `SignatureMethod`.
pub(super) enum Method {
    /// It names the MAC.
    Read,
    /// The verifier writes `HmacSHA256` into what it verifies, whatever was sent.
    Overwritten,
}

/// Which host is signed.
pub(super) enum Host {
    /// That of the `Host` field.
    AsReceived,
    /// The same, or without its port.
    AlsoWithoutPort,
}

/// What the query string is.
#[derive(PartialEq, Eq)]
pub(super) enum Query {
    /// No part of what is signed. It may repeat the Action, as some SDKs have it, and say nothing else.
    Unsigned,
    /// Merged with the form.
    Merged,
}

/// What becomes of a signature that comes again.
#[derive(PartialEq, Eq)]
pub(super) enum Replays {
    Accepted,
    Refused,
}

pub(super) const AWS: Family = Family {
    key_id: "AWSAccessKeyId",
    window: Window::minutes(15),
    method: Method::Read,
    host: Host::AsReceived,
    query: Query::Unsigned,
    replays: Replays::Accepted,
};

/// Times ahead of keystone's are accepted however far they are.
pub(super) const OPENSTACK: Family = Family {
    window: Window { behind: SignedDuration::from_mins(15), ahead: None },
    method: Method::Overwritten,
    host: Host::AlsoWithoutPort,
    query: Query::Merged,
    ..AWS
};

pub(super) const NIFCLOUD: Family = Family { key_id: "AccessKeyId", ..AWS };

pub(super) const EUCALYPTUS: Family = Family { host: Host::AlsoWithoutPort, replays: Replays::Refused, ..AWS };

pub(super) fn read(
    family: &Family,
    received: &Received<'_>,
    write: &dyn Fn(&str) -> String,
) -> Result<Reading, Problem> {
    let all = match family.query {
        Query::Unsigned => Parameters::read([received.body])?,
        Query::Merged => received.query_and_form()?,
    };
    let action = all.get("Action").unwrap_or_default();
    let repeats_the_action = received.query.strip_prefix("Operation=") == Some(action);
    if all.get(family.key_id).is_none() && all.get("Signature").is_none() {
        return Err(Problem::NotSigned(family.key_id));
    }
    let key_id = all.required(family.key_id)?.to_owned();
    let signature = all.required("Signature")?.to_owned();
    all.must_be("SignatureVersion", "2")?;
    // what stands for nothing is not in the servers' maps either
    let signed = all.only(|name| name != "Signature" && !name.is_empty());
    let (form, signed) = match family.method {
        Method::Overwritten => (KeyForm::Sha256, signed.with("SignatureMethod", "HmacSHA256")),
        Method::Read => match all.required("SignatureMethod")? {
            "HmacSHA256" => (KeyForm::Sha256, signed),
            "HmacSHA1" => (KeyForm::Sha1, signed),
            _ => {
                return Err(Problem::Wrong { name: "SignatureMethod", expected: "HmacSHA256 or HmacSHA1".to_owned() });
            }
        },
    };
    let tag = base64("Signature", &signature)?;
    let time = time(family, &all)?;
    if family.query == Query::Unsigned && !received.query.is_empty() && !repeats_the_action {
        return Err(Problem::QueryString);
    }
    let host = received.host.to_ascii_lowercase();
    let for_host = |host: &str| format!("POST\n{host}\n{}\n{}", received.path, joined(signed.iter(), write));
    let otherwise = match family.host {
        Host::AsReceived => None,
        Host::AlsoWithoutPort => Some(for_host(without_port(&host))),
    };
    let once = (family.replays == Replays::Refused).then_some(Once { name: "Signature", value: signature });
    Ok(Reading {
        key_id,
        canonical_request: None,
        string_to_sign: for_host(&host),
        otherwise,
        once,
        token: all.get("SecurityToken").map(str::to_owned),
        token_name: "SecurityToken",
        tag,
        form,
        time,
        parameters: all.into_pairs(),
    })
}

/// `Timestamp`, or instead of it `Expires`, until when the request is good.
fn time(family: &Family, all: &Parameters) -> Result<RequestTime, Problem> {
    let (name, text, window) = match (all.get("Timestamp"), all.get("Expires")) {
        (Some(text), None) => ("Timestamp", text, family.window),
        (None, Some(text)) => ("Expires", text, Window { behind: SignedDuration::ZERO, ahead: None }),
        (None, None) => return Err(Problem::Missing("Timestamp")),
        (Some(_), Some(_)) => {
            return Err(Problem::Wrong { name: "Expires", expected: "absent beside Timestamp".to_owned() });
        }
    };
    let without_offset = || {
        let civil: jiff::civil::DateTime = text.strip_suffix('Z').unwrap_or(text).parse().ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    };
    let at = text.parse::<Timestamp>().ok().or_else(without_offset);
    let at = at.ok_or_else(|| Problem::Wrong {
        name,
        expected: "an ISO 8601 date and time, e.g. 2011-06-20T22:30:59.556Z".to_owned(),
    })?;
    Ok(RequestTime { name, at, window })
}

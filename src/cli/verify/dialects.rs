//! `countersign verify --dialect`: judges a captured request by the verifier of its dialect.

use super::Arguments;
use super::verdict::{Point, Verdict};
use crate::cli::capture::Capture;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::inputs;
use crate::clock;
use crate::credentials::AccessKeyId;
use crate::signing::diagnose::{MismatchInDialect, diagnose_in_dialect};
use crate::signing::verify::{Problem, Received, Verifier, VerifyingKey};
use crate::signing::{Profile, RequestTimestamp};

/// Judges the request on standard input.
///
/// # Errors
/// As for `verify` of Signature Version 2.
pub(super) fn judge(arguments: &Arguments, verdict: &mut Verdict) -> Result<(), Failure> {
    let verifier = verifier(arguments)?;
    let capture = Capture::read_request(&inputs::form()?);
    let (fields, target) = (capture.lower_case_fields(), &arguments.endpoint.target);
    let (host, query) = (target.host.as_str(), capture.query());
    let received = Received { host, path: &target.path, query, fields: &fields, body: capture.form() };
    let reading = match verifier.read(&received) {
        Ok(reading) => reading,
        Err(problem @ (Problem::Malformed | Problem::TooMany(_))) => {
            return Err(Failure::because(ExitCode::Data, &problem));
        }
        Err(problem) => return verdict.refuse(points(&[problem])),
    };
    verdict.signed_by = Some(reading.key_id.escape_debug().to_string());
    let id = AccessKeyId::parse(&reading.key_id).ok_or_else(|| {
        Failure::new(ExitCode::Data, "the access key id is empty, longer than 256 bytes, or has control characters")
    })?;
    let key = VerifyingKey::new(&inputs::credentials(id, None)?);
    let now = arguments.at.as_ref().map_or_else(clock::now, RequestTimestamp::instant);
    let problems = reading.problems(&key, now);
    if problems.is_empty() {
        verdict.accept();
        return Ok(());
    }
    verdict.signature_matches = Some(!problems.contains(&Problem::Mismatch));
    if verdict.signature_matches == Some(false) {
        let endpoints = || std::iter::once(&arguments.endpoint).chain(&arguments.suspect);
        let sent_host = fields.iter().find(|(name, _)| name == "host").map(|(_, value)| value.as_str());
        let hosts = endpoints().flat_map(|one| [&*one.written_host, &*one.target.host]).chain(sent_host);
        verdict.causes = Point::of(&diagnose_in_dialect(&MismatchInDialect {
            verifier: &verifier,
            received,
            key: &key,
            other_hosts: &hosts.collect::<Vec<_>>(),
            other_paths: &endpoints().map(|one| one.target.path.as_str()).chain(capture.path()).collect::<Vec<_>>(),
        }));
    }
    verdict.refuse(points(&problems))
}

fn points(problems: &[Problem]) -> Vec<Point> {
    problems.iter().map(|problem| Point::new(problem, remedy(problem))).collect()
}

fn verifier(arguments: &Arguments) -> Result<Verifier, Failure> {
    let (region, service) = (arguments.region.as_deref(), arguments.service.as_deref());
    let profile = Profile::new(arguments.dialect, None, region, service);
    let profile = profile.map_err(|error| Failure::because(ExitCode::Configuration, &error))?;
    Ok(Verifier::new(profile.dialect(), region, service))
}

/// What to do; `None` where the diagnosis says it.
const fn remedy(problem: &Problem) -> Option<&'static str> {
    Some(match problem {
        Problem::NotSigned(_) => {
            "sign it first: countersign sign. Where the signature is in the head, give its fields too: sign --headers"
        }
        Problem::Missing(_) => "add it before signing",
        Problem::Wrong { .. } => "sign with the dialect's own value, and percent-encode it once",
        Problem::Scope { .. } => {
            "sign for the region and service of the endpoint, and for the day of the time that is sent"
        }
        Problem::Twice(_) => "leave all but one out, before signing",
        Problem::NoSuchField(_) => "send every field that is signed",
        Problem::Unsigned(_) => "sign the field, or do not send it",
        Problem::Malformed | Problem::TooMany(_) => "send a form",
        Problem::QueryString => "send all parameters in the form",
        Problem::UnknownKey => "use the access key whose secret is in AWS_SECRET_ACCESS_KEY",
        Problem::WrongToken(_) => {
            "set AWS_SESSION_TOKEN for a key that has a token, unset it for one that has none, and send that token"
        }
        Problem::Time(_) => "set the signer's clock, sign anew, or give the time at which the form was sent: --at",
        Problem::Replayed(_) => "sign anew for every request",
        Problem::Mismatch => return None,
    })
}

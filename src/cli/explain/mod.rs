//! `countersign explain`: finds out from a captured request and its response why the endpoint refused it.

mod dialects;
mod finding;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use self::finding::{Finding, Line};
use super::capture::Capture;
use super::exit::{ExitCode, Failure};
use super::format::FormatOption;
use super::inputs;
use super::sign::dialect_parser;
use crate::credentials::{AccessKeyId, Credentials, HeldKey};
use crate::query::{EndpointError, FormLimits, Parameters};
use crate::signing::diagnose::{Cause, Mismatch, RefusalClass, classify, diagnose};
use crate::signing::skew::{EXPLAINS_A_REFUSAL, TimeRefusal};
use crate::signing::verify::SignatureClaim;
use crate::signing::{Complaint, Dialect, RequestTimestamp, SigningTarget};

/// The most that is read of a file, in bytes: the largest form that a route can be configured to take.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Arguments of `countersign explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
A capture is an HTTP message as it was on the wire or as `curl -v` prints it, or the body alone (a request's body \
needs --endpoint, and is not enough where the signature is in the head). What is printed has names of parameters, \
and none of their values.

When AWS_SECRET_ACCESS_KEY is set, the signature of the request is checked with it as well.

Exit code 0: the cause is found; 1: it is not, or the answer does not refuse a signature; 65: a file cannot be used.")]
pub(crate) struct Arguments {
    /// The signed request
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// The endpoint's answer to it
    #[arg(long, value_name = "FILE")]
    answer: PathBuf,
    /// The endpoint for which the request was signed; without it, the Host and path of the captured request
    #[arg(long, value_name = "URL", value_parser = SigningTarget::from_url)]
    endpoint: Option<SigningTarget>,
    /// How the endpoint's cloud signs
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser(), default_value = "aws-v2")]
    dialect: Dialect,
    #[command(flatten)]
    output: FormatOption,
}

/// What a captured request says, in any dialect.
struct Evidence<'a> {
    /// What has to be signed: the canonical request where there is one, otherwise the string to sign.
    text: String,
    signed_at: Option<Timestamp>,
    key_id: &'a str,
    /// What the signer did wrong, for the key that should have signed; `None` if the signature is right.
    mistakes: Box<dyn Fn(Credentials) -> Option<Vec<Cause>> + 'a>,
}

/// Explains the response.
///
/// # Errors
/// [`ExitCode::Negative`] when the cause is not found, [`ExitCode::Data`] when a file cannot be used,
/// [`ExitCode::Configuration`] when the secret in the environment is unusable.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let found = if arguments.dialect == Dialect::AwsV2 { explained(arguments) } else { dialects::explained(arguments) };
    let (finding, ended) = match found {
        Ok(finding) => {
            let ended = finding.ended();
            (finding, ended)
        }
        Err(failure) => (Finding::Nothing, Err(failure)),
    };
    finding.print(arguments.output.format, arguments.dialect.as_str(), &ended)?;
    ended
}

fn explained(arguments: &Arguments) -> Result<Finding, Failure> {
    let request = Capture::read(&file(&arguments.request)?);
    let answer = Capture::read(&file(&arguments.answer)?);
    let error = EndpointError::read(answer.document()).ok_or_else(|| {
        unusable(&arguments.answer, "has no error document: XML with a Code is expected, of at least one error")
    })?;
    let unreadable = |error: &dyn std::error::Error| unusable(&arguments.request, &error.to_string());
    let parameters = Parameters::parse(request.form(), FormLimits::DEFAULT).map_err(|error| unreadable(&error))?;
    let claim = SignatureClaim::read(&parameters).map_err(|error| unreadable(&error))?;
    let target = target(arguments, &request)?;
    let string_to_sign = claim.string_to_sign(&target);
    let mistakes = |credentials: Credentials| {
        let key = HeldKey::new(credentials);
        let is_right = key.signing_key().verifies(claim.method, &string_to_sign, &claim.tag);
        (!is_right).then(|| {
            diagnose(&Mismatch {
                claim: &claim,
                target: &target,
                key: key.signing_key(),
                sent: request.form(),
                other_hosts: &[],
                other_paths: &[],
            })
        })
    };
    let signed_at = parameters.get("Timestamp").and_then(RequestTimestamp::parse);
    let evidence = Evidence {
        text: String::from_utf8_lossy(&string_to_sign).into_owned(),
        signed_at: signed_at.map(|time| time.instant()),
        key_id: claim.access_key_id,
        mistakes: Box::new(mistakes),
    };
    conclude(Dialect::AwsV2, &evidence, &answer, &error)
}

/// Finds the cause.
fn conclude(
    dialect: Dialect,
    evidence: &Evidence<'_>,
    answer: &Capture,
    error: &EndpointError,
) -> Result<Finding, Failure> {
    let complaint = dialect.complaint(error);
    if let Some(reason) = clocks_apart(complaint, evidence, answer) {
        let lines = vec![Line::Why(reason), Line::Do(RefusalClass::Clock.remedy())];
        return Ok(Finding::Refused(RefusalClass::Clock, lines));
    }
    match complaint {
        Some(Complaint::Time | Complaint::Signature) => compared(evidence, error),
        Some(Complaint::Key) => Ok(Finding::of(RefusalClass::KeyId)),
        Some(Complaint::Nonce) => Ok(Finding::of(RefusalClass::Nonce)),
        None => Ok(Finding::NotOfASignature(error.code.chars().take(64).flat_map(char::escape_default).collect())),
    }
}

fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    read.map_err(|error| unusable(path, &format!("cannot be read: {error}")))?;
    Ok(bytes)
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(ExitCode::Data, format!("{}: {why}", path.display()))
}

/// The endpoint: as it is given, or as the request has it.
fn target(arguments: &Arguments, request: &Capture) -> Result<SigningTarget, Failure> {
    match &arguments.endpoint {
        Some(target) => Ok(target.clone()),
        None => captured_target(request).map_err(|why| unusable(&arguments.request, &why)),
    }
}

fn captured_target(request: &Capture) -> Result<SigningTarget, String> {
    const MISSING: &str = "does not say where it was sent: give --endpoint, or a capture with request line and Host";
    let line = request.first_line.as_deref().ok_or(MISSING)?;
    let mut words = line.split(' ');
    let (Some("POST"), Some(_)) = (words.next(), words.next()) else {
        return Err("is not a POST: other methods are not explained".to_owned());
    };
    let (host, path) = (request.field("host").ok_or(MISSING)?, request.path().unwrap_or_default());
    SigningTarget::from_url(&format!("https://{host}{path}")).map_err(|error| error.to_string())
}

/// The line to print when the request's time is the reason: the error code says so, or the response's `Date` is far
/// from it.
fn clocks_apart(complaint: Option<Complaint>, evidence: &Evidence<'_>, answer: &Capture) -> Option<String> {
    let refusal = complaint.and_then(TimeRefusal::of)?;
    let date = answer.field("date").and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
    let apart = date.zip(evidence.signed_at).map(|(date, signed)| date.duration_since(signed));
    let far = apart.is_some_and(|apart| apart.abs() >= SignedDuration::from_millis(EXPLAINS_A_REFUSAL));
    match (refusal, apart) {
        (TimeRefusal::Possible, _) if !far => None,
        (TimeRefusal::Certain | TimeRefusal::Possible, Some(apart)) => Some(format!(
            "the request's time is {} minutes {} the endpoint's clock, as its Date field has it",
            apart.abs().as_mins(),
            if apart.is_negative() { "ahead of" } else { "behind" }
        )),
        (TimeRefusal::Certain | TimeRefusal::Possible, None) => {
            Some("the endpoint refused the request for its time, and does not say its own".to_owned())
        }
    }
}

/// Compares what has to be signed with what the endpoint says, and checks the signature when the secret is known.
fn compared(evidence: &Evidence<'_>, error: &EndpointError) -> Result<Finding, Failure> {
    let (cause, differences) = classify(&evidence.text, error);
    let mut lines: Vec<Line> =
        differences.iter().map(|difference| Line::Why(format!("the endpoint has {difference}"))).collect();
    let about_the_key = match cause {
        RefusalClass::Key => "the endpoint would have signed what this request has to be signed as",
        RefusalClass::Unknown => "the endpoint does not say what it would have signed",
        RefusalClass::Clock
        | RefusalClass::Method
        | RefusalClass::Host
        | RefusalClass::Path
        | RefusalClass::Parameters
        | RefusalClass::Order
        | RefusalClass::Encoding
        | RefusalClass::Fields
        | RefusalClass::Scope
        | RefusalClass::KeyId
        | RefusalClass::Nonce => {
            lines.push(Line::Do(cause.remedy()));
            return Ok(Finding::Refused(cause, lines));
        }
    };
    lines.push(Line::Why(about_the_key.to_owned()));
    with_the_secret(cause, lines, evidence)
}

/// Adds whether the signature itself is right, which takes the secret.
fn with_the_secret(cause: RefusalClass, mut lines: Vec<Line>, evidence: &Evidence<'_>) -> Result<Finding, Failure> {
    let id = AccessKeyId::parse(evidence.key_id).ok_or_else(|| {
        Failure::new(ExitCode::Data, "the access key id is empty, longer than 256 bytes, or has control characters")
    })?;
    let Some(credentials) = inputs::optional_credentials(id)? else {
        lines.push(Line::Do(cause.remedy()));
        lines.push(Line::Do("run this with AWS_SECRET_ACCESS_KEY set: the signature is checked with it"));
        return Ok(Finding::Refused(cause, lines));
    };
    let Some(causes) = (evidence.mistakes)(credentials) else {
        lines.push(Line::Why("the signature is right for the secret access key in AWS_SECRET_ACCESS_KEY".to_owned()));
        lines.push(Line::Do(RefusalClass::Key.remedy()));
        return Ok(Finding::Refused(RefusalClass::Key, lines));
    };
    let cause = causes.first().and_then(RefusalClass::of).unwrap_or(cause);
    lines.extend(causes.iter().flat_map(|cause| [Line::Why(cause.to_string()), Line::Do(cause.remedy())]));
    Ok(Finding::Refused(cause, lines))
}

//! `countersign verify`: whether a signed form verifies, and if not, why and what to do.

mod dialects;
mod verdict;

use clap::Args;

use self::verdict::{Point, Verdict};
use super::exit::{ExitCode, Failure};
use super::format::FormatOption;
use super::inputs;
use super::sign::{dialect_parser, timestamp};
use crate::clock;
use crate::credentials::{AccessKeyId, HeldKey};
use crate::query::{FormLimits, Parameters};
use crate::signing::diagnose::{Mismatch, diagnose};
use crate::signing::url::UrlError;
use crate::signing::verify::{SignatureClaim, VerifyError};
use crate::signing::{Dialect, RequestTimestamp, SigningTarget};

/// Arguments of `countersign verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
The secret access key is read from the environment variable AWS_SECRET_ACCESS_KEY, the token of temporary \
credentials from AWS_SESSION_TOKEN.

Where the signature is in the head (aws-v4), the fields come first, as `countersign sign --headers` prints them, or \
the whole request as it was on the wire or as `curl -v` prints it.

Exit code 0: the form verifies; 1: it does not; 65: it cannot be read.")]
pub(crate) struct Arguments {
    /// The endpoint to which the form is sent
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    endpoint: Endpoint,
    /// How the endpoint's cloud signs
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser(), default_value = "aws-v2")]
    dialect: Dialect,
    /// The region of the endpoint, with aws-v4 and volcengine
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The service of the endpoint, with aws-v4 and volcengine
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Judge the form's time as of this moment, instead of now
    #[arg(long, value_name = "ISO8601", value_parser = timestamp)]
    at: Option<RequestTimestamp>,
    /// Another endpoint for which it may have been signed by mistake, e.g. a proxy's address; may be repeated
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    suspect: Vec<Endpoint>,
    #[command(flatten)]
    output: FormatOption,
}

/// An endpoint, and its host as the argument spells it: a signer may have signed that by mistake.
#[derive(Debug, Clone)]
struct Endpoint {
    target: SigningTarget,
    written_host: String,
}

fn endpoint(url: &str) -> Result<Endpoint, UrlError> {
    let target = SigningTarget::from_url(url)?;
    let authority = url.split('/').nth(2).unwrap_or_default();
    Ok(Endpoint { target, written_host: authority.to_owned() })
}

/// Judges the form on standard input.
///
/// # Errors
/// [`ExitCode::Negative`] when it does not verify, [`ExitCode::Data`] when it is not a form,
/// [`ExitCode::Configuration`] when the secret is missing or unusable.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut verdict = Verdict::none(arguments);
    let is_in_dialect =
        arguments.dialect != Dialect::AwsV2 || arguments.region.is_some() || arguments.service.is_some();
    let ended = if is_in_dialect { dialects::judge(arguments, &mut verdict) } else { judge(arguments, &mut verdict) };
    verdict.print(arguments.output.format, &ended)?;
    ended
}

fn judge(arguments: &Arguments, verdict: &mut Verdict) -> Result<(), Failure> {
    let body = inputs::form()?;
    let parameters = Parameters::parse_any_names(&body, FormLimits::DEFAULT)
        .map_err(|error| Failure::because(ExitCode::Data, &error))?;
    let claim = match SignatureClaim::read(&parameters) {
        Ok(claim) => claim,
        Err(error) => return verdict.refuse(points(&[error])),
    };
    verdict.signed_by = Some(claim.access_key_id.escape_debug().to_string());
    verdict.method = Some(claim.method.as_str());
    let id = AccessKeyId::parse(claim.access_key_id).ok_or_else(|| {
        Failure::new(ExitCode::Data, "AWSAccessKeyId is empty, longer than 256 bytes, or has control characters")
    })?;
    let key = inputs::key(id, None)?;
    let problems = problems(&claim, &key, arguments);
    if problems.is_empty() {
        verdict.accept();
        return Ok(());
    }
    verdict.signature_matches = Some(!problems.contains(&VerifyError::Mismatch));
    if verdict.signature_matches == Some(false) {
        let endpoints = || std::iter::once(&arguments.endpoint).chain(&arguments.suspect);
        verdict.causes = Point::of(&diagnose(&Mismatch {
            claim: &claim,
            target: &arguments.endpoint.target,
            key: key.signing_key(),
            sent: &body,
            other_hosts: &endpoints().flat_map(|one| [&*one.written_host, &*one.target.host]).collect::<Vec<_>>(),
            other_paths: &endpoints().map(|one| one.target.path.as_str()).collect::<Vec<_>>(),
        }));
    }
    verdict.refuse(points(&problems))
}

fn points(problems: &[VerifyError]) -> Vec<Point> {
    problems.iter().map(|problem| Point::new(problem, remedy(problem))).collect()
}

/// Everything that is wrong; an endpoint reports only the first fault.
fn problems(claim: &SignatureClaim<'_>, key: &HeldKey, arguments: &Arguments) -> Vec<VerifyError> {
    let target = &arguments.endpoint.target;
    let now = arguments.at.as_ref().map_or_else(clock::now, RequestTimestamp::instant);
    let first = claim.check(key, target, now).err();
    let token = first.filter(|error| *error == VerifyError::WrongToken);
    let time = claim.check_time(now).err();
    let matches = key.signing_key().verifies(claim.method, &claim.string_to_sign(target), &claim.tag);
    let mac = (!matches).then_some(VerifyError::Mismatch);
    [token, time, mac].into_iter().flatten().collect()
}

/// What to do; `None` where [`diagnose`] says it.
const fn remedy(problem: &VerifyError) -> Option<&'static str> {
    Some(match problem {
        VerifyError::NotSigned => "sign it first: countersign sign",
        VerifyError::Missing(_) => "add the parameter before signing",
        VerifyError::TwoTimes => "leave one of the two out, before signing",
        VerifyError::Version => "sign with SignatureVersion=2; this command knows no other",
        VerifyError::Method => "sign with HmacSHA256",
        VerifyError::NotATime(_) => "write the time in ISO 8601 and percent-encode it once",
        VerifyError::NotBase64 => {
            "send the MAC in base64, percent-encoded once: a `+` that is sent as it is arrives as a space"
        }
        VerifyError::UnknownKey => "use the access key whose secret is in AWS_SECRET_ACCESS_KEY",
        VerifyError::WrongToken => {
            "set AWS_SESSION_TOKEN for a key that has a token, unset it for one that has none, and send that token as \
             SecurityToken"
        }
        VerifyError::Expired { .. } => {
            "set the signer's clock, sign anew, or give the time at which the form was sent: --at"
        }
        VerifyError::Mismatch => return None,
    })
}

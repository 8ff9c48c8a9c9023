//! `countersign sign`: reads an unsigned form and prints the signed form. Nothing is sent.

use std::io::Write as _;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args};

use uuid::Uuid;

use super::config_file::ConfigFile;
use super::exit::{ExitCode, Failure};
use super::inputs::{self, TokenText};
use super::live;
use super::output::print;
use crate::app::build::key_stores::key_store;
use crate::authorize::{ClientIdentity, Policy};
use crate::clock;
use crate::config::settings::Name;
use crate::credentials::{AccessKeyId, ActiveKey, Misfit, SignatureMethod, misfits};
use crate::query::{FormLimits, QueryForm, Reader};
use crate::signing::{
    Dialect, Profile, ProfileError, RequestTimestamp, SignedHead, SignedRequest, SigningTarget, Stamp, Unsealed,
    prepare,
};

/// What says that endpoint and key come from the configuration.
const CONFIGURED: [&str; 2] = ["config", "route"];

/// Arguments of `countersign sign`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("file").arg("config").requires("route")))]
#[command(after_help = "\
The secret access key is read from the environment variable AWS_SECRET_ACCESS_KEY.

  echo 'Action=ListJobs&Version=2010-06-01' | countersign sign \\
    --endpoint https://importexport.amazonaws.com \\
    --access-key-id AKIAIOSFODNN7EXAMPLE")]
pub(crate) struct Arguments {
    /// The endpoint that is to verify the form
    #[arg(long, value_name = "URL", value_parser = SigningTarget::from_url)]
    #[arg(required_unless_present_any = CONFIGURED, conflicts_with_all = CONFIGURED)]
    endpoint: Option<SigningTarget>,
    /// The public half of the access key
    #[arg(long, value_name = "ID", value_parser = access_key_id)]
    #[arg(required_unless_present_any = CONFIGURED, conflicts_with_all = CONFIGURED)]
    access_key_id: Option<AccessKeyId>,
    /// The token of temporary credentials; better given as AWS_SESSION_TOKEN, which no list of processes shows
    #[arg(long, value_name = "TOKEN", conflicts_with_all = CONFIGURED)]
    session_token: Option<TokenText>,
    /// How the endpoint's cloud signs
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser(), default_value = "aws-v2")]
    #[arg(conflicts_with_all = CONFIGURED)]
    dialect: Dialect,
    /// HmacSHA256 (the default) or HmacSHA1, where the dialect has a choice
    #[arg(long, value_name = "METHOD", value_parser = method, conflicts_with_all = CONFIGURED)]
    method: Option<SignatureMethod>,
    /// The region to sign for, with aws-v4 and volcengine
    #[arg(long, value_name = "REGION", conflicts_with_all = CONFIGURED)]
    region: Option<String>,
    /// The service to sign for, with aws-v4 and volcengine
    #[arg(long, value_name = "SERVICE", conflicts_with_all = CONFIGURED)]
    service: Option<String>,
    /// Sign for this time instead of now; where the dialect has milliseconds, it is written as given
    #[arg(long, value_name = "ISO8601", value_parser = timestamp)]
    timestamp: Option<RequestTimestamp>,
    /// What no other request has, instead of a random text; with aws-v4, a field of the head is signed that has it
    #[arg(long, value_name = "TEXT", value_parser = nonce, conflicts_with_all = CONFIGURED)]
    nonce: Option<String>,
    /// For how long the request is good, in seconds, with cloudstack [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    #[arg(conflicts_with_all = CONFIGURED)]
    expires: Option<u32>,
    #[command(flatten)]
    config: ConfigFile,
    /// Sign for this route: take endpoint, method and key from the configuration
    #[arg(long, value_name = "NAME", value_parser = route_name)]
    route: Option<Name>,
    /// Print the fields of the head that the signer writes, one a line, and an empty line before the form
    #[arg(long)]
    headers: bool,
    /// Print the stages of signing on standard error: the canonical query string, or with aws-v4 the canonical request,
    /// and the string to sign
    #[arg(long)]
    explain: bool,
}

/// Everything that a signature depends on, beside the form and the time.
struct Signer {
    target: SigningTarget,
    profile: Profile,
    key: ActiveKey,
    limits: FormLimits,
    /// A route signs what its policy can judge.
    reader: Reader,
}

/// Signs the form on standard input.
///
/// # Errors
/// The form cannot be signed ([`ExitCode::Data`]); a secret, key or configuration is missing or unusable
/// ([`ExitCode::Configuration`]); the key is missing, has expired, or its signer does not sign
/// ([`ExitCode::KeyStoreUnavailable`]).
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let signer = match &arguments.route {
        Some(route) => from_configuration(&arguments.config, route)?,
        None => from_arguments(arguments)?,
    };
    let body = inputs::form()?;
    let vocabulary = signer.profile.dialect().vocabulary();
    let form = QueryForm::parse_as(vocabulary, signer.reader, &body, signer.limits)
        .map_err(|error| Failure::because(ExitCode::Data, &error))?;
    // the user of this command has the key: no Action has to be refused
    let allowed = Policy::AnyLocal
        .authorize(&ClientIdentity::AnyLocal, "", form)
        .map_err(|denied| Failure::because(ExitCode::Data, &denied))?;
    let unsealed =
        prepare(&allowed, &signer.key, &signer.target, &signer.profile, &stamp(arguments, signer.profile.dialect()));
    if arguments.explain {
        explain(&unsealed)
            .map_err(|error| Failure::new(ExitCode::System, format!("standard error cannot be written: {error}")))?;
    }
    let mac = live::mac(&signer.key, unsealed.key(), unsealed.string_to_sign())?;
    let request = unsealed.seal(&mac);
    let mut output = Vec::new();
    if arguments.headers {
        write_fields(&request, &mut output);
    }
    output.extend_from_slice(request.body());
    output.push(b'\n');
    print(&output)
}

/// `name: value`, each on a line of its own, and an empty line.
fn write_fields(request: &SignedRequest, output: &mut Vec<u8>) {
    for (name, value) in request.head().into_iter().flat_map(SignedHead::fields) {
        output.extend_from_slice(name.as_bytes());
        output.extend_from_slice(b": ");
        output.extend_from_slice(value);
        output.push(b'\n');
    }
    output.push(b'\n');
}

fn stamp(arguments: &Arguments, dialect: Dialect) -> Stamp {
    let time = arguments.timestamp.clone().unwrap_or_else(|| RequestTimestamp::at(clock::now()));
    let is_needed = dialect.has_nonce();
    let nonce = arguments.nonce.clone().or_else(|| is_needed.then(|| dialect.nonce(Uuid::new_v4().into_bytes())));
    let lifetime = arguments.expires.map_or(Stamp::LIFETIME, |seconds| Duration::from_secs(seconds.into()));
    Stamp { time, nonce, lifetime }
}

fn from_arguments(arguments: &Arguments) -> Result<Signer, Failure> {
    let (Some(target), Some(id)) = (&arguments.endpoint, &arguments.access_key_id) else {
        return Err(Failure::new(ExitCode::Bug, "neither --route nor --endpoint and --access-key-id"));
    };
    let Arguments { dialect, method, region, service, .. } = arguments;
    let usage = |error: ProfileError| Failure::because(ExitCode::Configuration, &error);
    let profile = Profile::new(*dialect, *method, region.as_deref(), service.as_deref()).map_err(usage)?;
    profile.check_target(target).map_err(usage)?;
    let key: ActiveKey = inputs::key(id.clone(), arguments.session_token.as_ref())?.into();
    if key.session_token().is_some() && !dialect.takes_token() {
        let message = format!(
            "the key has a session token, and requests of {} have no place for one: leave --session-token away, and \
             unset AWS_SESSION_TOKEN",
            dialect.as_str()
        );
        return Err(Failure::new(ExitCode::Configuration, message));
    }
    Ok(Signer { target: target.clone(), profile, key, limits: FormLimits::DEFAULT, reader: Reader::KeyHolder })
}

/// The endpoint, profile and key of a configured route; the key is loaded from its store as for `run`.
fn from_configuration(config: &ConfigFile, route: &Name) -> Result<Signer, Failure> {
    let found = config.find()?;
    let (settings, _) = live::read(&found).settings?;
    let known = |what: &str| {
        let file = found.path().map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
        Failure::new(ExitCode::Configuration, format!("{file}: there is no {what} for the route `{route}`"))
    };
    let route = settings.routes.iter().find(|candidate| candidate.name == *route).ok_or_else(|| known("table"))?;
    let key = settings.keys.iter().find(|candidate| candidate.name == route.key).ok_or_else(|| known("key"))?;
    let key = key_store(key, live::credentials_directory().as_deref())?.load()?;
    if key.is_expired(clock::now()) {
        return Err(Failure::new(ExitCode::KeyStoreUnavailable, format!("the key {} has expired", key.id())));
    }
    let target = SigningTarget { host: route.endpoint.authority(), path: route.endpoint.path.clone() };
    let profile = route.profile.signing.clone();
    // that it does not compute the MAC is told by the attempt
    let misfits = misfits(&key, &[profile.needs(route.name.as_str())]);
    if let Some(misfit @ Misfit::Token { .. }) = misfits.first() {
        return Err(Failure::because(ExitCode::Configuration, misfit));
    }
    Ok(Signer { target, profile, key, limits: route.limits.form, reader: Reader::Policy })
}

fn explain(unsealed: &Unsealed) -> std::io::Result<()> {
    let mut output = std::io::stderr().lock();
    let first = match unsealed.canonical_request() {
        Some(request) => ("canonical request", request),
        None => ("canonical query string", unsealed.canonical_query_string()),
    };
    for (title, text) in [first, ("string to sign", unsealed.string_to_sign())] {
        writeln!(output, "{title}:")?;
        output.write_all(text)?;
        output.write_all(b"\n\n")?;
    }
    Ok(())
}

fn access_key_id(text: &str) -> Result<AccessKeyId, &'static str> {
    AccessKeyId::parse(text).ok_or("an access key id is 1 to 256 bytes without control characters")
}

pub(in crate::cli) fn dialect_parser() -> impl TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(Dialect::ALL.map(Dialect::as_str))
        .try_map(|word| Dialect::named(&word).ok_or("there is no such dialect"))
}

fn nonce(text: &str) -> Result<String, &'static str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let fits = is_plain && (1..=64).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or("a nonce is 1 to 64 ASCII letters, digits and `-`")
}

fn method(text: &str) -> Result<SignatureMethod, &'static str> {
    [SignatureMethod::HmacSha256, SignatureMethod::HmacSha1]
        .into_iter()
        .find(|method| method.as_str() == text)
        .ok_or("the methods are HmacSHA256 and HmacSHA1")
}

pub(super) fn timestamp(text: &str) -> Result<RequestTimestamp, &'static str> {
    RequestTimestamp::parse(text).ok_or("a time looks like 2011-06-20T22:30:59.556Z")
}

fn route_name(text: &str) -> Result<Name, &'static str> {
    Name::parse(text).ok_or("the name of a route is 1 to 64 of a-z 0-9 _ -")
}

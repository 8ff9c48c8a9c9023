//! `countersign sign`: reads an unsigned form and prints the signed form. Nothing is sent.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::{ExitCode, Failure};
use super::inputs::{self, TokenText};
use super::live;
use super::output::print;
use crate::app::build::key_stores::key_store;
use crate::authorize::{ClientIdentity, Policy};
use crate::clock;
use crate::config::settings::Name;
use crate::credentials::{AccessKeyId, ActiveKey, SignatureMethod};
use crate::query::{FormLimits, QueryForm};
use crate::signing::{Profile, RequestTimestamp, SigningTarget, Unsealed, prepare};

/// Arguments of `countersign sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
The secret access key is read from the environment variable AWS_SECRET_ACCESS_KEY.

  echo 'Action=ListJobs&Version=2010-06-01' | countersign sign \\
    --endpoint https://importexport.amazonaws.com --access-key-id AKIAIOSFODNN7EXAMPLE")]
pub(crate) struct Arguments {
    /// The endpoint that is to verify the form
    #[arg(long, value_name = "URL", value_parser = SigningTarget::from_url)]
    #[arg(required_unless_present = "config", conflicts_with = "config")]
    endpoint: Option<SigningTarget>,
    /// The public half of the access key
    #[arg(long, value_name = "ID", value_parser = access_key_id)]
    #[arg(required_unless_present = "config", conflicts_with = "config")]
    access_key_id: Option<AccessKeyId>,
    /// The token of temporary credentials; better given as AWS_SESSION_TOKEN, which no list of processes shows
    #[arg(long, value_name = "TOKEN", conflicts_with = "config")]
    session_token: Option<TokenText>,
    /// HmacSHA256 (the default) or HmacSHA1
    #[arg(long, value_name = "METHOD", value_parser = method, conflicts_with = "config")]
    method: Option<SignatureMethod>,
    /// Sign for this time, written as given, instead of now
    #[arg(long, value_name = "ISO8601", value_parser = timestamp)]
    timestamp: Option<RequestTimestamp>,
    /// Take endpoint, method and key from this configuration
    #[arg(long, value_name = "FILE", requires = "route")]
    config: Option<PathBuf>,
    /// The route of the configuration to sign for
    #[arg(long, value_name = "NAME", value_parser = route_name, requires = "config")]
    route: Option<Name>,
    /// Print the canonical query string and the string to sign on standard error
    #[arg(long)]
    explain: bool,
}

/// Everything that a signature depends on, beside the form and the time.
struct Signer {
    target: SigningTarget,
    profile: Profile,
    key: ActiveKey,
    limits: FormLimits,
}

/// Signs the form on standard input.
///
/// # Errors
/// The form cannot be signed ([`ExitCode::Data`]); a secret, key or configuration is missing or unusable
/// ([`ExitCode::Configuration`]); the key is missing, has expired, or its signer does not sign
/// ([`ExitCode::KeyStoreUnavailable`]).
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let signer = match arguments.config.as_ref().zip(arguments.route.as_ref()) {
        Some((file, route)) => from_configuration(file, route)?,
        None => from_arguments(arguments)?,
    };
    let body = inputs::form()?;
    let form = QueryForm::parse(&body, signer.limits).map_err(|error| Failure::because(ExitCode::Data, &error))?;
    // the user of this command has the key: no Action has to be refused
    let allowed = Policy::AnyLocal
        .authorize(&ClientIdentity::AnyLocal, "", form)
        .map_err(|denied| Failure::because(ExitCode::Data, &denied))?;
    let timestamp = arguments.timestamp.clone().unwrap_or_else(|| RequestTimestamp::at(clock::now()));
    let unsealed = prepare(&allowed, &signer.key, &signer.target, signer.profile, &timestamp);
    if arguments.explain {
        explain(&unsealed)
            .map_err(|error| Failure::new(ExitCode::System, format!("standard error cannot be written: {error}")))?;
    }
    let mac = live::mac(&signer.key, unsealed.method(), unsealed.string_to_sign())?;
    let mut line = unsealed.seal(&mac).into_body().to_vec();
    line.push(b'\n');
    print(&line)
}

fn from_arguments(arguments: &Arguments) -> Result<Signer, Failure> {
    let (Some(target), Some(id)) = (&arguments.endpoint, &arguments.access_key_id) else {
        return Err(Failure::new(ExitCode::Bug, "neither --config nor --endpoint and --access-key-id"));
    };
    let signature_method = arguments.method.unwrap_or(SignatureMethod::HmacSha256);
    Ok(Signer {
        target: target.clone(),
        profile: Profile { signature_method },
        key: inputs::key(id.clone(), arguments.session_token.as_ref())?.into(),
        limits: FormLimits::DEFAULT,
    })
}

/// The endpoint, profile and key of a configured route; the key is loaded from its store as for `run`.
fn from_configuration(file: &Path, route: &Name) -> Result<Signer, Failure> {
    let settings = live::settings(Some(file))?;
    let known = |what: &str| {
        Failure::new(ExitCode::Configuration, format!("{}: there is no {what} for the route `{route}`", file.display()))
    };
    let route = settings.routes.iter().find(|candidate| candidate.name == *route).ok_or_else(|| known("table"))?;
    let key = settings.keys.iter().find(|candidate| candidate.name == route.key).ok_or_else(|| known("key"))?;
    let key = key_store(key, live::credentials_directory().as_deref())?.load()?;
    if key.is_expired(clock::now()) {
        return Err(Failure::new(ExitCode::KeyStoreUnavailable, format!("the key {} has expired", key.id())));
    }
    let target = SigningTarget { host: route.endpoint.authority(), path: route.endpoint.path.clone() };
    let profile = Profile { signature_method: route.profile.signature_method };
    Ok(Signer { target, profile, key, limits: route.limits.form })
}

fn explain(unsealed: &Unsealed) -> std::io::Result<()> {
    let mut output = std::io::stderr().lock();
    for (title, text) in
        [("canonical query string", unsealed.canonical_query_string()), ("string to sign", unsealed.string_to_sign())]
    {
        writeln!(output, "{title}:")?;
        output.write_all(text)?;
        output.write_all(b"\n\n")?;
    }
    Ok(())
}

fn access_key_id(text: &str) -> Result<AccessKeyId, &'static str> {
    AccessKeyId::parse(text).ok_or("an access key id is 1 to 256 bytes without control characters")
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

//! `countersign keys test`: has configured keys sign something, and prints which store signed and how fast.

use std::borrow::Cow;
use std::time::Instant;

use clap::Args;

use super::dialects::dialects;
use super::expiry::expiry;
use crate::app::build::key_stores::key_store;
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::live;
use crate::cli::output::print;
use crate::config::settings::{Key, Name, Settings};
use crate::credentials::{SignatureMethod, misfits};
use crate::signing::{Dialect, Profile, RequestTimestamp};
use crate::{clock, confine};

/// What is signed. It cannot be the string to sign of a request, which begins with a method and a line break.
const PROBE: &[u8] = b"countersign keys test";

/// Arguments of `countersign keys test`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The key's name, as in [key.NAME]; without it, every key
    #[arg(long, value_name = "NAME", value_parser = name)]
    key: Option<Name>,
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).ok_or_else(|| "not a name: 1 to 64 of a-z, 0-9, `_` and `-`".to_owned())
}

/// Runs the command. Keys are loaded as `run` loads them, in a process of their own where a store needs one.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = live::settings(&arguments.config)?;
    confine::keep_private().map_err(|error| Failure::because(ExitCode::System, &error))?;
    let wanted = |key: &&Key| arguments.key.as_ref().is_none_or(|name| *name == key.name);
    let keys: Vec<&Key> = settings.keys.iter().filter(wanted).collect();
    if let Some(name) = arguments.key.as_ref().filter(|_| keys.is_empty()) {
        return Err(Failure::new(ExitCode::Configuration, format!("there is no [key.{name}] in the configuration")));
    }
    let mut failures = Vec::new();
    for key in keys {
        if let Err(failure) = test(key, &settings) {
            failures.push(Failure::new(failure.code, format!("key.{}: {}", key.name, failure.message)));
        }
    }
    let messages: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    let message = messages.join("\n");
    failures.first().map_or(Ok(()), |first| Err(Failure::new(first.code, message)))
}

fn test(key: &Key, settings: &Settings) -> Result<(), Failure> {
    let store = key_store(key, live::credentials_directory().as_deref())?;
    print(format!("key {}: {}\n", key.name, store.describe()).as_bytes())?;
    let asked = Instant::now();
    let active = store.load()?;
    let now = clock::now();
    let text = format!("  loaded in {}: {}, {}\n", milliseconds(asked), active.id(), expiry(active.expiration(), now));
    print(text.as_bytes())?;
    let profiles = profiles(key, settings);
    for (route, profile) in &profiles {
        if let Some(route) = route
            && let Some(misfit) = misfits(&active, &[profile.needs(route.as_str())]).into_iter().next()
        {
            return Err(Failure::because(ExitCode::Configuration, &misfit));
        }
        let used = profile.key_use(&RequestTimestamp::at(now));
        let asked = Instant::now();
        let _signature = live::mac(&active, &used, PROBE)?;
        let method = profile.signature_method().as_str();
        let dialect = profile.dialect().as_str();
        print(format!("  signed with {method} in {} ({dialect})\n", milliseconds(asked)).as_bytes())?;
    }
    let computes =
        |dialect: Dialect| dialect.mac_keys().into_iter().any(|wanted| active.signing_key().check(wanted).is_ok());
    print(format!("  signs for {}\n", dialects(active.session_token(), computes)).as_bytes())?;
    if active.is_expired(now) {
        return Err(Failure::new(ExitCode::KeyStoreUnavailable, "the key has expired: requests are answered with 503"));
    }
    Ok(())
}

/// How the routes of a key sign, each way once, with the first of the routes; without a route, the default one.
fn profiles<'s>(key: &Key, settings: &'s Settings) -> Vec<(Option<&'s Name>, Cow<'s, Profile>)> {
    let mut profiles: Vec<(Option<&Name>, Cow<'_, Profile>)> = Vec::new();
    for route in settings.routes.iter().filter(|route| route.key == key.name) {
        let profile = &route.profile.signing;
        if !profiles.iter().any(|(_, known)| **known == *profile) {
            profiles.push((Some(&route.name), Cow::Borrowed(profile)));
        }
    }
    if profiles.is_empty() {
        profiles.push((None, Cow::Owned(Profile::aws_v2(SignatureMethod::HmacSha256))));
    }
    profiles
}

fn milliseconds(since: Instant) -> String {
    format!("{:.3} ms", since.elapsed().as_secs_f64() * 1000.0)
}

//! `countersign keys test`: has configured keys sign something, and prints which store signed and how fast.

use std::borrow::Cow;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::dialects::dialects;
use super::expiry::Expiry;
use crate::app::build::key_stores::key_store;
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::{ExitCode, Failure, FaultLine};
use crate::cli::format::{Format, FormatOption, Outcome, print_json};
use crate::cli::live;
use crate::cli::output::print;
use crate::cli::progress;
use crate::config::settings::{Key, Name, Route, RouteEndpoint, Settings};
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
    #[command(flatten)]
    output: FormatOption,
}

/// What came of it: `docs/reference/schemas/keys-test.schema.json`.
#[derive(Debug, Default, Serialize)]
struct Tests {
    keys: Vec<Tested>,
}

/// A key, as far as its test came.
#[derive(Debug, Serialize)]
struct Tested {
    name: String,
    /// Which store it is, and where.
    store: Option<String>,
    loaded: Option<Loaded>,
    signatures: Vec<Signature>,
    /// What requests it can sign; `None` when the test ended before that was asked.
    dialects: Option<Vec<&'static str>>,
    /// Why it cannot be used.
    fault: Option<String>,
}

#[derive(Debug, Serialize)]
struct Loaded {
    id: String,
    milliseconds: f64,
    #[serde(flatten)]
    expiry: Expiry,
}

#[derive(Debug, Serialize)]
struct Signature {
    method: &'static str,
    dialect: &'static str,
    /// The table of the endpoint whose requests are signed like this; `None` where no route has the key.
    table: Option<String>,
    milliseconds: f64,
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).ok_or_else(|| "not a name: 1 to 64 of a-z, 0-9, `_` and `-`".to_owned())
}

/// Runs the command. Keys are loaded as `run` loads them, in a process of their own where a store needs one.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut tests = Tests::default();
    let ended = test_all(arguments, &mut tests);
    match arguments.output.format {
        Format::Json => print_json(Outcome::of(&ended), &tests, &ended),
        Format::Text => {}
    }
    ended
}

fn test_all(arguments: &Arguments, tests: &mut Tests) -> Result<(), Failure> {
    let settings = live::settings(&arguments.config)?;
    confine::keep_private().map_err(|error| Failure::because(ExitCode::System, &error))?;
    let wanted = |key: &&Key| arguments.key.as_ref().is_none_or(|name| *name == key.name);
    let keys: Vec<&Key> = settings.keys.iter().filter(wanted).collect();
    if let Some(name) = arguments.key.as_ref().filter(|_| keys.is_empty()) {
        return Err(Failure::new(ExitCode::Configuration, format!("there is no [key.{name}] in the configuration")));
    }
    let mut failures = Vec::new();
    for key in keys {
        let mut tested = Tested::new(&key.name);
        if let Err(failure) = tested.test(key, &settings, arguments.output.format) {
            tested.fault = Some(failure.message.clone());
            failures.push((key, failure));
        }
        tests.keys.push(tested);
    }
    let Some(code) = failures.first().map(|(_, failure)| failure.code) else { return Ok(()) };
    let faults = failures.iter().map(|(key, failure)| FaultLine {
        place: None,
        path: Some(format!("key.{}", key.name)),
        message: failure.message.clone(),
    });
    let messages: Vec<_> =
        failures.iter().map(|(key, failure)| format!("key.{}: {}", key.name, failure.message)).collect();
    Err(Failure::new(code, messages.join("\n")).with(faults.collect()))
}

impl Tested {
    fn new(name: &Name) -> Self {
        let name = name.to_string();
        Self { name, store: None, loaded: None, signatures: Vec::new(), dialects: None, fault: None }
    }

    /// Loads the key and has it sign. Each step is printed at once, because a device may take its time.
    fn test(&mut self, key: &Key, settings: &Settings, format: Format) -> Result<(), Failure> {
        let say = |text: String| match format {
            Format::Text => print(text.as_bytes()),
            Format::Json => Ok(()),
        };
        let store = key_store(key, live::credentials_directory().as_deref())?;
        self.store = Some(store.describe());
        say(format!("key {}: {}\n", key.name, store.describe()))?;
        let asked = Instant::now();
        let active = progress::shown(|| store.load())?;
        let (now, milliseconds) = (clock::now(), milliseconds(asked));
        let (id, expiry) = (active.id().to_string(), Expiry::of(active.expiration(), now));
        say(format!("  loaded in {milliseconds:.3} ms: {id}, {}\n", expiry.text()))?;
        self.loaded = Some(Loaded { id, milliseconds, expiry });
        for (endpoint, profile) in &profiles(key, settings) {
            if let Some(endpoint) = endpoint
                && let Some(misfit) =
                    misfits(&active, &[profile.needs(endpoint.route.name.as_str())]).into_iter().next()
            {
                return Err(Failure::because(ExitCode::Configuration, &misfit));
            }
            let used = profile.key_use(&RequestTimestamp::at(now));
            let asked = Instant::now();
            let wait = format!("key.{} to sign", key.name);
            let _signature = progress::shown_for(wait, || live::mac(&active, &used, PROBE))?;
            let signature = Signature {
                method: profile.signature_method().as_str(),
                dialect: profile.dialect().as_str(),
                table: endpoint.as_ref().map(RouteEndpoint::table),
                milliseconds: self::milliseconds(asked),
            };
            let Signature { method, dialect, table, milliseconds } = &signature;
            let table = table.as_ref().map_or_else(String::new, |table| format!(", {table}"));
            say(format!("  signed with {method} in {milliseconds:.3} ms ({dialect}{table})\n"))?;
            self.signatures.push(signature);
        }
        let computes =
            |dialect: Dialect| dialect.mac_keys().into_iter().any(|wanted| active.signing_key().check(wanted).is_ok());
        let dialects = dialects(active.session_token(), computes);
        say(format!("  signs for {}\n", dialects.join(", ")))?;
        self.dialects = Some(dialects);
        if expiry.expired {
            let message = "the key has expired: requests are answered with 503";
            return Err(Failure::new(ExitCode::KeyStoreUnavailable, message));
        }
        Ok(())
    }
}

/// How the endpoints of a key's routes are signed for, each way once, with the first of these endpoints; without a
/// route, the default way.
fn profiles<'s>(key: &Key, settings: &'s Settings) -> Vec<(Option<RouteEndpoint<'s>>, Cow<'s, Profile>)> {
    let mut profiles: Vec<(Option<RouteEndpoint<'_>>, Cow<'_, Profile>)> = Vec::new();
    let routes = settings.routes.iter().filter(|route| route.key == key.name);
    for endpoint in routes.flat_map(Route::endpoints) {
        if !profiles.iter().any(|(_, known)| **known == *endpoint.signing) {
            profiles.push((Some(endpoint), Cow::Borrowed(endpoint.signing)));
        }
    }
    if profiles.is_empty() {
        profiles.push((None, Cow::Owned(Profile::aws_v2(SignatureMethod::HmacSha256))));
    }
    profiles
}

/// Milliseconds since then, to the microsecond.
fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1_000_000.0).round() / 1000.0
}

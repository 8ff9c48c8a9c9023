//! `countersign sandbox`: serves an endpoint that verifies signatures, until SIGINT or SIGTERM.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::{SignedDuration, Timestamp};
use tempfile::NamedTempFile;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{ExitCode, Failure};
use super::{first_process, sandbox_keys, sign};
use crate::clock;
use crate::credentials::{Credentials, HeldKey};
use crate::sandbox::{
    self, Authority, Cloud, Configuration, Identity, Observation, Running, Shape, Sighting, StartError, Transport,
};
use crate::signing::verify::{Verifier, VerifyingKey};
use crate::signing::{Dialect, Profile, RequestTimestamp};

/// Arguments of `countersign sandbox`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,

    /// Accept any operation, and answer with the parameters, instead of playing AWS Import/Export
    #[arg(long)]
    any_action: bool,

    /// Verify, refuse and answer as this cloud's servers do; needs --any-action
    #[arg(long, value_name = "DIALECT", value_parser = sign::dialect_parser(), default_value = "aws-v2")]
    dialect: Dialect,

    /// The region for which requests have to be signed, with aws-v4
    #[arg(long, value_name = "REGION", requires = "any_action")]
    region: Option<String>,

    /// The service for which requests have to be signed, with aws-v4
    #[arg(long, value_name = "SERVICE", requires = "any_action")]
    service: Option<String>,

    /// Refuse in AWS's `query` or `ec2` documents, with aws-v2 and aws-v4 [default: query]
    #[arg(long, value_name = "SHAPE", value_parser = shape_parser(), requires = "any_action")]
    errors: Option<Shape>,

    /// Have a clock that is so many seconds ahead of the system's, or behind it, to see what clients make of it
    #[arg(long, value_name = "SECONDS", requires = "any_action", allow_negative_numbers = true, default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(i32).range(-A_YEAR..=A_YEAR))]
    clock_offset: i32,

    /// Serve HTTP without TLS
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key", "tls_name", "ca_out"])]
    plain: bool,

    /// PEM certificate chain to serve; without it one is made, with an authority of its own
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with_all = ["tls_name", "ca_out"])]
    tls_cert: Option<PathBuf>,

    /// PEM private key of --tls-cert
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Another host name for the certificate that is made, besides localhost and the address; repeatable
    #[arg(long, value_name = "HOST")]
    tls_name: Vec<String>,

    /// Where to write the authority's certificate; without it, a temporary file
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,

    /// Accept this access key; its secret is read from AWS_SECRET_ACCESS_KEY, a token from AWS_SESSION_TOKEN
    #[arg(long, value_name = "ID")]
    access_key_id: Option<String>,

    /// Accept the access key in this file (the JSON a credential_process prints); repeatable
    #[arg(long, value_name = "FILE")]
    credentials: Vec<PathBuf>,
}

/// The longest offset of a clock, in seconds.
const A_YEAR: i64 = 366 * 24 * 60 * 60;

fn shape_parser() -> impl TypedValueParser<Value = Shape> {
    PossibleValuesParser::new(Shape::WORDS.map(|(word, _)| word)).try_map(|given| {
        let known = Shape::WORDS.into_iter().find(|(word, _)| *word == given);
        known.map(|(_, shape)| shape).ok_or("there is no such shape")
    })
}

/// What clients need to trust the endpoint.
enum Trust {
    /// Nothing: the endpoint does not use TLS.
    None,
    /// The authority of the given certificate.
    Given,
    /// The generated authority, in this file.
    Generated(PathBuf),
    /// The generated authority, in a file that is removed when the process ends.
    Temporary(NamedTempFile),
}

/// Runs the command.
///
/// # Errors
/// Keys or certificates cannot be used ([`ExitCode::Configuration`]); the address cannot be bound
/// ([`ExitCode::System`]).
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (keys, source) = sandbox_keys::gather(arguments.access_key_id.as_deref(), &arguments.credentials)?;
    let ids: Vec<String> = keys.iter().map(|key| key.access_key_id.to_string()).collect();
    let start = endpoint(arguments, keys)?;
    let (transport, trust) = transport(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| system(&e))?;
    runtime.block_on(async {
        // before the address is printed: its reader may send a signal at once
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| system(&e))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| system(&e))?;
        first_process::leave_signals_to_command();
        let running = start(arguments.listen, transport).map_err(|e| not_started(&e))?;
        announce(&running, &trust, &ids, source).map_err(|e| system(&e))?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        running.stop();
        Ok(())
    })
}

/// Starts an endpoint.
type Start = Box<dyn FnOnce(SocketAddr, Transport) -> Result<Running, StartError>>;

/// Which endpoint the arguments ask for.
fn endpoint(arguments: &Arguments, keys: Vec<Credentials>) -> Result<Start, Failure> {
    let dialect = arguments.dialect;
    let usage = |message: String| Err(Failure::new(ExitCode::Configuration, message));
    if !arguments.any_action {
        if dialect != Dialect::AwsV2 {
            return usage(format!(
                "AWS Import/Export is signed with aws-v2 only: add --any-action to serve {}",
                dialect.as_str()
            ));
        }
        let keys = keys.into_iter().map(HeldKey::new).collect();
        return Ok(Box::new(|address, transport| {
            sandbox::start(Configuration { address, transport, keys, pacing: None }, Some(Box::new(log)))
        }));
    }
    if matches!(dialect, Dialect::AlibabaAcs3 | Dialect::Volcengine) {
        return usage(format!(
            "nobody has verified how servers of {} take forms, so the sandbox does not play one: `countersign verify \
             --dialect` checks signatures",
            dialect.as_str()
        ));
    }
    let (region, service) = (arguments.region.as_deref(), arguments.service.as_deref());
    // the same words as where a form is signed
    Profile::new(dialect, None, region, service).map_err(|error| Failure::because(ExitCode::Configuration, &error))?;
    let shape = match (arguments.errors, Shape::of(dialect)) {
        (None, shape) | (Some(shape), Shape::Query) => shape,
        (Some(_), _) => return usage(format!("--errors has no choice with {}", dialect.as_str())),
    };
    let cloud = Cloud {
        verifier: Verifier::new(dialect, region, service),
        shape,
        keys: keys.iter().map(VerifyingKey::new).collect(),
        clock_offset: SignedDuration::from_secs(arguments.clock_offset.into()),
    };
    Ok(Box::new(|address, transport| {
        sandbox::start_any_action(address, transport, cloud, Some(Box::new(log_sighting)))
    }))
}

fn system(error: &dyn std::error::Error) -> Failure {
    Failure::because(ExitCode::System, error)
}

fn not_started(error: &StartError) -> Failure {
    let code = match error {
        StartError::DuplicateKey => ExitCode::Configuration,
        StartError::Listen { .. } | StartError::Thread(_) => ExitCode::System,
    };
    Failure::because(code, error)
}

fn transport(arguments: &Arguments) -> Result<(Transport, Trust), Failure> {
    if arguments.plain {
        return Ok((Transport::Plain, Trust::None));
    }
    let unusable = |error| Failure::because(ExitCode::Data, &error);
    let no_identity = |error| Failure::because(ExitCode::Configuration, &error);
    if let (Some(chain), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        let identity = Identity::from_pem(&read(chain)?, &read(key)?).map_err(no_identity)?;
        return Ok((Transport::Tls(identity), Trust::Given));
    }
    let authority = Authority::generate(clock::now()).map_err(unusable)?;
    let address = arguments.listen.ip().to_string();
    let mut names = vec!["localhost", "127.0.0.1", "::1"];
    names.extend(arguments.tls_name.iter().map(String::as_str));
    if !names.contains(&address.as_str()) && !arguments.listen.ip().is_unspecified() {
        names.push(&address);
    }
    let identity = authority.issue(&names).map_err(unusable)?;
    let trust = publish(&authority, arguments.ca_out.as_deref()).map_err(|e| system(&e))?;
    Ok((Transport::Tls(identity), trust))
}

fn publish(authority: &Authority, path: Option<&Path>) -> Result<Trust, std::io::Error> {
    if let Some(path) = path {
        std::fs::write(path, authority.pem())?;
        return Ok(Trust::Generated(std::path::absolute(path)?));
    }
    let mut file = tempfile::Builder::new().prefix("countersign-sandbox-ca-").suffix(".pem").tempfile()?;
    file.write_all(authority.pem().as_bytes())?;
    Ok(Trust::Temporary(file))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| sandbox_keys::unreadable(path, &error, ExitCode::Configuration))
}

/// The first line is for programs that start the sandbox and wait for it; the last ones are for a configuration file.
fn announce(running: &Running, trust: &Trust, ids: &[String], source: &str) -> std::io::Result<()> {
    let scheme = match trust {
        Trust::None => "http",
        Trust::Given | Trust::Generated(_) | Trust::Temporary(_) => "https",
    };
    let url = format!("{scheme}://{}", reachable(running.address()));
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {url}")?;
    writeln!(out, "access key {} ({source})", ids.join(", "))?;
    writeln!(out, "\n# for a route of countersign's configuration:\nendpoint = {}", quoted(&url))?;
    match trust {
        Trust::None | Trust::Given => {}
        Trust::Generated(path) => writeln!(out, "ca_file = {}", quoted(&path.display().to_string()))?,
        Trust::Temporary(file) => {
            let path = quoted(&file.path().display().to_string());
            writeln!(out, "ca_file = {path} # removed when the sandbox ends; --ca-out keeps it")?;
        }
    }
    out.flush()
}

/// The address for clients on this machine: nothing can connect to the unspecified address.
fn reachable(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        ip if ip.is_unspecified() => format!("localhost:{port}"),
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn log(seen: &Observation) {
    let refusal = seen.refusal.as_ref().map(|refusal| format!("{}: {refusal}", refusal.code()));
    let [action, id] = ["Action", "AWSAccessKeyId"].map(|name| seen.parameter(name));
    line(seen.time, [action, id], seen.status(), refusal);
}

fn log_sighting(seen: &Sighting) {
    line(seen.time, [seen.operation.as_deref(), seen.key_id.as_deref()], seen.status, seen.refusal.clone());
}

/// One line per request: time, operation, access key id, status, and why it was refused.
fn line(time: Timestamp, of_the_client: [Option<&str>; 2], status: u16, refusal: Option<String>) {
    let time = RequestTimestamp::at(time);
    let [operation, id] = of_the_client.map(shown);
    let refusal = refusal.map(|refusal| format!(" {refusal}")).unwrap_or_default();
    // a closed standard error must not fail the request
    let _best_effort = writeln!(std::io::stderr(), "{time} {operation} {id} {status}{refusal}");
}

/// Text of a client, escaped: it must neither control a terminal nor imitate a line of the log.
fn shown(text: Option<&str>) -> String {
    let text = text.filter(|text| !text.is_empty()).unwrap_or("-");
    text.chars().take(64).flat_map(char::escape_default).map(|c| if c == ' ' { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_on_its_line() {
        assert_eq!(shown(Some("a\r\nb\u{1b}[31m c")), "a\\r\\nb\\u{1b}[31m_c");
        assert_eq!(shown(None), "-");
        assert_eq!(shown(Some(&"x".repeat(100))).len(), 64);
    }

    #[test]
    fn the_url_is_one_that_can_be_connected_to() {
        for (address, expected) in
            [("0.0.0.0:80", "localhost:80"), ("[::1]:80", "[::1]:80"), ("127.0.0.1:80", "127.0.0.1:80")]
        {
            assert_eq!(reachable(address.parse().unwrap()), expected);
        }
    }
}

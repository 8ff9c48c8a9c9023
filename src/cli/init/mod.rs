//! `countersign init`: writes a first configuration, from options or from answers at a terminal.

mod answers;
mod ask;
mod aws_endpoint;
mod next_steps;
mod written;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::answers::Answers;
use super::exit::{ExitCode, Failure};
use super::keys::failures::not_written;
use super::output::print;
use super::sign::dialect_parser;
use crate::config;
use crate::credentials::seal::{Existing, WriteError, write_secret_file};
use crate::signing::Dialect;

const ADVICE: &str = "it is not replaced: move it away, or choose another name with --out";

/// Arguments of `countersign init`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
At a terminal, what no option says is asked for. Elsewhere, and with --yes, it has its default, and only the endpoint \
has none.

  countersign init --service ec2 --region eu-central-1 --callers any-local --yes")]
pub(crate) struct Arguments {
    /// The endpoint's URL, e.g. https://heat.example.org:8000/v1/
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// A service of AWS, e.g. ec2: with --region in place of --endpoint; beside --endpoint, the name to sign for
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// The region of the service, e.g. eu-central-1
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// How the endpoint's cloud signs [default: aws-v4 for services of AWS, but aws-v2 for importexport and sdb]
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser())]
    dialect: Option<Dialect>,
    /// The route's name [default: the service's, or main]
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// How the access key is kept [default: sealed]
    #[arg(long, value_name = "KIND", value_enum)]
    key: Option<KeyKind>,
    /// The key's file, with sealed and file [default: main.age or main.json, beside the configuration]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The age identity that opens the sealed key [default: identity, beside the configuration]
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
    /// The program that prints the key and its arguments, separated by spaces, with process
    #[arg(long, value_name = "COMMAND")]
    key_command: Option<String>,
    /// Where AWS's tools find the key, with aws: environment, profile, web-identity, container, instance [default:
    /// default, the first of these that has one]
    #[arg(long, value_name = "SOURCE")]
    key_source: Option<String>,
    /// Who may call [default: any-local]
    #[arg(long, value_name = "WHO", value_enum)]
    callers: Option<Callers>,
    /// The user id of the client, with uid
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,
    /// The DNS name in the client's certificate, with mtls
    #[arg(long, value_name = "NAME")]
    dns: Option<String>,
    /// Where clients connect: an address and port, or unix:/path [default: 127.0.0.1:8021]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The configuration to write
    #[arg(short, long, value_name = "FILE", default_value = "countersign.toml")]
    out: PathBuf,
    /// Ask nothing: what no option says has its default
    #[arg(short, long)]
    yes: bool,
}

/// How the access key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyKind {
    /// An age file, made by `countersign keys seal`
    Sealed,
    /// A file that something else keeps safe: a Kubernetes or Docker secret
    File,
    /// A program that prints it
    Process,
    /// Where AWS's own tools find it
    Aws,
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Callers {
    /// Every process on this machine that can connect
    AnyLocal,
    /// One user of this machine, by its id
    Uid,
    /// Whoever has a token, which is made now
    Token,
    /// One client with a certificate
    Mtls,
}

/// Runs the command.
///
/// # Errors
/// 65: an option is missing or wrong; 71: the file is there already, or cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let out = &arguments.out;
    if out.symlink_metadata().is_ok() {
        // before anything is asked; the write checks it again
        return Err(not_written(&WriteError::Exists(out.clone()), ADVICE));
    }
    let asks = !arguments.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let arguments = if asks { &ask::complete(arguments.clone())? } else { arguments };
    let answers = Answers::of(arguments)?;
    let token = match answers.callers {
        answers::Caller::Token => Some(written::Token::generate()?),
        answers::Caller::AnyLocal | answers::Caller::Uid(_) | answers::Caller::Certificate(_) => None,
    };
    let text = written::configuration(&answers, token.as_ref());
    // whatever an option had in it: what cannot be loaded is not written
    config::parse(&text, &out.display().to_string(), [])
        .map_err(|error| Failure::new(ExitCode::Data, format!("with these options, {error}")))?;
    let token_file = token.as_ref().map(|_| answers.beside("token"));
    if let (Some(token), Some(file)) = (&token, &token_file) {
        write_secret_file(file, token.text(), Existing::Refuse).map_err(|error| not_written(&error, ADVICE))?;
    }
    written::write_file(out, &text).map_err(|error| not_written(&error, ADVICE))?;
    print(next_steps::text(&answers, token_file.as_deref()).as_bytes())
}

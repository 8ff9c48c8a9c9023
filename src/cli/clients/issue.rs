//! `countersign clients issue`.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use zeroize::Zeroizing;

use crate::cli::exit::{ExitCode, Failure};
use crate::cli::keys::failures::not_written;
use crate::cli::keys::identity_option::IdentityOption;
use crate::cli::keys::recipients;
use crate::cli::output::print;
use crate::config::settings::Name;
use crate::credentials::seal::{Existing, seal, write_secret_file};
use crate::credentials::{document, issued};

const WHAT_IT_PRINTS: &str = "\
Standard output gets the client's environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, with what the \
configuration needs as comments below. The secret is shown only now: afterwards it is in the sealed file alone.";

/// Arguments of `countersign clients issue`.
#[derive(Debug, Args)]
#[command(after_help = WHAT_IT_PRINTS)]
#[command(group(ArgGroup::new("to").required(true).multiple(true).args(["recipient"]).args(IdentityOption::NAMES)))]
pub(super) struct Arguments {
    /// The client's name in the configuration
    #[arg(long, value_name = "NAME")]
    client: String,
    /// The name of the key in the configuration; by default that of the file, without its ending
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The sealed file to write, mode 600
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Seal to this age public key; may be given more than once
    #[arg(short, long, value_name = "AGE1...")]
    recipient: Vec<String>,
    #[command(flatten)]
    identity: IdentityOption,
}

/// Runs the command. There is no `--force`: a client that has the key of the old file would be locked out.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let out = &arguments.out;
    let client = name("--client", &arguments.client)?;
    let of_file = || out.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let key = match &arguments.key {
        Some(key) => name("--key", key)?,
        None => name("the name of the file, which is the key's without --key,", &of_file())?,
    };
    let identity = arguments.identity.path()?;
    let mut recipients = recipients::parse(&arguments.recipient)?;
    if let Some(path) = &identity {
        recipients.extend(recipients::of_identity(path)?);
    }
    let issued = issued::issue().ok_or_else(|| Failure::new(ExitCode::System, "the system has no random bytes"))?;
    let sealed = seal(&document::write(&issued), &recipients)?;
    write_secret_file(out, &sealed, Existing::Refuse)
        .map_err(|error| not_written(&error, "name another file: clients may have several keys at a time"))?;
    // reserved once: growing would leave copies of the secret
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    let mut write = |part: &[u8]| text.extend_from_slice(part);
    write(b"AWS_ACCESS_KEY_ID=");
    write(issued.access_key_id.as_str().as_bytes());
    write(b"\nAWS_SECRET_ACCESS_KEY=");
    write(issued.secret_access_key.expose_secret());
    write(b"\n");
    write(configuration(&client, &key, out, identity.as_deref()).as_bytes());
    print(&text)
}

/// What goes into the configuration.
fn configuration(client: &Name, key: &Name, out: &Path, identity: Option<&Path>) -> String {
    let shown = |path: &Path| path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    let identity = identity.map_or_else(|| "FILE".to_owned(), shown);
    format!(
        "# for the configuration of countersign, beside `authenticate = [\"issued-key\"]` in a [listener.NAME]:\n\
         # [key.{key}]\n# file = \"{}\"\n# identity_file = \"{identity}\"\n# [client.{client}]\n\
         # issued_keys = [\"{key}\"]\n",
        shown(out)
    )
}

fn name(of: &str, text: &str) -> Result<Name, Failure> {
    Name::parse(text).ok_or_else(|| {
        Failure::new(ExitCode::Data, format!("{of} cannot be a name in the configuration: use a-z, 0-9, `-` and `_`"))
    })
}

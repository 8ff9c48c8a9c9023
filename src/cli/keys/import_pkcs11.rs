//! `countersign keys import-pkcs11`.

use std::path::PathBuf;

use clap::Args;

use super::identity_option::IdentityOption;
use super::secret_input::{self, Parts, Wanted};
use crate::app::build::key_stores::agent_inputs::absolute;
use crate::cli::exit::{ExitCode, Failure};
use crate::cli::output::print;
use crate::cli::progress;
use crate::cli::sign::dialect_parser;
use crate::config::token_uri::{self, TokenUri};
use crate::confine;
use crate::credentials::pkcs11::{self, KeyFacts, KeyType, ReadableSecret, TokenAddress, TokenKey};
use crate::credentials::{AccessKeyId, Credentials, KeyForm, MacKey, SealedFile, SignatureMethod, document};
use crate::signing::Dialect;

const HOW_IT_IS_READ: &str = "\
The key is read as by `keys seal`: the secret at a terminal, or on standard input the JSON that a \
credential_process prints or, with --access-key-id, the bare secret. Or it comes from a sealed file.

Dialects differ in what of the secret they sign with. The label of the object says it: that of a \
key for aws-v4 ends with `.aws-v4`, that of one for alibaba-rpc with `.alibaba-rpc`; the endings are \
added to the `object` of the URI. A key without such an ending is the secret itself, and is for all \
other dialects.

The object signs and does nothing else: it cannot be read, wrapped or changed. Keep a sealed copy if \
the token may be lost.";

/// Arguments of `countersign keys import-pkcs11`.
#[derive(Debug, Args)]
#[command(after_help = HOW_IT_IS_READ)]
pub(super) struct Arguments {
    /// The token's PKCS#11 library
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// Token, label and id of the key to be, as a PKCS#11 URI: "pkcs11:token=countersign;object=main;id=%01"
    #[arg(long, value_name = "URI", value_parser = token_uri::parse)]
    uri: TokenUri,
    /// The file with the user's PIN, unless the URI says pin-source=file:...
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
    /// What kind of key the token wants for HMAC
    #[arg(long, value_name = "TYPE", default_value = "generic-secret")]
    #[arg(value_parser = ["generic-secret", "sha256-hmac", "sha1-hmac"])]
    key_type: String,
    /// The dialect that the key is to sign
    #[arg(long, value_name = "DIALECT", value_parser = dialect_parser(), default_value = "aws-v2")]
    dialect: Dialect,
    /// The access key's id, when standard input is the bare secret
    #[arg(long, value_name = "ID", conflicts_with = "sealed")]
    access_key_id: Option<String>,
    /// Take the key from this sealed file; needs --identity or --identity-credential
    #[arg(long, value_name = "FILE")]
    sealed: Option<PathBuf>,
    #[command(flatten)]
    identity: IdentityOption,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // the library gets the secret, which must not be in a core file should it crash
    confine::keep_private().map_err(|error| Failure::because(ExitCode::System, &error))?;
    let pin = match (&arguments.pin_file, &arguments.uri.pin_source) {
        (Some(path), None) | (None, Some(path)) => absolute(path),
        (Some(_), Some(_)) => return Err(bad("--pin-file is given, and the URI has a pin-source: remove one of them")),
        (None, None) => return Err(bad("the PIN is missing: give --pin-file FILE")),
    };
    let key_type = match arguments.key_type.as_str() {
        "sha256-hmac" => KeyType::Sha256Hmac,
        "sha1-hmac" => KeyType::Sha1Hmac,
        _ => KeyType::GenericSecret,
    };
    let credentials = credentials(arguments)?;
    if credentials.session_token.is_some() || credentials.expiration.is_some() {
        return Err(bad("the key is temporary: a token is for keys that stay"));
    }
    let wanted = arguments.dialect.mac_keys();
    let key = TokenKey {
        module: absolute(&arguments.module),
        address: address(arguments, &wanted)?,
        pin,
        sessions: 1,
        max_message: 0,
        readable: ReadableSecret::Refuse,
    };
    let any_of: Vec<_> = wanted.iter().map(|key| key.method).collect();
    let facts = progress::shown_for(format!("the token at {}", key.address), || {
        pkcs11::import(&key, key_type, &any_of, &credentials.secret_access_key)
    })?;
    print(report(&key, &credentials.access_key_id, &facts).as_bytes())
}

/// The address of the URI, with a label that says what the key is of the secret.
fn address(arguments: &Arguments, wanted: &[MacKey]) -> Result<TokenAddress, Failure> {
    let mut address = arguments.uri.address.clone();
    // all keys of a dialect have one form
    let form = wanted.first().map_or(KeyForm::Secret, |key| key.form);
    let dialect = arguments.dialect.as_str();
    address.object = match address.object {
        None if form == KeyForm::Secret => None,
        None => {
            return Err(bad(&format!("a key for {dialect} needs a label, which says so: add object=NAME to the URI")));
        }
        Some(name) => Some(form.label(&name).ok_or_else(|| {
            bad(&format!(
                "the label {name:?} says that the key is for another dialect than {dialect}: choose another `object`, \
                 or give the --dialect that it is for"
            ))
        })?),
    };
    Ok(address)
}

/// The dialects that a key in a token can sign, each by its name.
fn dialects(facts: &KeyFacts) -> String {
    let computes = |method: SignatureMethod| facts.methods.iter().any(|name| name == method.as_str());
    let fits = |key: &MacKey| key.form == facts.form && computes(key.method);
    let all = Dialect::ALL.into_iter().filter(|dialect| dialect.mac_keys().iter().any(fits));
    all.map(Dialect::as_str).collect::<Vec<_>>().join(", ")
}

fn credentials(arguments: &Arguments) -> Result<Credentials, Failure> {
    match &arguments.sealed {
        Some(file) => Ok(SealedFile::new(file.clone(), arguments.identity.required_path()?).open()?),
        None => {
            let access_key_id = secret_input::access_key_id(arguments.access_key_id.as_deref())?;
            let document =
                secret_input::read_document(Wanted { access_key_id, parts: Parts::Secret, expiration: None })?;
            document::parse(&document.text).map_err(|error| Failure::because(ExitCode::Data, &error))
        }
    }
}

fn report(key: &TokenKey, id: &AccessKeyId, facts: &KeyFacts) -> String {
    format!(
        "imported {id} as {address}; it signs as the secret does, with {methods}, for {dialects}\n\nto use it:\n\n\
         [key.main]\nkind = \"pkcs11\"\nmodule = {module:?}\nuri = \"{uri}\"\n\
         pin_file = {pin:?}\naccess_key_id = {id:?}\n",
        address = key.address,
        methods = facts.methods.join(" and "),
        dialects = dialects(facts),
        module = key.module,
        uri = key.address.to_uri(),
        pin = key.pin,
        id = id.as_str(),
    )
}

fn bad(message: &str) -> Failure {
    Failure::new(ExitCode::Data, message)
}

//! `countersign keys`: identities, sealed keys, and a test for keys of every kind.
//!
//! A secret is read from a prompt or standard input, never from an argument, which every process on the machine can
//! read.

mod dialects;
mod expiry;
pub(super) mod failures;
pub(super) mod identity_option;
#[cfg(feature = "pkcs11")]
mod import_pkcs11;
mod inspect;
mod list;
mod new_identity;
mod opening;
pub(super) mod recipients;
mod reseal;
mod seal;
mod secret_input;
mod test;

use clap::{Args, Subcommand};

use super::exit::Failure;

/// Arguments of `countersign keys`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an age identity, which opens what is sealed to it, and print its public key
    NewIdentity(new_identity::Arguments),
    /// Seal an access key, read from a prompt or standard input, into an age file
    Seal(seal::Arguments),
    /// List the sealed keys of a directory
    List(list::Arguments),
    /// Show what a sealed key is, without its secrets
    Inspect(inspect::Arguments),
    /// Seal a sealed key again, to other recipients
    Reseal(reseal::Arguments),
    /// Have configured keys of any kind sign a probe, and say which store answered, how fast, and when the key expires
    Test(test::Arguments),
    /// Put an access key into a PKCS#11 token, which signs with it and never reveals it
    #[cfg(feature = "pkcs11")]
    ImportPkcs11(Box<import_pkcs11::Arguments>),
}

/// Runs the command.
///
/// # Errors
/// 65 for input that is no key, 69 for a key that cannot be had, 71 for one that cannot be written, 77 for permissions,
/// 78 for a file that is no key or an identity that does not fit.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::NewIdentity(arguments) => new_identity::run(arguments),
        Command::Seal(arguments) => seal::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Reseal(arguments) => reseal::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        #[cfg(feature = "pkcs11")]
        Command::ImportPkcs11(arguments) => import_pkcs11::run(arguments),
    }
}

//! The recipients that a key is sealed to: `--recipient`, and the public keys of the identity.

use std::fmt::Write as _;
use std::path::Path;

use crate::cli::exit::{ExitCode, Failure};
use crate::credentials::identity::IdentityError;
use crate::credentials::{Identities, Recipient};

/// Parses `--recipient`s. Clap does not parse them, because its message would repeat the value, and the likeliest
/// mistake is to give the identity instead.
///
/// # Errors
/// 65, with the number of the bad one.
pub(in crate::cli) fn parse(texts: &[String]) -> Result<Vec<Recipient>, Failure> {
    texts.iter().enumerate().map(|(index, text)| parse_one(text.trim(), index.saturating_add(1))).collect()
}

fn parse_one(text: &str, number: usize) -> Result<Recipient, Failure> {
    Recipient::parse(text).ok_or_else(|| {
        let begins = |with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        let message = if begins("AGE-PLUGIN-") {
            format!(
                "recipient {number} is not a public key but an age plugin's identity: give the age1... that the plugin \
                 shows, or the file with the identity by --identity"
            )
        } else if begins("AGE-SECRET-KEY-") {
            format!(
                "recipient {number} is not a public key but an identity, and now in the shell's history: make a new \
                 one with `countersign keys new-identity`, and give the age1... that it prints"
            )
        } else {
            format!("recipient {number} is not an age public key (age1... or age1NAME1...; SSH keys are not supported)")
        };
        Failure::new(ExitCode::Data, message)
    })
}

/// The public keys of an identity file.
///
/// # Errors
/// The identity cannot be used.
pub(in crate::cli) fn of_identity(path: &Path) -> Result<Vec<Recipient>, Failure> {
    match Identities::read(path) {
        Ok(identities) => Ok(identities.recipients()),
        // whoever gives the key to be sealed by `-i`, as the input of other programs is given
        Err(error @ (IdentityError::SealedKey(_) | IdentityError::Json(_))) => {
            let mut failure = Failure::from(error);
            failure.message.push_str(
                "; `-i` is the identity whose public key is sealed to, and the access key comes \
                                      from standard input",
            );
            Err(failure)
        }
        Err(error) => Err(error.into()),
    }
}

/// The recipients, one a line, for the user to check.
pub(in crate::cli) fn listing(recipients: &[Recipient]) -> String {
    recipients.iter().fold(String::new(), |mut text, recipient| {
        let _infallible = writeln!(text, "  {recipient}");
        text
    })
}

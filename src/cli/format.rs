//! `--format text|json`: how a command prints its result, and the members that every JSON document has.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::exit::{ExitCode, Failure, FaultLine};
use super::output::{is_unprintable, print_line};

/// How a command prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// The option, for the arguments of a command.
#[derive(Debug, Args)]
pub(super) struct FormatOption {
    /// How the result is printed: `json` is one document, whose schema is in docs/reference/schemas
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// How a command ended, for programs. `check` has words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The command did what it was asked to.
    Ok,
    /// The command did what it was asked to, and the answer is no: exit code 1.
    Negative,
    /// The command could not do what it was asked to, or not all of it.
    Failed,
}

impl Outcome {
    pub(super) fn of(ended: &Result<(), Failure>) -> Self {
        match ended {
            Ok(()) => Self::Ok,
            Err(failure) if failure.code == ExitCode::Negative => Self::Negative,
            Err(_) => Self::Failed,
        }
    }
}

/// The version of the documents. It grows when a program that reads one would have to change.
const SCHEMA: u32 = 1;

/// What every document says, and what is the command's own: `docs/reference/json.md`.
#[derive(Serialize)]
struct Document<'d, R, C> {
    schema: u32,
    version: &'static str,
    result: R,
    exit_code: u8,
    faults: Vec<FaultLine>,
    #[serde(flatten)]
    content: &'d C,
}

/// Prints the one document of a command on standard output. `content` is a struct of serde: all of its members are
/// printed, however the command `ended`, so that a reader finds them always. The caller returns `ended`, whose message
/// goes to standard error as without `--format json`.
pub(super) fn print_json(result: impl Serialize, content: &impl Serialize, ended: &Result<(), Failure>) {
    let (exit_code, faults) = match ended {
        Ok(()) => (0, Vec::new()),
        Err(failure) => (failure.code.number(), failure.lines()),
    };
    let version = env!("CARGO_PKG_VERSION");
    // texts, numbers and maps with texts as keys: these can always be written
    if let Ok(text) =
        serde_json::to_string_pretty(&Document { schema: SCHEMA, version, result, exit_code, faults, content })
    {
        print_line!("{}", escaped(&text));
    }
}

/// The same JSON, of which no character changes a terminal: what `serde_json` leaves as it is (U+009B begins a sequence
/// like ESC `[`, U+202E turns the direction of writing) is escaped too.
pub(super) fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        // line ends stand between the members; a character that has to be escaped stands in a text
        if character != '\n' && is_unprintable(character) {
            let mut units = [0_u16; 2];
            for unit in character.encode_utf16(&mut units) {
                let _infallible = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_document_changes_a_terminal_and_each_is_read_back() {
        let text = "\u{1b}[31m\u{7f}\u{9b}31m\u{202e}\u{e0001}\r\n\té";
        let json = escaped(&serde_json::to_string_pretty(&[text]).unwrap());
        assert!(!json.replace('\n', "").contains(is_unprintable), "{json:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), [text]);
    }

    #[test]
    fn only_an_answer_of_no_is_negative() {
        assert_eq!(Outcome::of(&Ok(())), Outcome::Ok);
        assert_eq!(Outcome::of(&Err(Failure::new(ExitCode::Negative, "no"))), Outcome::Negative);
        assert_eq!(Outcome::of(&Err(Failure::new(ExitCode::Data, "not a form"))), Outcome::Failed);
    }
}

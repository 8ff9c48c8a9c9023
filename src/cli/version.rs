//! `countersign -V`, `--version`, and `--version --format json`: which build this is.

use clap::Args;
use serde::Serialize;

use super::exit::Failure;
use super::format::{Format, Outcome, print_json};
use super::output::print_line;
use crate::build_info::{COMMIT, FEATURES, VERSION};

/// The options beside the commands. clap's own would end the program before `--format` is read.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print the version; -V in one line, --version with the commit and the features of the build
    #[arg(short = 'V', long = "version", action = clap::ArgAction::SetTrue)]
    version: bool,
    /// With --version: `json` is one document, whose schema is docs/reference/schemas/version.schema.json
    #[arg(long, value_name = "FORMAT", value_enum, requires = "version")]
    format: Option<Format>,
}

/// The document.
#[derive(Serialize)]
struct Build {
    commit: &'static str,
    features: &'static [&'static str],
}

impl Arguments {
    /// Prints the version if that is asked for.
    pub(crate) fn answer(&self) -> Option<Result<(), Failure>> {
        self.version.then(|| {
            match self.format {
                Some(Format::Json) => {
                    let build = Build { commit: COMMIT, features: FEATURES };
                    print_json(Outcome::Ok, &build, &Ok(()));
                }
                Some(Format::Text) => long(),
                None if is_short() => print_line!("countersign {VERSION}"),
                None => long(),
            }
            Ok(())
        })
    }
}

fn long() {
    let features = if FEATURES.is_empty() { "none".to_owned() } else { FEATURES.join(", ") };
    print_line!("countersign {VERSION}\ncommit: {COMMIT}\nfeatures: {features}");
}

/// Whether the short form was written: both are one option, of which clap does not tell the spelling.
fn is_short() -> bool {
    !std::env::args_os().any(|argument| argument == "--version")
}

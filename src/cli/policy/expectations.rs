//! The table of calls that `countersign policy test` reads: TOML, a `[[call]]` for each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::decided::Decision;
use crate::cli::exit::{ExitCode, Failure};

/// A call, and what the rules are expected to decide.
#[derive(Debug)]
pub(super) struct Expectation {
    /// The line of its `[[call]]`.
    pub(super) line: usize,
    pub(super) client: String,
    /// `None` where the configuration has one route.
    pub(super) route: Option<String>,
    pub(super) call: Called,
    pub(super) expect: Decision,
    /// The rule that is to decide: `allow[1]`. `None`: any.
    pub(super) rule: Option<String>,
    /// Why this is expected, for whoever reads that it is not so.
    pub(super) note: Option<String>,
}

/// What is called.
#[derive(Debug)]
pub(super) enum Called {
    /// An Action with parameters.
    Action(String, BTreeMap<String, String>),
    /// A form as a client sends it.
    Form(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    call: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    client: String,
    route: Option<String>,
    action: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Value>,
    form: Option<String>,
    expect: Decision,
    rule: Option<String>,
    note: Option<String>,
}

/// The value of a parameter: a text, or what is written like a text without quotes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the value of a parameter is a text, a number, true or false")]
enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
}

/// Reads the table.
///
/// # Errors
/// 65 with the place: the file cannot be read, or is no such table.
pub(super) fn read(path: &Path) -> Result<Vec<Expectation>, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::new(ExitCode::Data, format!("{}: cannot be read: {error}", path.display())))?;
    parse(&text).map_err(|(line, why)| Failure::new(ExitCode::Data, format!("{}:{line}: {why}", path.display())))
}

fn parse(text: &str) -> Result<Vec<Expectation>, (usize, String)> {
    let line_of = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1);
    // the message alone: toml would repeat the line, with the values in it
    let table: Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(span.start));
        (line, format!("is not a table of calls: {}", error.message()))
    })?;
    let entries = table.call.into_iter().map(|entry| {
        let line = line_of(entry.span().start);
        expectation(entry.into_inner(), line).map_err(|why| (line, why.to_owned()))
    });
    entries.collect()
}

fn expectation(entry: Entry, line: usize) -> Result<Expectation, &'static str> {
    let Entry { client, route, action, parameters, form, expect, rule, note } = entry;
    let call = match (action, form) {
        (Some(action), None) => {
            let texts = parameters.into_iter().map(|(name, value)| (name, value.into_text()));
            Called::Action(action, texts.collect())
        }
        (None, Some(form)) if parameters.is_empty() => Called::Form(form),
        (None, Some(_)) => return Err("`form` is the whole form: write the parameters into it"),
        (Some(_), Some(_)) => return Err("either `action`, with `parameters`, or `form`: this call has both"),
        (None, None) => return Err("this call has neither `action` nor `form`"),
    };
    Ok(Expectation { line, client, route, call, expect, rule, note })
}

impl Value {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_with_the_lines_of_its_calls() {
        let text = "# of CI\n\n[[call]]\nclient = \"a\"\naction = \"GetStatus\"\n\
                    parameters = { JobId = \"x\", MaxJobs = 10, ValidateOnly = true }\nexpect = \"allow\"\n\
                    rule = \"allow[1]\"\n\n[[call]]\nclient = \"a\"\nroute = \"ie\"\nform = \"A=1\"\n\
                    expect = \"deny\"\nnote = \"no Action\"\n";
        let [first, second] = &parse(text).unwrap()[..] else { panic!("two calls") };
        assert_eq!((first.line, first.expect, first.rule.as_deref()), (3, Decision::Allow, Some("allow[1]")));
        let Called::Action(action, parameters) = &first.call else { panic!("{first:?}") };
        let values: Vec<&str> = parameters.values().map(String::as_str).collect();
        assert_eq!((action.as_str(), values), ("GetStatus", vec!["x", "10", "true"]));
        assert_eq!((second.line, second.expect, second.note.as_deref()), (10, Decision::Deny, Some("no Action")));
        assert!(matches!(&second.call, Called::Form(form) if form == "A=1"));
    }

    #[test]
    fn what_is_wrong_with_a_table_is_told_with_its_line_and_without_its_values() {
        for (text, line, why) in [
            ("", 1, "missing field `call`"),
            ("[[call]]\nclient = \"a\"\nexpect = \"allow\"\n", 1, "neither `action` nor `form`"),
            ("[[call]]\nclient = \"a\"\naction = \"A\"\nform = \"x\"\nexpect = \"allow\"\n", 1, "has both"),
            ("\n[[call]]\nclient = \"a\"\nform = \"x\"\nparameters.P = \"v\"\nexpect = \"deny\"\n", 2, "into it"),
            ("[[call]]\nclient = \"a\"\naction = \"A\"\nexpect = \"marker\"\n", 4, "unknown variant"),
            ("[[call]]\nclient = \"a\"\naction = \"A\"\nexpects = \"allow\"\n", 4, "unknown field `expects`"),
            ("[[call]]\nclient = \"a\"\naction = \"A\"\nparameters.P = [1]\nexpect = \"deny\"\n", 4, "is a text"),
            ("[[call]\n", 1, ""),
        ] {
            let (found, told) = parse(text).map(drop).unwrap_err();
            assert!(found == line && told.contains(why), "{text}: {found}: {told}");
        }
    }
}

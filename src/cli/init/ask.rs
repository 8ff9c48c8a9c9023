//! Asks at the terminal for what no option says. A question stands on standard error, with its default in brackets.

use std::io::{self, BufRead as _, Write as _};

use clap::ValueEnum;

use super::answers::LISTEN;
use super::{Arguments, Callers, KeyKind};
use crate::cli::exit::{ExitCode, Failure};

/// The options, with an answer to every question that they leave open.
///
/// # Errors
/// 71: the terminal cannot be read, or was closed.
pub(super) fn complete(mut given: Arguments) -> Result<Arguments, Failure> {
    if given.endpoint.is_none() && given.service.is_none() {
        let answer = ask("Which endpoint is called? A URL, or a service of AWS such as ec2", None)?;
        if answer.contains("://") {
            given.endpoint = Some(answer);
        } else {
            given.service = Some(answer);
        }
    }
    let is_global = given.service.as_deref().is_some_and(|name| matches!(name, "iam" | "importexport"));
    if given.endpoint.is_none() && given.region.is_none() && !is_global {
        given.region = Some(ask("In which region?", Some("us-east-1"))?);
    }
    if given.route.is_none() {
        let default = given.service.clone().unwrap_or_else(|| "main".to_owned());
        given.route = Some(ask("What is the route called in logs and metrics?", Some(&default))?);
    }
    if given.key.is_none() && given.key_command.is_none() && given.key_source.is_none() {
        given.key = Some(choose("How is the access key kept?", &KeyKind::Sealed)?);
    }
    if given.key == Some(KeyKind::Process) && given.key_command.is_none() {
        given.key_command = Some(ask("Which program prints it? The path and its arguments", None)?);
    }
    if given.callers.is_none() && given.uid.is_none() && given.dns.is_none() {
        given.callers = Some(choose("Who may call?", &Callers::AnyLocal)?);
    }
    if given.callers == Some(Callers::Uid) && given.uid.is_none() {
        let own = rustix::process::getuid().as_raw().to_string();
        given.uid = Some(number("Which user id?", &own)?);
    }
    if given.callers == Some(Callers::Mtls) && given.dns.is_none() {
        given.dns = Some(ask("Which DNS name has the client's certificate?", None)?);
    }
    if given.listen.is_none() {
        given.listen = Some(ask("Where do clients connect?", Some(LISTEN))?);
    }
    Ok(given)
}

fn ask(question: &str, default: Option<&str>) -> Result<String, Failure> {
    loop {
        let shown = default.map_or_else(String::new, |default| format!(" [{default}]"));
        let asked = write!(io::stderr(), "{question}{shown}: ").and_then(|()| io::stderr().flush());
        asked.map_err(|error| not_asked(&error.to_string()))?;
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(0) => return Err(not_asked("it was closed")),
            Ok(_) => {}
            Err(error) => return Err(not_asked(&error.to_string())),
        }
        match (line.trim(), default) {
            ("", Some(default)) => return Ok(default.to_owned()),
            ("", None) => {}
            (answer, _) => return Ok(answer.to_owned()),
        }
    }
}

fn choose<C: ValueEnum>(question: &str, default: &C) -> Result<C, Failure> {
    for choice in C::value_variants().iter().filter_map(ValueEnum::to_possible_value) {
        let help = choice.get_help().map(ToString::to_string).unwrap_or_default();
        let _the_question_follows = writeln!(io::stderr(), "  {:<10} {help}", choice.get_name());
    }
    let default = default.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    loop {
        let answer = ask(question, Some(&default))?;
        match C::from_str(&answer, true) {
            Ok(choice) => return Ok(choice),
            Err(_) => tell("that is none of the words above"),
        }
    }
}

fn number(question: &str, default: &str) -> Result<u32, Failure> {
    loop {
        match ask(question, Some(default))?.parse() {
            Ok(number) => return Ok(number),
            Err(_) => tell("that is not a number"),
        }
    }
}

fn tell(what: &str) {
    let _the_question_follows = writeln!(io::stderr(), "{what}");
}

fn not_asked(why: &str) -> Failure {
    Failure::new(ExitCode::System, format!("the terminal cannot be read: {why}; give options and --yes instead"))
}

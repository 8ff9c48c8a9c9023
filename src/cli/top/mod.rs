//! `countersign top`: the status of a running countersign in a terminal, live or once.
//!
//! `report` asks for it, `sheet` makes tables of it, `plain` prints them, `live` keeps them on a screen.

mod figures;
#[cfg(feature = "top")]
mod live;
mod plain;
mod report;
mod sheet;

use clap::Args;

use self::report::{Fetched, fetch};
use super::admin_client::{AdminOptions, Targets};
use super::exit::{ExitCode, Failure};
use super::format::{Format, escaped};
use super::output::line;
use super::progress;

/// Arguments of `countersign top`.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub(crate) struct Arguments {
    #[command(flatten)]
    admin: AdminOptions,
    /// Print everything once, as text, and exit
    #[arg(long)]
    once: bool,
    /// With --once: `json` is the report as the admin listener gives it, whose schema is
    /// docs/reference/schemas/status.schema.json
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text", requires = "once")]
    format: Format,
    /// The time from one look to the next
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = crate::config::duration_of_text)]
    #[arg(conflicts_with = "once")]
    interval: std::time::Duration,
}

const KEYS: &str = "\
Keys: q quits, Tab and the arrows left and right change the table, up and down the row, p pauses, + and - change the \
interval, ? shows help. Colours are off when NO_COLOR is set.";

/// Runs the command.
///
/// # Errors
/// 69 when no countersign answers to --once, 78 when it is not known where to ask, 71 when there is no terminal.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let targets =
        arguments.admin.targets().map_err(|error| Failure::new(ExitCode::Configuration, error.to_string()))?;
    if arguments.once { once(arguments, &targets) } else { live(arguments, targets) }
}

fn once(arguments: &Arguments, targets: &Targets) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::because(ExitCode::System, &error))?;
    let asking = fetch(targets, arguments.admin.timeout);
    let fetched = progress::shown_for(targets.shown(), || runtime.block_on(asking));
    runtime.shutdown_background();
    let fetched = fetched.map_err(|reason| Failure::new(ExitCode::EndpointUnavailable, reason))?;
    match arguments.format {
        Format::Text => line(format_args!("{}", plain::text(&fetched).trim_end())),
        Format::Json => line(format_args!("{}", json(&fetched)?)),
    }
    Ok(())
}

/// The document as it was received; but no character of it changes a terminal.
fn json(fetched: &Fetched) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(&fetched.document);
    let text = text.map_err(|error| Failure::new(ExitCode::Bug, format!("the report has no JSON: {error}")))?;
    Ok(escaped(&text))
}

#[cfg(feature = "top")]
fn live(arguments: &Arguments, targets: Targets) -> Result<(), Failure> {
    live::run(targets, arguments.admin.timeout, arguments.interval)
}

#[cfg(not(feature = "top"))]
fn live(_: &Arguments, _: Targets) -> Result<(), Failure> {
    let message =
        "this countersign was built without the feature `top`: `countersign top --once` prints the status once";
    Err(Failure::new(ExitCode::Configuration, message))
}

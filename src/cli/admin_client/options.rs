//! Which admin listener a command asks: the one that it is told, or the one of the configuration.

use std::time::Duration;

use clap::Args;
use thiserror::Error;

use super::ask::{AskError, Response, ask};
use super::target::Target;
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::Failure;
use crate::config::{self, ConfigError};
use crate::error_chain::causes;

/// The options of a command that asks an admin listener.
#[derive(Debug, Args)]
pub(crate) struct AdminOptions {
    #[command(flatten)]
    config: ConfigFile,
    /// Where to ask instead of the address in [admin]: http://127.0.0.1:8022 or unix:/run/countersign/admin
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    admin: Option<Target>,
    /// The longest time to wait for the answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = config::duration_of_text)]
    pub(crate) timeout: Duration,
}

/// Why it is not known where to ask.
#[derive(Debug, Error)]
pub(crate) enum NoTarget {
    #[error(
        "the configuration has no [admin]{0}, so there is nothing to ask: add `[admin]`, which listens at \
         127.0.0.1:8022, or the variable COUNTERSIGN__ADMIN__ADDRESS=127.0.0.1:8022"
    )]
    NotConfigured(String),
    #[error(
        "the admin listener has port 0, which stands for any free port: give --admin with the address that the log \
         told at the start (`admin listening`), or choose a port"
    )]
    AnyPort,
    #[error("the configuration does not say where to ask; --admin does\n{0}")]
    Configuration(ConfigError),
    #[error("{}", .0.message)]
    NoFile(Failure),
}

/// The places to ask, one after the other; one at least.
#[derive(Debug)]
pub(crate) struct Targets(Vec<Target>);

/// The answer of the first target that gave one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) target: Target,
    pub(crate) response: Response,
}

impl AdminOptions {
    /// Where to ask. Of the configuration only the address counts: a service goes on with the configuration that it has
    /// when its file is spoilt, and is asked all the same.
    ///
    /// # Errors
    /// [`NoTarget`].
    pub(crate) fn targets(&self) -> Result<Targets, NoTarget> {
        if let Some(target) = &self.admin {
            return Ok(Targets(vec![target.clone()]));
        }
        let found = self.config.find().map_err(NoTarget::NoFile)?;
        let addresses = config::admin_addresses(found.path(), config::process_environment());
        let addresses = addresses.map_err(NoTarget::Configuration)?;
        let addresses = addresses.ok_or_else(|| NoTarget::NotConfigured(found.hint()))?;
        let targets: Vec<_> = addresses.iter().flat_map(Target::of).collect();
        if targets.is_empty() { Err(NoTarget::AnyPort) } else { Ok(Targets(targets)) }
    }
}

impl Targets {
    /// Asks for `path`, for `limit` at most. The error says of each target why it did not answer.
    ///
    /// # Errors
    /// No target answered.
    pub(crate) async fn ask(&self, path: &str, limit: Duration) -> Result<Answer, String> {
        // one that is silent leaves time for the others
        let share = u32::try_from(self.0.len()).ok().and_then(|count| limit.checked_div(count)).unwrap_or(limit);
        let mut reasons = Vec::new();
        for target in &self.0 {
            match ask(target, path, share).await {
                Ok(response) => return Ok(Answer { target: target.clone(), response }),
                Err(error) => reasons.push(reason(target, &error)),
            }
        }
        Err(reasons.join("\n"))
    }

    /// The targets in one text.
    pub(crate) fn shown(&self) -> String {
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

fn reason(target: &Target, error: &AskError) -> String {
    format!("{target}: {}", crate::cli::output::printable(&causes(error)))
}

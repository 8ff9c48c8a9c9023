//! The command line: one file per command.

mod admin_client;
mod announcements;
mod capture;
mod check;
mod clients;
mod completions;
mod config;
mod config_file;
mod dangers;
mod demo;
pub mod exit;
mod explain;
mod fetch_key;
mod first_process;
mod format;
mod health;
mod init;
mod inputs;
mod key_agent;
mod keys;
mod live;
#[cfg(test)]
mod man_pages;
mod output;
mod policy;
mod progress;
mod run;
mod sandbox;
mod sandbox_keys;
mod sign;
mod start_faults;
mod top;
mod verify;
mod version;

use clap::{Parser, Subcommand};

#[cfg(feature = "aws")]
use crate::credentials::aws;
use crate::credentials::plugin;
use exit::Failure;

/// Signing HTTP reverse proxy for clouds that take forms: services send unsigned forms, countersign holds the keys.
#[derive(Debug, Parser)]
#[command(name = "countersign", about, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    version: version::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first configuration, from options or from answers at a terminal
    Init(init::Arguments),
    /// Serve: sign and forward what the configured listeners receive
    Run(run::Arguments),
    /// Show countersign at work: sandbox, proxy, one signed request, on throw-away keys
    Demo(demo::Arguments),
    /// Validate configuration and keys, and print what would be served
    Check(check::Arguments),
    /// Print what a configuration may say, for editors
    Config(config::Arguments),
    /// Ask a running countersign whether it is ready, or alive; for a container's health check and for scripts
    Health(health::Arguments),
    /// Show the status of a running countersign in a terminal: routes, keys, clients, limits, refusals
    Top(top::Arguments),
    /// Explain what clients may do, and suggest rules from what they did
    Policy(policy::Arguments),
    /// Sign a form read from standard input, and print the signed form
    Sign(sign::Arguments),
    /// Say whether a signed form verifies, and if not, why
    Verify(verify::Arguments),
    /// Say why an endpoint refused a captured request
    Explain(explain::Arguments),
    /// Serve an endpoint to develop and test against: AWS Import/Export, or an echo of any operation
    Sandbox(sandbox::Arguments),
    /// Issue access keys to clients that sign their own requests
    Clients(clients::Arguments),
    /// Create, seal and inspect keys and identities
    Keys(keys::Arguments),
    /// Print the script with which a shell completes commands and options
    Completions(completions::Arguments),
    /// Serve one key store, for the countersign that started it
    #[command(hide = true)]
    KeyAgent,
    /// Ask one of AWS's sources for its key, for the agent that started it
    #[cfg(feature = "aws")]
    #[command(hide = true)]
    AwsKey(fetch_key::Arguments),
    /// Open a sealed key with an age plugin, for the agent that started it
    #[command(hide = true)]
    PluginKey(fetch_key::Arguments),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// A [`Failure`]: the message for standard error, and the exit code.
    pub fn run(self) -> Result<(), Failure> {
        if let Some(answer) = self.version.answer() {
            return answer.and_then(|()| output::fault());
        }
        // clap asks for a command or for the version
        let Some(command) = self.command else { return Ok(()) };
        first_process::end_by_signals();
        match command {
            Command::Init(arguments) => init::run(&arguments),
            Command::Run(arguments) => run::run(&arguments),
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Config(arguments) => config::run(&arguments),
            Command::Health(arguments) => health::run(&arguments),
            Command::Top(arguments) => top::run(&arguments),
            Command::Policy(arguments) => policy::run(&arguments),
            Command::Sign(arguments) => sign::run(&arguments),
            Command::Verify(arguments) => verify::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Sandbox(arguments) => sandbox::run(&arguments),
            Command::Clients(arguments) => clients::run(&arguments),
            Command::Keys(arguments) => keys::run(&arguments),
            Command::Completions(arguments) => completions::run(&arguments),
            Command::KeyAgent => key_agent::run(),
            #[cfg(feature = "aws")]
            Command::AwsKey(arguments) => fetch_key::run(&arguments, aws::obtain),
            Command::PluginKey(arguments) => fetch_key::run(&arguments, plugin::obtain),
        }?;
        output::fault()
    }
}

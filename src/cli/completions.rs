//! `countersign completions`: the script with which a shell completes commands and options.

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::exit::Failure;
use super::output::print;

const HOW_IT_IS_USED: &str = "\
Each shell reads it in its own way:

  bash        countersign completions bash > \\
                /usr/share/bash-completion/completions/countersign
  zsh         countersign completions zsh > \\
                /usr/share/zsh/site-functions/_countersign
  fish        countersign completions fish > \\
                ~/.config/fish/completions/countersign.fish
  elvish      eval (countersign completions elvish | slurp)
  powershell  countersign completions powershell |
                Out-String | Invoke-Expression";

/// Arguments of `countersign completions`.
#[derive(Debug, Args)]
#[command(after_help = HOW_IT_IS_USED)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// 71: it cannot be written.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut shown(&Cli::command()), "countersign", &mut script);
    print(&script)
}

/// The command without those below it that only countersign itself calls.
fn shown(command: &Command) -> Command {
    let below = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned();
    let about = command.get_about().cloned().unwrap_or_default();
    Command::new("countersign").about(about).args(command.get_arguments().cloned()).subcommands(below)
}

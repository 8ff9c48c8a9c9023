//! One test of this program in a process of its own: for what changes or looks at the whole process.

use std::process::Command;

/// This program again, running one test alone: `test` in the module that calls this, whose path is `module`.
pub fn own_process(module: &str, test: &str) -> Command {
    let (_program, module) = module.split_once("::").expect("a module below the program's root");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{module}::{test}"), "--include-ignored", "--nocapture"]);
    command
}

//! What becomes of output that nobody takes: the reader has left, or the disk is full.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::harness::{Endpoint, Setup, program};

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

fn closed() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

/// Commands that print several lines.
fn commands(setup: &Setup) -> Vec<Command> {
    let plain = ["--help", "--version", "check --help"].map(|line| {
        let mut command = program();
        command.args(line.split(' '));
        command
    });
    [setup.command("check")].into_iter().chain(plain).collect()
}

#[test]
fn output_whose_reader_has_left_ends_quietly() {
    let setup = Setup::to(&Endpoint::obliging());
    for mut command in commands(&setup) {
        let output = command.stdout(closed()).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""), "{command:?}");
    }
}

#[test]
fn a_result_that_a_full_disk_does_not_take_ends_with_71_and_says_so() {
    let setup = Setup::to(&Endpoint::obliging());
    let output = setup.command("check").stdout(full()).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(71), "{told}");
    assert!(told.contains("standard output cannot be written: No space left on device"), "{told}");
}

#[test]
fn an_error_that_standard_error_does_not_take_keeps_its_exit_code() {
    let setup = Setup::to(&Endpoint::obliging()).more("[colour]\n");
    for stderr in [closed(), full().into()] {
        let status = setup.command("check").stdout(Stdio::null()).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(78));
    }
}

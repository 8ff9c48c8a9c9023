//! What commands print: without a panic when the reader has left, and without buffers that keep what was printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use super::exit::{ExitCode, Failure};

/// Prints a line of a command's result. When the reader has left (`countersign check | head`) the rest is not printed,
/// and the command goes on to its exit code; the standard library's `println!` would panic.
macro_rules! print_line {
    ($($argument:tt)*) => {
        $crate::cli::output::line(format_args!($($argument)*))
    };
}
pub(super) use print_line;

pub(super) fn line(text: fmt::Arguments<'_>) {
    let _reader_may_have_left = writeln!(io::stdout(), "{text}");
}

/// Writes to standard output without the standard library's buffer, which is not wiped: the text may be an identity.
///
/// # Errors
/// 71 when it cannot be written, say to a full disk.
pub(super) fn print(text: &[u8]) -> Result<(), Failure> {
    let written =
        io::stdout().as_fd().try_clone_to_owned().and_then(|descriptor| File::from(descriptor).write_all(text));
    written.map_err(|error| Failure::new(ExitCode::System, format!("standard output cannot be written: {error}")))
}

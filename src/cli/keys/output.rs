//! Printing, without panics when nobody reads and without buffers that keep what was printed.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use jiff::Timestamp;

use crate::cli::exit::{ExitCode, Failure};

/// Writes to standard output, past the standard library's buffer: it is never wiped, and an identity may go through here.
///
/// # Errors
/// 71 when it cannot be written, say to a full disk.
pub(super) fn print(text: &[u8]) -> Result<(), Failure> {
    let written =
        io::stdout().as_fd().try_clone_to_owned().and_then(|descriptor| File::from(descriptor).write_all(text));
    written.map_err(|error| Failure::new(ExitCode::System, format!("standard output cannot be written: {error}")))
}

/// When a key stops working, in words.
pub(super) fn expiry(expiration: Option<Timestamp>, now: Timestamp) -> String {
    match expiration {
        None => "never expires".to_owned(),
        Some(time) if time <= now => format!("expired {time}"),
        Some(time) => format!("expires {time}"),
    }
}

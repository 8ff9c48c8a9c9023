//! What commands print: without a panic when the reader has left, and without buffers that keep what was printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::OnceLock;

use super::exit::{ExitCode, Failure};

/// The first fault of standard output.
static FAULT: OnceLock<io::Error> = OnceLock::new();

/// Prints a line of a command's result. When the reader has left (`countersign check | head`) the rest is not printed,
/// and the command goes on to its exit code; the standard library's `println!` would panic. Any other fault, such as a
/// full disk, is kept for [`fault`].
macro_rules! print_line {
    ($($argument:tt)*) => {
        $crate::cli::output::line(format_args!($($argument)*))
    };
}
pub(super) use print_line;

pub(super) fn line(text: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{text}") {
        note(error);
    }
}

fn note(error: io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        let _the_first_is_kept = FAULT.set(error);
    }
}

/// Fails when a line of the result could not be written: a command whose result is lost did not succeed.
///
/// # Errors
/// 71 with the cause.
pub(super) fn fault() -> Result<(), Failure> {
    if let Err(error) = io::stdout().flush() {
        note(error);
    }
    FAULT.get().map_or(Ok(()), |error| Err(unwritable(error)))
}

fn unwritable(error: &io::Error) -> Failure {
    Failure::new(ExitCode::System, format!("standard output cannot be written: {error}"))
}

/// A text of somebody else for a terminal: whatever could move the cursor, colour, or turn the direction of writing is
/// shown as an escape.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unprintable(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a character could change a terminal, or what is read on it.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control() || turns_text(character)
}

/// Characters that are not seen, and have what follows shown in another order or as something else.
const fn turns_text(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Writes to standard output without the standard library's buffer, which is not wiped: the text may be an identity.
///
/// # Errors
/// 71 when it cannot be written, say to a full disk.
pub(super) fn print(text: &[u8]) -> Result<(), Failure> {
    let written =
        io::stdout().as_fd().try_clone_to_owned().and_then(|descriptor| File::from(descriptor).write_all(text));
    written.map_err(|error| unwritable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_another_moves_the_cursor_colours_or_turns_the_direction() {
        assert_eq!(printable("zo\u{eb} \u{4e2d}"), "zo\u{eb} \u{4e2d}");
        assert_eq!(printable("a\u{1b}[31m\r\nb\u{9b}c\u{202e}d\u{7f}"), "a\\u{1b}[31m\\r\\nb\\u{9b}c\\u{202e}d\\u{7f}");
    }
}

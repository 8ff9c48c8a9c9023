//! The log line of a panic: its location, and its text only if that is a literal of the program.

use std::any::Any;
use std::panic::{PanicHookInfo, set_hook};

/// Writes each panic to the log as one line. A text that was formatted at run time is left out, since it may hold a
/// client's data; the standard hook would print it.
pub(super) fn log_panics() {
    set_hook(Box::new(write));
}

fn write(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let thread = std::thread::current();
    let text = shown(panic.payload());
    let thread = thread.name();
    tracing::error!(target: "countersign::bug", location, thread, text, "a bug in countersign: a panic");
}

/// The text of a panic, if it is a literal of the program.
fn shown(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(not shown: it may hold what a client sent)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_literal_is_shown() {
        let payload = |panic: fn()| std::panic::catch_unwind(panic).unwrap_err();
        assert_eq!(shown(&*payload(|| panic!("an invariant"))), "an invariant");
        let formed = payload(|| panic!("{}", String::from("JobId=SECRETJOB")));
        assert!(shown(&*formed).starts_with("(not shown"));
    }
}

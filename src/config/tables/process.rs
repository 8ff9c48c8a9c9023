//! `[audit]`, `[log]` and `[process]`.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::grammar::log_filter;
use crate::config::reading::quantity::{count, duration, duration_or_zero, size};
use crate::config::reading::table::Table;
use crate::config::reading::value::{Given, choice, flag, shown, text};
use crate::config::settings::{Audit, Confinement, Log, Process};
use crate::guarded_file::WritableFiles;
use crate::telemetry::LogFormat;
use crate::telemetry::audit::{Target, WhenFull};

pub(crate) const MOST_WORKERS: usize = 256;
/// Enough for the default of 256 exchanges with 256 KiB each.
const BODIES: usize = 64 << 20;
pub(crate) const MOST_BODIES: usize = 64 << 30;

/// Reads `[audit]`.
pub(crate) fn audit(mut table: Table<'_>) -> Option<Audit> {
    let target = table.get("target", None, audit_target);
    let when_full = table.get("when_full", WhenFull::Refuse, choice(&WhenFull::WORDS));
    table.finish();
    Some(Audit { target: target?, when_full: when_full? })
}

fn audit_target(given: &Given<'_>) -> Result<Option<Target>, String> {
    let text = text(given)?;
    match text {
        "off" => return Ok(None),
        "stdout" => return Ok(Some(Target::Stdout)),
        "journald" => return Ok(Some(Target::Journald)),
        "syslog" => return Ok(Some(Target::Syslog)),
        _ => {}
    }
    // what is read may stand beside the configuration, and begins there when its path is relative; what is written does
    // not belong there
    let path = text.strip_prefix("file:").map(PathBuf::from);
    path.filter(|path| path.is_absolute() && path.file_name().is_some() && !text.contains('\0') && !text.ends_with('/'))
        .map(|path| Some(Target::File(path)))
        .ok_or_else(|| {
            format!(
                "{} is not known here: write \"file:/var/log/countersign/audit.jsonl\" (an absolute path), \"stdout\", \
                 \"journald\", \"syslog\" or \"off\"",
                shown(text)
            )
        })
}

/// Reads `[log]`.
pub(crate) fn log(mut table: Table<'_>) -> Option<Log> {
    let format = table.get("format", LogFormat::Human, choice(&LogFormat::WORDS));
    let level = table.get("level", "info".to_owned(), |given| log_filter::log_filter(text(given)?));
    table.finish();
    Some(Log { format: format?, level: level? })
}

/// Reads `[process]`.
pub(crate) fn process(mut table: Table<'_>) -> Option<Process> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = table.get("workers", processors.min(MOST_WORKERS), count(1..=MOST_WORKERS));
    let drain_delay = table.get("drain_delay", Duration::ZERO, duration_or_zero);
    let drain = table.get("drain", Duration::from_secs(25), duration);
    let bodies = table.get("bodies", BODIES, size(1..=MOST_BODIES));
    let unconfined = table.get("danger_unconfined", false, flag);
    let writable = table.get("danger_writable_files", false, flag);
    table.finish();
    let confinement = if unconfined? { Confinement::DangerUnconfined } else { Confinement::Confined };
    let writable_files = if writable? { WritableFiles::DangerAccepted } else { WritableFiles::Refused };
    Some(Process {
        workers: workers?,
        drain_delay: drain_delay?,
        drain: drain?,
        bodies: bodies?,
        confinement,
        writable_files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sample::{LEAST, faults, faults_with, settings};

    #[test]
    fn log_and_process_have_the_documented_defaults() {
        let read = settings(LEAST);
        assert_eq!(read.log, Log { format: LogFormat::Human, level: "info".into() });
        assert_eq!((read.process.drain, read.process.bodies), (Duration::from_secs(25), 64 << 20));
        assert_eq!(read.process.drain_delay, Duration::ZERO);
        assert!((1..=256).contains(&read.process.workers));
        assert_eq!(read.process.confinement, Confinement::Confined);
    }

    #[test]
    fn a_drain_begins_at_once_or_after_a_delay() {
        for (text, delay) in [("0s", Duration::ZERO), ("5s", Duration::from_secs(5)), ("1h", Duration::from_secs(3600))]
        {
            let read = settings(&format!("{LEAST}[process]\ndrain_delay = \"{text}\""));
            assert_eq!(read.process.drain_delay, delay);
        }
    }

    #[test]
    fn files_that_others_can_write_are_used_only_when_that_is_called_a_danger() {
        assert_eq!(settings(LEAST).process.writable_files, WritableFiles::Refused);
        let read = settings(&format!("{LEAST}[process]\ndanger_writable_files = true"));
        assert_eq!(read.process.writable_files, WritableFiles::DangerAccepted);
    }

    #[test]
    fn the_process_is_unconfined_only_when_that_is_called_a_danger() {
        let read = settings(&format!("{LEAST}[process]\ndanger_unconfined = true"));
        assert_eq!(read.process.confinement, Confinement::DangerUnconfined);
        for line in ["unconfined = true", "sandbox = false", "danger_unconfined = 1"] {
            assert_eq!(faults(&format!("{LEAST}[process]\n{line}")).len(), 1, "{line}");
        }
    }

    #[test]
    fn the_audit_goes_where_it_is_told_and_refuses_by_default() {
        let read = |lines: &str| settings(&format!("{LEAST}[audit]\n{lines}")).audit;
        assert_eq!(settings(LEAST).audit, Audit { target: None, when_full: WhenFull::Refuse });
        for (word, target) in [("stdout", Target::Stdout), ("journald", Target::Journald), ("syslog", Target::Syslog)] {
            assert_eq!(read(&format!("target = \"{word}\"")).target, Some(target));
        }
        let file = read("target = \"file:/var/log/audit\"\nwhen_full = \"drop\"");
        assert_eq!(file, Audit { target: Some(Target::File("/var/log/audit".into())), when_full: WhenFull::Drop });
        for word in ["file:audit", "file:/", "file:/var/log/", "file:", "/var/log/audit", "stderr", ""] {
            let found = faults(&format!("{LEAST}[audit]\ntarget = \"{word}\""));
            assert!(found.len() == 1 && found[0].contains("an absolute path"), "{found:?}");
        }
    }

    #[test]
    fn bad_values_are_refused() {
        for lines in [
            "[admin]\naddress = 8022",
            "[log]\nlevel = \"loud\"",
            "[log]\nformat = \"xml\"",
            "[audit]\nwhen_full = \"block\"",
            "[process]\nworkers = 0",
            "[process]\nworkers = 257",
            "[process]\ndrain = 25",
            "[process]\ndrain_delay = 5",
            "[process]\ndrain_delay = \"2h\"",
        ] {
            assert_eq!(faults(&format!("{LEAST}{lines}")).len(), 1, "{lines}");
        }
        let found = faults_with(LEAST, &[("COUNTERSIGN__PROCESS__WORKERS", "many")]);
        assert_eq!(found, ["COUNTERSIGN__PROCESS__WORKERS: process.workers: `many` is not a whole number"]);
    }
}

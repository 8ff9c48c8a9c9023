//! What the audit promises when all is well, when its file is rotated, and when the disk is full.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::telemetry::Outcome;

fn start(path: &Path, when_full: WhenFull) -> (AuditLog, AuditWriter, Counter) {
    let lost = Counter::default();
    let opened = OpenedAudit::open(&Target::File(path.to_owned())).unwrap();
    let (log, writer) = opened.start(when_full, lost.clone(), || Timestamp::UNIX_EPOCH).unwrap();
    (log, writer, lost)
}

fn entry<'a>(action: &'a str, noted: &'a FormSummary) -> Entry<'a> {
    Entry {
        request_id: Some("id"),
        trace_id: None,
        listener: "local",
        peer: "127.0.0.1:1",
        client: None,
        client_tenant: None,
        identified_by: None,
        certificate: None,
        token: None,
        route: None,
        route_tenant: None,
        endpoint: None,
        action: Some(action),
        key_id: None,
        rule: None,
        decision: Decision::Deny,
        outcome: Outcome::Refused,
        status: Some(403),
        code: None,
        reason: None,
        handshake: None,
        endpoint_request_id: None,
        repeated: None,
        parameters: noted,
    }
}

fn write(log: &AuditLog, action: &str) {
    let Reservation::Reserved(place) = log.reserve() else { panic!("no place for {action}") };
    place.write(&entry(action, &FormSummary::default()));
}

fn wait(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn actions(path: &Path) -> Vec<String> {
    let read =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["action"].as_str().unwrap().to_owned();
    fs::read_to_string(path).unwrap_or_default().lines().map(read).collect()
}

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn lines_are_appended_in_order_to_a_file_that_only_we_can_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let (log, writer, lost) = start(&path, WhenFull::Refuse);
    for n in 0..100 {
        write(&log, &n.to_string());
    }
    assert_eq!((writer.finish(PATIENCE), lost.get()), (0, 0));
    assert_eq!(actions(&path), (0..100).map(|n: i32| n.to_string()).collect::<Vec<_>>());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_was_moved_away_is_followed_by_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("audit"), directory.path().join("audit.1"));
    let (log, writer, _) = start(&path, WhenFull::Refuse);
    write(&log, "before");
    wait("the first line", || actions(&path) == ["before"]);
    fs::rename(&path, &moved).unwrap();
    write(&log, "after");
    wait("the second line", || actions(&path) == ["after"]);
    assert_eq!(actions(&moved), ["before"]);
    // copied and truncated in place: the next line begins at the new end
    fs::write(&path, "").unwrap();
    writer.reopen();
    write(&log, "truncated");
    assert_eq!(writer.finish(PATIENCE), 0);
    assert_eq!(actions(&path), ["truncated"]);
}

#[test]
fn a_full_disk_refuses_exchanges_until_the_line_is_written_after_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    // no path leads to a full disk here: the device is put in place of the file
    let (log, writer, lost) = start(Path::new("/dev/full"), WhenFull::Refuse);
    write(&log, "unwritten");
    wait("refusal", || log.is_refusing());
    assert!(matches!(log.reserve(), Reservation::Refused));
    assert_eq!(lost.get(), 1);
    assert!(matches!(log.try_reserve(), Reservation::Refused));
    assert_eq!(lost.get(), 1, "a line that will be tried again is not lost");
    assert_eq!(writer.finish(PATIENCE), 1, "the line that could not be written is left");

    // a target that fails for a while: a symlink is not opened
    let (log, writer, _) = start(&path, WhenFull::Refuse);
    fs::remove_file(&path).unwrap();
    symlink("elsewhere", &path).unwrap();
    write(&log, "late");
    wait("refusal", || log.is_refusing());
    fs::remove_file(&path).unwrap();
    wait("recovery", || !log.is_refusing());
    assert_eq!(actions(&path), ["late"]);
    assert!(matches!(log.reserve(), Reservation::Reserved(_)));
    assert_eq!(writer.finish(PATIENCE), 0);
}

#[test]
fn dropping_fills_the_queue_before_it_loses_and_counts() {
    let (log, writer, lost) = start(Path::new("/dev/full"), WhenFull::Drop);
    for n in 0..QUEUE_CAPACITY {
        write(&log, &n.to_string());
    }
    assert!(!log.is_refusing());
    for _ in 0..3 {
        assert!(matches!(log.reserve(), Reservation::NotNeeded));
    }
    assert_eq!(lost.get(), 3);
    assert_eq!(writer.finish(PATIENCE), QUEUE_CAPACITY);
}

#[test]
fn a_place_that_is_not_used_is_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let (log, writer, _) = start(&directory.path().join("audit"), WhenFull::Refuse);
    for _ in 0..QUEUE_CAPACITY {
        assert!(matches!(log.reserve(), Reservation::Reserved(_)));
    }
    let held: Vec<_> = (0..QUEUE_CAPACITY).map(|_| log.reserve()).collect();
    assert!(matches!(log.reserve(), Reservation::Refused));
    drop(held);
    assert_eq!(writer.finish(PATIENCE), 0);
}

#[test]
fn a_target_that_cannot_be_opened_is_named() {
    let error = OpenedAudit::open(&Target::File("/no/such/place/audit".into())).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "cannot write the audit to /no/such/place/audit");
    assert!(!error.is_denied());
}

#[test]
fn exchanges_that_wait_for_their_bodies_take_no_place_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let (log, writer, _) = start(&directory.path().join("audit"), WhenFull::Refuse);
    let waiting: Vec<_> = (0..2 * QUEUE_CAPACITY).map(|_| log.begin()).collect();
    assert!(waiting.iter().all(|waiting| matches!(waiting, Reservation::Later(_))));
    assert!(matches!(log.reserve(), Reservation::Reserved(_)));
    drop(waiting);
    assert_eq!(writer.finish(PATIENCE), 0);
}

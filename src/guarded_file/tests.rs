//! The tests of opening guarded files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use rustix::fs::{FileType, mknodat};
use rustix::process::{getegid, geteuid};
use tempfile::TempDir;

use super::*;

fn secret(mode: u32) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.age");
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (directory, path)
}

fn message(path: &Path) -> String {
    read_secret(path).expect_err("refused").to_string()
}

#[test]
fn a_file_of_ours_alone_is_read() {
    for mode in [0o400, 0o600] {
        let (_directory, path) = secret(mode);
        assert_eq!(**read_secret(&path).unwrap(), *b"secret");
    }
}

#[test]
fn a_file_open_to_others_is_refused_with_the_fix() {
    for mode in [0o604, 0o644, 0o602, 0o620, 0o660, 0o610, 0o777] {
        let (_directory, path) = secret(mode);
        let expected = format!("{0} is open to others (mode {mode:04o}): chmod 600 {0}", path.display());
        assert_eq!(message(&path), expected);
        assert!(read_secret(&path).unwrap_err().is_permissions());
    }
}

#[test]
fn a_group_may_read_only_what_root_lends_to_one_of_our_groups() {
    let (_directory, path) = secret(0o640);
    if !geteuid().is_root() {
        assert!(matches!(read_secret(&path), Err(GuardError::OpenToOthers { .. })));
        return; // the rest needs root
    }
    chown(&path, Some(0), Some(getegid().as_raw())).unwrap();
    assert!(read_secret(&path).is_ok());
    chown(&path, Some(0), Some(54321)).unwrap();
    assert!(matches!(read_secret(&path), Err(GuardError::OpenToOthers { .. })));
}

#[test]
fn a_file_or_symlink_of_somebody_else_is_refused() {
    if !geteuid().is_root() {
        return; // only root can give files away
    }
    let (directory, path) = secret(0o600);
    let link = directory.path().join("link");
    symlink("key.age", &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(54321), None).unwrap();
    assert!(message(&link).contains("is a symlink that belongs to uid 54321"));
    chown(&path, Some(54321), None).unwrap();
    assert!(message(&path).contains("belongs to uid 54321, which is neither root nor this user: chown 0 "));
}

/// Puts the file into its directory as the kubelet lays out a volume. Its real place.
fn in_a_volume(directory: &TempDir, path: &Path) -> PathBuf {
    let data = directory.path().join("..2026_11_22");
    fs::create_dir(&data).unwrap();
    let file = data.join("key.age");
    fs::rename(path, &file).unwrap();
    symlink("..2026_11_22", directory.path().join("..data")).unwrap();
    symlink("..data/key.age", path).unwrap();
    file
}

#[test]
fn a_pods_token_is_read_that_its_user_owns_and_its_group_may_read() {
    // as the kubelet delivers it with `runAsUser` and `fsGroup`
    let (directory, path) = secret(0o640);
    let file = in_a_volume(&directory, &path);
    chown(&file, None, Some(getegid().as_raw())).unwrap();
    assert_eq!(**read_secret(&path).unwrap(), *b"secret");
    for open in [0o660, 0o644] {
        fs::set_permissions(&file, Permissions::from_mode(open)).unwrap();
        assert!(matches!(read_secret(&path), Err(GuardError::OpenToOthers { .. })), "{open:o}");
    }
    if geteuid().is_root() {
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        chown(&file, None, Some(54321)).unwrap();
        assert!(matches!(read_secret(&path), Err(GuardError::OpenToOthers { .. })));
    }
}

#[test]
fn a_symlink_of_ours_is_followed_and_its_target_checked() {
    let (directory, path) = secret(0o600);
    let file = in_a_volume(&directory, &path);
    assert_eq!(**read_secret(&path).unwrap(), *b"secret");
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    assert!(message(&path).ends_with(
        "..data/key.age is open to others (mode 0644): set defaultMode: 0400 on the volume in \
         the pod's specification"
    ));
}

#[test]
fn symlinks_that_lead_nowhere_or_in_a_circle_are_refused() {
    let (directory, _path) = secret(0o600);
    let (nowhere, circle) = (directory.path().join("nowhere"), directory.path().join("circle"));
    symlink("missing", &nowhere).unwrap();
    symlink("circle", &circle).unwrap();
    assert!(matches!(read_secret(&nowhere), Err(GuardError::Missing(path)) if path.ends_with("missing")));
    assert!(matches!(read_secret(&circle), Err(GuardError::TooManyLinks(_))));
}

#[test]
fn a_fifo_is_refused_without_waiting_for_its_writer() {
    let (directory, _path) = secret(0o600);
    let fifo = directory.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert!(matches!(read_secret(&fifo), Err(GuardError::NotRegular(_))));
}

#[test]
fn what_is_no_file_is_refused() {
    let (directory, path) = secret(0o600);
    let socket = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in
        [directory.path(), &socket, &path.join("below"), Path::new("/"), Path::new("/dev/null"), Path::new("..")]
    {
        assert!(matches!(read_secret(path), Err(GuardError::NotRegular(_))), "{}", path.display());
    }
    assert!(matches!(read_secret(&directory.path().join("missing")), Err(GuardError::Missing(_))));
}

#[test]
fn a_file_larger_than_any_key_is_refused() {
    let (_directory, path) = secret(0o600);
    fs::write(&path, vec![b'x'; MAX_SIZE]).unwrap();
    assert!(read_secret(&path).is_ok());
    fs::write(&path, vec![b'x'; MAX_SIZE + 1]).unwrap();
    assert!(matches!(read_secret(&path), Err(GuardError::TooLarge(_))));
}

#[test]
fn a_directory_everybody_may_change_is_refused_unless_it_is_sticky() {
    let (directory, path) = secret(0o600);
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(message(&path).contains(&format!("(mode 0777): chmod o-w {}", directory.path().display())));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(read_secret(&path).is_ok());
}
#[test]
fn a_file_this_user_may_not_read_says_whose_it_should_be() {
    let (_directory, path) = secret(0o000);
    if geteuid().is_root() {
        return; // root may read everything
    }
    assert!(
        message(&path).contains(&format!("may not be read by this user (uid {0}): chown {0} ", geteuid().as_raw()))
    );
}

/// A trusted file that anybody may read.
fn trusted(mode: u32) -> (TempDir, PathBuf) {
    let (directory, path) = secret(mode);
    (directory, path)
}

fn objection(path: &Path) -> String {
    open_trusted_under(path, WritableFiles::Refused).expect_err("refused").to_string()
}

#[test]
fn a_trusted_file_may_be_read_by_everybody_and_written_by_us_alone() {
    for mode in [0o400, 0o444, 0o600, 0o644, 0o755] {
        let (_directory, path) = trusted(mode);
        assert!(open_trusted_under(&path, WritableFiles::Refused).is_ok(), "{mode:o}");
    }
    for mode in [0o646, 0o666, 0o602, 0o777] {
        let (_directory, path) = trusted(mode);
        let expected = format!("{0} can be written by others (mode {mode:04o}): chmod go-w {0}", path.display());
        assert_eq!(objection(&path), expected);
        assert!(check_trusted(&path).unwrap_err().is_permissions());
        assert!(open_trusted_under(&path, WritableFiles::DangerAccepted).is_ok());
    }
}

#[test]
fn a_group_may_write_a_trusted_file_only_if_it_has_no_other_member() {
    let (directory, path) = trusted(0o664);
    if !geteuid().is_root() {
        return; // only root can give files to other groups
    }
    chown(&path, None, Some(54321)).unwrap();
    assert!(objection(&path).contains("can be written by others (mode 0664)"));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(open_trusted_under(&path, WritableFiles::Refused).is_ok());
    chown(directory.path(), None, Some(54321)).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o775)).unwrap();
    assert!(objection(&path).contains("the group 54321 may replace files in"));
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1775)).unwrap();
    assert!(open_trusted_under(&path, WritableFiles::Refused).is_ok());
}

#[test]
fn every_directory_on_the_way_counts_also_behind_symlinks() {
    let (directory, path) = trusted(0o644);
    let below = directory.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let file = below.join("file");
    fs::rename(&path, &file).unwrap();
    symlink("a/b/file", &path).unwrap();
    assert!(open_trusted_under(&path, WritableFiles::Refused).is_ok());
    let loose = directory.path().join("a");
    fs::set_permissions(&loose, Permissions::from_mode(0o757)).unwrap();
    let expected = format!("everybody may replace files in {0} (mode 0757): chmod o-w {0}", loose.display());
    for way in [&path, &file] {
        assert_eq!(objection(way), expected);
        assert_eq!(message(way), expected, "a secret is held to the same");
    }
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    if !geteuid().is_root() {
        return; // only root can give directories away
    }
    let (directory, path) = trusted(0o644);
    chown(directory.path(), Some(54321), None).unwrap();
    let expected = format!("{0} belongs to uid 54321, who is neither root nor this user", directory.path().display());
    assert!(objection(&path).starts_with(&expected));
    assert!(objection(&path).contains(&format!("chown 0 {}", directory.path().display())));
    assert!(check_trusted(&path).is_err());
    chown(directory.path(), Some(0), None).unwrap();
    chown(&path, Some(54321), None).unwrap();
    assert!(objection(&path).ends_with(&format!("chown 0 {}", path.display())));
}

#[test]
fn what_is_missing_or_of_another_kind_is_for_others_to_report() {
    let (directory, path) = trusted(0o644);
    for other in [directory.path(), &directory.path().join("missing"), &path.join("below"), Path::new("/dev/null")] {
        assert!(check_trusted(other).is_ok(), "{}", other.display());
    }
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(check_trusted(directory.path()).is_err(), "a directory that everybody may put programs into");
}

#[test]
fn a_descriptor_that_we_were_started_with_is_no_file_of_somebody_else() {
    let (_directory, path) = trusted(0o644);
    let file = File::open(&path).unwrap();
    let descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    assert!(open_trusted_under(Path::new(&descriptor), WritableFiles::Refused).is_ok());
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(objection(Path::new(&descriptor)).contains("can be written by others"));
}

#[test]
fn a_group_of_ones_own_may_write_unless_an_access_list_lets_others() {
    let (_directory, path) = trusted(0o664);
    if open_trusted_under(&path, WritableFiles::Refused).is_err() {
        return; // the group of whoever runs the tests has other members here
    }
    // version 2; for each entry its kind, its permissions and its number: the owner, user 54321, the group, the mask,
    // everybody else
    let anyone = u32::MAX;
    let entries = [(1_u16, 6_u16, anyone), (2, 6, 54321), (4, 6, anyone), (16, 6, anyone), (32, 4, anyone)];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (kind, permissions, number) in entries {
        list.extend(kind.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(number.to_le_bytes());
    }
    match rustix::fs::setxattr(&path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty()) {
        Err(rustix::io::Errno::OPNOTSUPP) => return, // a file system without them
        set => set.unwrap(),
    }
    assert!(objection(&path).contains("can be written by others (mode 0664)"));
}

#[test]
fn a_file_for_lines_is_made_for_us_alone_and_never_through_a_symlink() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines");
    assert!(check_appended(&path).is_ok() && !path.exists());
    open_appended(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    symlink("lines", directory.path().join("link")).unwrap();
    fs::create_dir(directory.path().join("below")).unwrap();
    for name in ["link", "below", "none/lines", "lines/lines"] {
        let path = directory.path().join(name);
        let said = [open_appended(&path).map(drop), check_appended(&path)]
            .map(|outcome| outcome.expect_err(name).into_io().expect(name).to_string());
        assert_eq!(said[0], said[1], "{name}");
    }
}

#[test]
fn a_group_of_root_s_may_write_above_the_directory_of_lines_and_not_in_it() {
    if !geteuid().is_root() {
        return; // only root can give files away
    }
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("countersign");
    fs::create_dir(&directory).unwrap();
    let path = directory.join("lines");
    // as Ubuntu has /var/log
    chown(above.path(), Some(0), Some(54321)).unwrap();
    fs::set_permissions(above.path(), Permissions::from_mode(0o775)).unwrap();
    open_appended(&path).unwrap();
    assert!(matches!(open_trusted_under(&path, WritableFiles::Refused), Err(GuardError::GroupDirectory { .. })));
    chown(&directory, Some(0), Some(54321)).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o775)).unwrap();
    assert!(matches!(open_appended(&path), Err(GuardError::GroupDirectory { .. })));
    assert!(matches!(check_appended(&path), Err(GuardError::GroupDirectory { .. })));
    fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(above.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(open_appended(&path), Err(GuardError::GroupDirectory { .. } | GuardError::LooseDirectory { .. })));
}

//! The files that the C library reads to resolve names.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::paths::User;

/// Read each time that a name is resolved.
const RESOLVER_FILES: [&str; 6] =
    ["/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/host.conf", "/etc/services", "/etc/ld.so.cache"];
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Where the C library finds its modules for names (`libnss_*`), which it loads when it resolves the first name.
const LIBRARIES: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// What a process of `user` has to read to resolve names.
pub(crate) fn files_for_names(user: User) -> impl Iterator<Item = PathBuf> {
    let fixed = RESOLVER_FILES.iter().chain(&LIBRARIES).map(PathBuf::from);
    fixed.chain([resolv_conf(Path::new(RESOLV_CONF), user)])
}

/// Whether a path is one of [`files_for_names`].
pub(crate) fn is_resolver_file(path: &Path) -> bool {
    files_for_names(User::current()).any(|known| known == path)
}

/// What has to be readable so that new name servers are found. The file is usually replaced by a rename, and a rule
/// made for the old file does not hold for the new one.
fn resolv_conf(path: &Path, user: User) -> PathBuf {
    let there = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let Some(directory) = there.parent() else { return there };
    if Some(directory) != path.parent() {
        // a link to the file of systemd-resolved or NetworkManager, in /run
        return directory.to_owned();
    }
    match user {
        // this opens to us what everybody may read in /etc; to lose DNS until the next start would be worse
        User::Other if !is_mounted(&there) => directory.to_owned(),
        User::Other | User::Root => there,
    }
}

/// Container engines mount this one file, and write to it in place.
fn is_mounted(path: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    path.parent().is_some_and(|directory| device(directory) != device(path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn name_servers_may_change_where_permissions_still_hold() {
        let directory = tempfile::tempdir().unwrap();
        let etc = directory.path().canonicalize().unwrap();
        let (plain, link) = (etc.join("plain"), etc.join("link"));
        fs::write(&plain, "").unwrap();
        assert_eq!(resolv_conf(&plain, User::Other), etc);
        assert_eq!(resolv_conf(&plain, User::Root), plain);
        fs::create_dir(etc.join("run")).unwrap();
        fs::write(etc.join("run/stub"), "").unwrap();
        symlink("run/stub", &link).unwrap();
        for user in [User::Other, User::Root] {
            assert_eq!(resolv_conf(&link, user), etc.join("run"));
        }
    }
}

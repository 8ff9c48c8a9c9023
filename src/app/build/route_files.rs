//! Whether the files with which routes know their endpoints, and show themselves there, are still the same.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What the system says of each file, or why it says nothing. It differs after a file was replaced or written to, or a
/// symlink was turned; what is in the file is not read for it, since there are keys among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteFiles(Vec<Result<[i64; 7], String>>);

impl RouteFiles {
    /// Looks at files.
    pub(crate) fn of<'f>(files: impl IntoIterator<Item = &'f Path>) -> Self {
        let seen = |path: &Path| match fs::metadata(path) {
            Ok(data) => Ok([
                data.dev().cast_signed(),
                data.ino().cast_signed(),
                data.size().cast_signed(),
                data.mtime(),
                data.mtime_nsec(),
                data.ctime(),
                data.ctime_nsec(),
            ]),
            Err(error) => Err(error.kind().to_string()),
        };
        Self(files.into_iter().map(seen).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_turned_or_removed_is_another() {
        let directory = tempfile::tempdir().unwrap();
        let [file, other, link] = ["a", "b", "link"].map(|name| directory.path().join(name));
        fs::write(&file, "one").unwrap();
        fs::write(&other, "two").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let first = RouteFiles::of([link.as_path()]);
        assert_eq!(first, RouteFiles::of([link.as_path()]));
        fs::remove_file(&link).unwrap();
        let gone = RouteFiles::of([link.as_path()]);
        assert_ne!(first, gone);
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let turned = RouteFiles::of([link.as_path()]);
        assert!(turned != first && turned != gone);
        fs::rename(&file, &other).unwrap();
        assert_ne!(turned, RouteFiles::of([link.as_path()]));
    }
}

//! Reads the files of a configuration: the main file, and those of `conf.d/` beside it.

mod folder;
mod opened;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::config::error::ConfigError;
use crate::config::tree::FileText;
use crate::guarded_file::WritableFiles;

pub use folder::{files_of, folder_of};
use opened::Opened;

/// The files that differ from those of an earlier time.
#[derive(Debug, PartialEq, Eq)]
pub struct Changes {
    /// Files that are new.
    pub added: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// Files with another text.
    pub changed: Vec<String>,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)];
        let told = kinds.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<_> = told.map(|(kind, names)| format!("{kind}: {}", names.join(", "))).collect();
        f.write_str(&if told.is_empty() { "none".to_owned() } else { told.join("; ") })
    }
}

/// How often the files are read again when one of them changes while they are read.
const ATTEMPTS: u32 = 5;

/// The text of the configuration's files: the main file first, if there is one, then those of its folder in order of
/// name.
#[derive(Debug, Default)]
pub struct Text {
    files: Vec<Opened>,
    /// Names in the folder that are not read, and look as if somebody might think that they are.
    ignored: Vec<String>,
}

impl Text {
    /// Reads the files. `writable` says what happens when others can write them.
    ///
    /// The files of the folder belong together (a Kubernetes volume replaces all of them by swapping one symlink): when
    /// something changed while they were read, they are read again.
    ///
    /// # Errors
    /// [`ConfigError`]: one of them cannot be read.
    pub fn read(file: Option<&Path>, writable: WritableFiles) -> Result<Self, ConfigError> {
        let Some(path) = file else { return Ok(Self::default()) };
        // once: it may be a pipe
        let main = Opened::main(path, writable)?;
        let Some(folder) = folder_of(path) else { return Ok(Self { files: vec![main], ignored: Vec::new() }) };
        for _ in 0..ATTEMPTS {
            let listed = folder::list(&folder)?;
            let parts: Result<Vec<_>, _> = listed.parts.iter().map(|part| Opened::part(part, writable)).collect();
            let is_same = folder::list(&folder).is_ok_and(|again| again == listed);
            match parts {
                Ok(parts) if is_same && parts.iter().all(Opened::is_current) => {
                    let files = std::iter::once(main).chain(parts).collect();
                    return Ok(Self { files, ignored: listed.ignored });
                }
                // a file that vanished between the list and its turn is no fault of the configuration
                Err(error) if is_same => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Err(opened::fault(&folder, "cannot be read: its files change while they are read"))
    }

    /// Reads the main file alone, for what stands in no other.
    ///
    /// # Errors
    /// [`ConfigError`]: it cannot be read.
    pub(crate) fn read_main(file: Option<&Path>, writable: WritableFiles) -> Result<Self, ConfigError> {
        let main = file.map(|path| Opened::main(path, writable)).transpose()?;
        Ok(Self { files: main.into_iter().collect(), ignored: Vec::new() })
    }

    /// What tells this configuration from any other: the SHA-256 of the main file's text, as `sha256sum` prints it.
    /// With files in the folder, that of the lines that `sha256sum countersign.toml conf.d/*.toml` prints. `None`
    /// without a file.
    #[must_use]
    pub fn sha256(&self) -> Option<String> {
        match self.files.as_slice() {
            [] => None,
            [main] => Some(hexadecimal(main.text.as_bytes())),
            all => {
                let line = |file: &Opened| format!("{}  {}\n", hexadecimal(file.text.as_bytes()), file.short);
                Some(hexadecimal(all.iter().map(line).collect::<String>().as_bytes()))
            }
        }
    }

    /// Which files differ from those of an earlier time, `earlier` being what [`Self::digests`] said then.
    #[must_use]
    pub fn changes_since(&self, earlier: &BTreeMap<String, String>) -> Changes {
        let now = self.digests();
        let names = |files: &BTreeMap<String, String>, differs: &dyn Fn(&str, &str) -> bool| {
            files.iter().filter(|(name, digest)| differs(name, digest)).map(|(name, _)| name.clone()).collect()
        };
        Changes {
            added: names(&now, &|name, _| !earlier.contains_key(name)),
            removed: names(earlier, &|name, _| !now.contains_key(name)),
            changed: names(&now, &|name, digest| earlier.get(name).is_some_and(|known| known != digest)),
        }
    }

    /// The SHA-256 of each file, by its path from the directory of the main file on.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, String> {
        self.files.iter().map(|file| (file.short.clone(), hexadecimal(file.text.as_bytes()))).collect()
    }

    /// The names of the files, as messages have them.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.files.iter().map(|file| file.name.as_str()).collect()
    }

    /// What stands in the folder, is not read, and looks as if it were.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    pub(crate) fn texts(&self) -> Vec<FileText<'_>> {
        self.files.iter().map(Opened::text).collect()
    }

    /// These texts, each with its name, as if they had been read; the first is the main file.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(name, text)| Opened::of(name, text)).collect(), ignored: Vec::new() }
    }
}

fn hexadecimal(text: &[u8]) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The directory of a file, in which the relative paths in it begin.
pub(crate) fn directory_of(file: &Path) -> &Path {
    file.parent().unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(directory: &Path) -> Result<Text, ConfigError> {
        Text::read(Some(&directory.join("countersign.toml")), WritableFiles::DangerAccepted)
    }

    fn place() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("conf.d")).unwrap();
        fs::write(directory.path().join("countersign.toml"), "# main\n").unwrap();
        directory
    }

    #[test]
    fn the_files_of_the_folder_are_read_in_order_of_name_and_others_are_ignored_and_told() {
        let place = place();
        let at = |name: &str| place.path().join("conf.d").join(name);
        for name in ["b.toml", "10-a.toml", "a.toml~", "a.toml.dpkg-old", "c.toml.rpmsave", "README", ".a.toml.swp"] {
            fs::write(at(name), "").unwrap();
        }
        fs::write(at(".hidden.toml"), "").unwrap();
        symlink("user@host.1:2", at(".#b.toml")).unwrap();
        fs::create_dir(at("team-a")).unwrap();
        let text = read(place.path()).unwrap();
        let short: Vec<_> = text.files.iter().map(|file| file.short.as_str()).collect();
        assert_eq!(short, ["countersign.toml", "conf.d/10-a.toml", "conf.d/b.toml"]);
        assert_eq!(text.ignored(), [".hidden.toml", "README", "a.toml.dpkg-old", "a.toml~", "c.toml.rpmsave"]);
    }

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        let place = place();
        let main = hexadecimal(b"# main\n");
        assert_eq!(read(place.path()).unwrap().sha256(), Some(main.clone()), "an empty folder changes nothing");
        fs::write(place.path().join("conf.d/a.toml"), "# a\n").unwrap();
        let lines = format!("{main}  countersign.toml\n{}  conf.d/a.toml\n", hexadecimal(b"# a\n"));
        let with_part = read(place.path()).unwrap().sha256();
        assert_eq!(with_part, Some(hexadecimal(lines.as_bytes())));
        fs::rename(place.path().join("conf.d/a.toml"), place.path().join("conf.d/b.toml")).unwrap();
        assert_ne!(read(place.path()).unwrap().sha256(), with_part, "the name counts");
        assert_eq!(Text::default().sha256(), None);
    }

    #[test]
    fn added_removed_and_changed_files_are_named() {
        let earlier = Text::of(&[("countersign.toml", "1"), ("conf.d/a.toml", "2"), ("conf.d/b.toml", "3")]).digests();
        let now = Text::of(&[("countersign.toml", "1"), ("conf.d/b.toml", "4"), ("conf.d/c.toml", "5")]);
        let told = now.changes_since(&earlier).to_string();
        assert_eq!(told, "added: conf.d/c.toml; removed: conf.d/a.toml; changed: conf.d/b.toml");
        assert_eq!(now.changes_since(&now.digests()).to_string(), "none");
    }

    #[test]
    fn a_file_that_is_not_one_or_has_a_name_that_is_none_is_refused() {
        for (name, make, message) in [
            ("A b.toml", "", "the name of a file of conf.d is NAME.toml"),
            ("a.toml", "directory", "is not a file"),
            ("a.toml", "missing", "cannot be read: No such file or directory"),
            ("a.toml", "fifo", "is not a file"),
        ] {
            let place = place();
            let path = place.path().join("conf.d").join(name);
            match make {
                "directory" => fs::create_dir(&path).unwrap(),
                "missing" => symlink("nowhere", &path).unwrap(),
                "fifo" => {
                    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
                        .unwrap();
                }
                _ => fs::write(&path, "").unwrap(),
            }
            let error = read(place.path()).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(message), "{make}: {error}");
        }
    }

    #[test]
    fn a_folder_that_is_a_file_is_refused_and_none_is_none() {
        let place = place();
        fs::remove_dir(place.path().join("conf.d")).unwrap();
        assert_eq!(read(place.path()).unwrap().names().len(), 1);
        fs::write(place.path().join("conf.d"), "").unwrap();
        let error = read(place.path()).unwrap_err().to_string();
        assert!(error.contains("conf.d: cannot be read: Not a directory"), "{error}");
    }
}

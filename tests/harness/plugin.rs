//! An age plugin (tests/outside/age_plugin), installed in a directory of its own, and keys sealed to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Outcome, Vault, document, program};

/// What the plugin opens with.
pub const IDENTITY: &str = "AGE-PLUGIN-EXAMPLE-1V9HZQETCV9KHQMR924NG6Y";
/// What is sealed for that.
pub const RECIPIENT: &str = "age1example1v9hzqetcv9khqmr98fhc45";

/// The plugin. Dropping it removes it.
pub struct Plugin(TempDir);

impl Plugin {
    /// Copies the plugin into a directory of its own.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/age_plugin/age-plugin-example");
        fs::copy(source, directory.path().join("age-plugin-example")).unwrap();
        Self(directory)
    }

    /// The same, and puts the plugin's identity into the vault.
    pub fn install(vault: &Vault) -> Self {
        vault.put("identity", &format!("# of the example plugin\n{IDENTITY}\n"));
        Self::new()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// From now on it does something else than open: see there.
    pub fn behave(&self, how: &str) {
        fs::write(self.path("behaviour.new"), how).unwrap();
        fs::rename(self.path("behaviour.new"), self.path("behaviour")).unwrap();
    }

    /// The names of the variables that it was last started with.
    pub fn environment(&self) -> Vec<String> {
        fs::read_to_string(self.path("environment")).unwrap().lines().map(str::to_owned).collect()
    }

    /// The lines of a `[key.NAME]` for the vault's key, with countersign's own PATH passed on.
    pub fn lines(&self, vault: &Vault) -> String {
        format!("{}\nenvironment = [\"PATH\"]", vault.sealed_lines())
    }

    /// A command with the plugin first in its PATH.
    pub fn beside<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let usual = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{usual}", self.0.path().display()))
    }

    /// Seals a key to the plugin, in the place of the one there was.
    #[track_caller]
    pub fn publish(&self, vault: &Vault, id: &str, secret: &str) {
        let mut command = program();
        self.beside(&mut command).args(["keys", "seal", "--force", "--recipient", RECIPIENT, "--out"]);
        let sealed = Outcome::of(command.arg(vault.key_file()), document(id, secret, ""));
        assert_eq!(sealed.code, 0, "{}", sealed.stderr);
    }
}

"""A small tree with what packaging/release-version and packaging/publish read, for tests that change it."""

import pathlib
import shutil
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[3]
SCRIPTS = ("packaging/release-version", "packaging/publish")

HOSTS = """NAME='countersign'
MAINTAINER='The maintainers <maintainers@forge.invalid>'
REPOSITORY_URL='https://forge.invalid/countersign'
HOMEPAGE_URL='https://forge.invalid/'
IMAGE_REPOSITORY='{registry}/countersign'
CHART_REPOSITORY='oci://{registry}/charts'
"""


MANIFEST = """[package]
name = "countersign"
version = "1.2.3"

[dependencies]
version = "9.9.9"
"""
LOCK = """[[package]]
name = "bytes"
version = "9.9.9"

[[package]]
name = "countersign"
version = "1.2.3"
"""
CHANGELOG = """# Changelog

## [1.2.3] - 2026-02-28

News of this version.

### Added

- This.

## [1.2.2] - 2026-01-31

- That.

[1.2.3]: https://forge.invalid/1.2.3
"""


class ReleaseTree:
    """Sources of version 1.2.3, ready to be released, but for what a test changes."""

    def __init__(self, path, registry="registry.invalid"):
        self.path = path
        self.write("Cargo.toml", MANIFEST)
        self.write("Cargo.lock", LOCK)
        self.write("CHANGELOG.md", CHANGELOG)
        self.write("packaging/project.env", HOSTS.format(registry=registry))
        for script in SCRIPTS:
            shutil.copy2(TOP / script, path / script)

    def commit(self):
        """Makes a repository of it; its one commit."""
        author = ["-c", "user.name=A", "-c", "user.email=a@forge.invalid"]
        for words in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "All"]):
            subprocess.run(["git", *words], cwd=self.path, check=True, timeout=60)
        head = ["git", "rev-parse", "HEAD"]
        return subprocess.run(head, cwd=self.path, capture_output=True, text=True, check=True).stdout.strip()

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def replace(self, name, old, new):
        text = (self.path / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        self.write(name, text.replace(old, new))

    def run(self, script, *arguments, **options):
        return subprocess.run(
            [self.path / "packaging" / script, *arguments], capture_output=True, text=True, timeout=60, **options
        )

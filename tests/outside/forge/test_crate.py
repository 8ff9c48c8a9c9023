"""What `cargo package` makes of both packages, without a network: what is in it, and that it can be built.

packaging/test has cargo build it as well, which compiles everything once more.
"""

import json
import os
import re
import subprocess
import tarfile
import tomllib

import pytest
from project_env import PROJECT
from release_tree import TOP

VERSION = tomllib.loads((TOP / "Cargo.toml").read_text())["package"]["version"]
SECRET_MEMORY = tomllib.loads((TOP / "src/secret_memory/Cargo.toml").read_text())["package"]["version"]
NEEDED = {
    ".cargo/config.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "README.md",
    "SECURITY.md",
    "config/reference.toml",
    "docs/guide/install.md",
    "docs/man/countersign.1",
    "docs/man/countersign.toml.5",
    "src/main.rs",
}
# they need a checkout and much of the machine, or are no business of those who build the program
NOT_PACKED = {"target", "dist", "packaging", "benches", ".github", ".ci", "src/secret_memory", "tests/outside"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The two packages, unpacked side by side."""
    target = tmp_path_factory.mktemp("target")
    command = ["cargo", "package", "--workspace", "--locked", "--offline", "--no-verify", "--allow-dirty"]
    done = subprocess.run(
        [*command, "--target-dir", target], cwd=TOP, capture_output=True, text=True, timeout=300,
        env={**os.environ, "CARGO_TERM_COLOR": "never"},
    )
    assert done.returncode == 0, done.stderr
    made = target / "package"
    for crate in made.glob("*.crate"):
        with tarfile.open(crate) as archive:
            archive.extractall(made / "unpacked", filter="data")
    return made


@pytest.fixture(scope="module")
def package(packages):
    return packages / f"unpacked/countersign-{VERSION}"


def manifest(package):
    return tomllib.loads((package / "Cargo.toml").read_text())


def test_both_packages_are_made_without_a_network_and_are_small(packages):
    sizes = {crate.name: crate.stat().st_size for crate in packages.glob("*.crate")}
    assert sizes.keys() == {f"countersign-{VERSION}.crate", f"secret-memory-{SECRET_MEMORY}.crate"}
    # crates.io takes 10 MB
    assert max(sizes.values()) < 2_000_000, sizes


def test_the_package_depends_on_the_version_of_secret_memory_that_is_packed_beside_it(package):
    dependency = manifest(package)["dependencies"]["secret-memory"]
    assert dependency["version"] == SECRET_MEMORY
    assert "path" not in dependency


def test_a_registry_finds_what_it_asks_for_in_both_packages(packages, package):
    for folder in (package, packages / f"unpacked/secret-memory-{SECRET_MEMORY}"):
        fields = manifest(folder)["package"]
        assert fields["license"] == "Apache-2.0"
        assert fields["repository"] == PROJECT["REPOSITORY_URL"]
        assert fields["homepage"] == PROJECT["HOMEPAGE_URL"]
        assert fields["rust-version"]
        assert 20 < len(fields["description"]) < 200
        assert 1 <= len(fields["keywords"]) <= 5 and all(len(word) <= 20 for word in fields["keywords"])
        assert len(fields["categories"]) <= 5
        assert (folder / fields["readme"]).is_file()
        assert "Apache License" in (folder / "LICENSE").read_text()


def test_every_file_that_the_sources_include_or_read_is_in_the_package(package):
    wanted = {}
    for source in package.glob("src/**/*.rs"):
        text = source.read_text()
        for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', text):
            wanted[(source.parent / name).resolve()] = source
        read = r'reference_page::check\(\s*"([^"]+)"|CARGO_MANIFEST_DIR"\)(?:\)\.join\(|,\s*)"/?([^"]+)"'
        for groups in re.findall(read, text):
            wanted[package / "".join(groups)] = source
    assert len(wanted) > 15, "the pattern finds what the sources read"
    missing = {str(path): str(source) for path, source in wanted.items() if not path.exists()}
    assert not missing, "add these to `include` in Cargo.toml"


def test_the_package_has_what_a_distribution_installs_and_nothing_that_needs_a_checkout(package):
    names = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert NEEDED <= names
    assert any(re.fullmatch(r"deploy/systemd/.*countersign\.service", name) for name in names)
    parts = {name.split("/")[0] for name in names} | {"/".join(name.split("/")[:2]) for name in names}
    assert not parts & NOT_PACKED
    assert not [name for name in names if re.search(r"\.(png|age|identity|pyc)$", name)]


def test_every_dependency_of_the_package_is_one_that_was_tested(package):
    def crates(lock):
        return {(crate["name"], crate["version"]) for crate in tomllib.loads(lock.read_text())["package"]}

    packed, ours = crates(package / "Cargo.lock"), crates(TOP / "Cargo.lock")
    assert len(packed) > 200
    assert packed <= ours


def test_a_build_from_the_package_is_told_the_commit_that_was_packed(package, tmp_path):
    """Compiles and runs its build.rs, as cargo does, and reads what it tells cargo."""
    program = tmp_path / "build"
    subprocess.run(["rustc", "--edition", "2024", package / "build.rs", "-o", program], check=True, timeout=300)

    def told(**variables):
        done = subprocess.run([program], cwd=package, env=variables, capture_output=True, text=True, check=True)
        return re.findall(r"cargo::rustc-env=COUNTERSIGN_COMMIT=(.*)", done.stdout)

    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    packed = json.loads((package / ".cargo_vcs_info.json").read_text())["git"]
    assert packed["sha1"] == commit.strip()
    changed = "-dirty" if packed.get("dirty") else ""
    assert told() == told(COUNTERSIGN_COMMIT="") == [commit.strip() + changed]
    # whoever builds it knows better
    assert told(COUNTERSIGN_COMMIT="abc") == []
    (package / ".cargo_vcs_info.json").rename(tmp_path / "elsewhere")
    assert told() == []
    (tmp_path / "elsewhere").rename(package / ".cargo_vcs_info.json")

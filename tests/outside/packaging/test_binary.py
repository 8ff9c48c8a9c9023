"""packaging/binary, with substitutes for cargo and the compiler, for a processor whose program is not trained."""

import os
import shutil
import subprocess

import pytest
from project_env import TOP

OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}[os.uname().machine]
TRIPLE = f"{OTHER}-unknown-linux-gnu"
RUSTC = f"""
case $1 in
    -vV) echo "commit-hash: abc" ;;
    --print) echo "${{0%/*}}" ;;
esac
"""
# writes down its environment, and makes the program that it was asked for
CARGO = f"""
env >"$STAGE/environment"
mkdir -p "$CARGO_TARGET_DIR/{TRIPLE}/release"
echo program >"$CARGO_TARGET_DIR/{TRIPLE}/release/countersign"
"""


@pytest.fixture
def checkout(tmp_path):
    """The scripts and the substitutes, in a repository with one commit."""
    top = tmp_path / "a checkout"
    (top / "packaging").mkdir(parents=True)
    for name in ("binary", "reproducibly", "facts.sh", "project.env"):
        shutil.copy2(TOP / "packaging" / name, top / "packaging")
    for name in ("Cargo.toml", "CHANGELOG.md"):
        shutil.copy(TOP / name, top)
    (top / ".gitignore").write_text("/target\n")
    for name, text in (("rustc", RUSTC), ("cargo", CARGO), ("cargo-auditable", ""), ("python-zig", "echo 1"),
                       ("cargo-zigbuild", "echo zigbuild 1")):
        tool = top / "target/tools/bin" / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text("#!/usr/bin/env bash\n" + text)
        tool.chmod(0o755)
    library = top / f"target/tools/bin/lib/rustlib/{TRIPLE}/lib/libstd-1.rlib"
    library.parent.mkdir(parents=True)
    library.touch()
    (top / "target/tools/.crates.toml").write_text('"cargo-auditable 0.7.7 (registry)" = []\n')
    repository(top)
    return top


def repository(top):
    """Makes a repository of a directory; its one commit."""
    git = ["git", "-C", top, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "All"]):
        subprocess.run([*git, *words], check=True, timeout=60)
    return subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def environment_of_cargo(top, **variables):
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "STAGE": str(top.parent), **variables}
    done = subprocess.run([top / "packaging/binary", OTHER, "plain", top.parent / "out"], env=kept, capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    return dict(line.split("=", 1) for line in (top.parent / "environment").read_text().splitlines() if "=" in line)


def test_what_a_user_has_set_for_own_builds_is_not_in_the_program_of_a_release(checkout):
    """With `target-cpu=native`, for example, it would end with SIGILL on the machines of others."""
    mine = {"RUSTFLAGS": "-Ctarget-cpu=native", "CFLAGS": "-march=native", "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
            "CARGO_BUILD_RUSTFLAGS": "-Ctarget-cpu=native", "RUSTC_WRAPPER": "/mine",
            "CFLAGS_" + TRIPLE.replace("-", "_"): "-march=native"}
    assert environment_of_cargo(checkout) == environment_of_cargo(checkout, **mine)
    encoded = {"CARGO_ENCODED_RUSTFLAGS": "-Ctarget-cpu=native"}
    assert "native" not in environment_of_cargo(checkout, **encoded)["CARGO_ENCODED_RUSTFLAGS"]


def test_the_program_names_the_commit_of_its_sources_also_in_a_hook_of_another_repository(checkout, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    repository(other)
    head = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    told = environment_of_cargo(checkout, GIT_DIR=str(other / ".git"))
    assert told["COUNTERSIGN_COMMIT"] == head.stdout.strip()

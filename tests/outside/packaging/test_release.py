"""What packaging/release makes of the program under test."""

import hashlib
import os
import shutil
import subprocess

import pytest
from project_env import TOP, VERSION


@pytest.fixture(scope="module")
def archive(dist, tmp_path_factory):
    """The unpacked tar.zst: its one directory."""
    (packed,) = dist.glob("*.tar.zst")
    place = tmp_path_factory.mktemp("archive")
    subprocess.run(["tar", "--extract", "--zstd", "--file", packed, "--directory", place], check=True)
    (inside,) = place.iterdir()
    assert packed.name == f"{inside.name}.tar.zst"
    return inside


def test_the_sums_name_every_file_and_are_right(dist):
    lines = [line.split("  ", 1) for line in (dist / "SHA256SUMS").read_text().splitlines()]
    names = [name for _, name in lines]
    assert names == sorted(str(path.relative_to(dist)) for path in dist.rglob("*")
                           if path.is_file() and path.name != "SHA256SUMS")
    assert not [name for digest, name in lines if hashlib.sha256((dist / name).read_bytes()).hexdigest() != digest]
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=dist, check=True)


def test_every_name_has_the_version(dist):
    names = {path.name for path in dist.iterdir()} - {"SHA256SUMS", "BUILD.txt"}
    assert names and not [name for name in names if VERSION not in name]


def test_the_archive_holds_what_a_prefix_holds(archive):
    assert {path.name for path in archive.iterdir()} == {"bin", "share"}
    run = subprocess.run([archive / "bin/countersign", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"countersign {VERSION}")
    for page in (TOP / "docs/man").iterdir():
        assert (archive / f"share/man/man{page.suffix[1:]}/{page.name}.gz").is_file(), page
    for name in ("bash-completion/completions/countersign", "zsh/site-functions/_countersign",
                 "fish/vendor_completions.d/countersign.fish"):
        assert "countersign" in (archive / "share" / name).read_text(), name
    samples = archive / "share/doc/countersign/examples"
    for sample in (TOP / "config").glob("*.toml"):
        assert (samples / "config" / sample.name).read_bytes() == sample.read_bytes()


def test_an_archive_that_root_unpacks_belongs_to_root_and_nobody_else_can_change_it(dist):
    (packed,) = dist.glob("*.tar.zst")
    listed = subprocess.run(["tar", "--list", "--verbose", "--numeric-owner", "--zstd", "--file", packed],
                            capture_output=True, text=True, check=True).stdout.splitlines()
    for line in listed:
        mode, owner, *_, name = line.split()
        assert owner == "0/0", line
        assert mode in ("drwxr-xr-x", "-rwxr-xr-x" if name.endswith("bin/countersign") else "-rw-r--r--"), line


def test_two_checkouts_make_the_same_release(dist, with_tools, tmp_path):
    """At another path, without a repository, by a user with other settings; from the same program and commit."""
    top = tmp_path / "another checkout"
    listed = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (TOP / name).is_file():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(TOP / name, top / name)
    git = ["git", "-C", TOP]
    commit = subprocess.run([*git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
                            capture_output=True, text=True, check=True).stdout.strip()
    time = subprocess.run([*git, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=True).stdout
    program = os.environ["COUNTERSIGN_BIN"]
    done = subprocess.run(["bash", "-c", 'umask 077; exec "$@"', "bash", top / "packaging/release", "--quick",
                           "--binary", program, "--out", tmp_path / "again"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=900, check=False,
                          env={**with_tools, "SOURCE_DATE_EPOCH": time.strip(), "COUNTERSIGN_COMMIT": commit,
                               "TZ": "Asia/Tokyo"})
    assert done.returncode == 0, done
    assert (tmp_path / "again/SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()


@pytest.mark.parametrize("beside", [[], ["SHA256SUMS"], ["SHA256SUMS", "BUILD.txt"]])
def test_a_directory_with_files_of_others_is_left_alone(with_tools, tmp_path, beside):
    """Also where somebody else's sums are among them, as in a directory of downloads."""
    for name in ("mine", *beside):
        (tmp_path / name).write_text("kept")
    program = tmp_path / "program"
    program.write_text("")
    program.chmod(0o755)
    done = release("--quick", "--binary", program, "--out", tmp_path, env=with_tools)
    assert (done.returncode, "no release has made" in done.stderr) == (73, True), done
    assert (tmp_path / "mine").read_text() == "kept"


@pytest.mark.parametrize("words", [["--quick"], ["--binary", "x"], ["--variant", "aws"], ["--quick", "--binary"],
                                   ["--out"], ["now"], ["--quick", "--binary", "x", "--variant", "other"]])
def test_a_wrong_command_line_prints_the_usage(words):
    done = release(*words)
    assert (done.returncode, done.stderr.startswith("usage: packaging/release ")) == (64, True), done


def release(*words, **options):
    return subprocess.run([TOP / "packaging/release", *words], **options, capture_output=True, text=True, timeout=60,
                          check=False)

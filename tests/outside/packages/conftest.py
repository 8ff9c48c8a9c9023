"""What the tests of deb and rpm share: a root to install in, and packages of several versions and variants."""

import fcntl
import os
import pathlib
import re
import sys

import pytest
from packaging_commands import OLDER, TOP, run

HERE = pathlib.Path(__file__).resolve().parent

# the programs that came as wheels are beside this interpreter
os.environ["PATH"] = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def root():
    """A root file system of Debian, made once; tests/run makes it beside its first steps."""
    if os.geteuid() != 0:
        pytest.fail("these tests boot a system: run them as root, in a container if need be")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or TOP / "target")
    run(HERE / "make-root", target / "packages-root")
    return target / "packages-root"


def once(tmp_path_factory, name, make):
    """A directory that one worker of pytest-xdist makes, and all use."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    directory, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            directory.mkdir()
            make(directory)
            made.touch()
    return directory


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    """A staged tree of the program under test."""
    binary = os.environ.get("COUNTERSIGN_BIN")
    if not binary or not os.access(binary, os.X_OK):
        pytest.fail(f"COUNTERSIGN_BIN ({binary}) is not the countersign program; tests/run builds it and sets this")

    def make(directory):
        # without its symbols, as a release is
        run("strip", "-o", directory / "countersign", binary)
        run(TOP / "packaging/stage", directory / "countersign", os.uname().machine, directory / "tree")

    return once(tmp_path_factory, "packages-stage", make) / "tree"


@pytest.fixture(scope="session")
def made(tmp_path_factory, stage, version):
    """A directory with packages of both variants, and of an older version. Whatever the program's features are: the
    variant is a name here."""

    def make(directory):
        for variant, of in [("plain", version), ("aws", version), ("plain", OLDER)]:
            # a fast compression: what is inside is the same
            environment = {**os.environ, "PACKAGE_COMPRESSION": "gzip", "PACKAGE_VERSION": of}
            run(TOP / "packaging/packages", stage, os.uname().machine, variant, directory, env=environment)

    return once(tmp_path_factory, "packages-made", make)


@pytest.fixture(scope="session")
def version():
    return re.search(r'(?m)^version = "(.*)"$', (TOP / "Cargo.toml").read_text())[1]


@pytest.fixture(scope="session")
def deb(made, version):
    """The path of a deb: `deb("countersign")`, `deb("countersign", OLDER)`."""
    return lambda name, of=version: only(made.glob(f"{name}_{of}_*.deb"))


@pytest.fixture(scope="session")
def rpm(made, version):
    return lambda name, of=version: only(made.glob(f"{name}-{of}-1.*.rpm"))


def only(paths):
    (path,) = paths
    return path

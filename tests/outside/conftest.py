"""What tests of all directories share: the release that is made of the program under test."""

import fcntl
import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
# packaging/release takes a minute; a machine that runs all tests at once takes longer
PATIENCE = 900  # seconds


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """The directory that `packaging/release --quick` makes of COUNTERSIGN_BIN: packages, image, SBOM, chart. Made once,
    whichever worker of pytest-xdist needs it first; nobody may change what is in it."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # each worker has a directory of its own in the one of the run
        base = base.parent
    out, log, end = base / "dist", base / "dist.log", base / "dist.end"
    with (base / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not end.exists():
            end.write_text(str(make_release(out, log)))
    if end.read_text() != "0":
        pytest.fail(f"packaging/release ended with {end.read_text()}:\n{log.read_text()}")
    return out


@pytest.fixture(scope="session")
def with_tools():
    return environment_with_tools()


def make_release(out, log):
    """Runs packaging/release --quick; its exit code."""
    binary = os.environ.get("COUNTERSIGN_BIN")
    if not binary or not os.access(binary, os.X_OK):
        log.write_text(f"COUNTERSIGN_BIN ({binary}) is not the countersign program; tests/run builds it and sets this")
        return 66
    with log.open("w") as output:
        command = [TOP / "packaging/release", "--quick", "--binary", binary, "--out", out]
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              timeout=PATIENCE, check=False, env=environment_with_tools())
    return done.returncode


def environment_with_tools():
    """The environment, in which the programs that came as wheels beside this Python, and those of tests/run, are found
    from any checkout."""
    tools = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or TOP / "target") / "tools"
    return {**os.environ, "PATH": f"{os.environ['PATH']}:{pathlib.Path(sys.executable).parent}:{tools}:{tools / 'bin'}"}

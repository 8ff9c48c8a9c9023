"""What tests of all directories share: the release that is made of the program under test."""

import fcntl
import os
import pathlib
import subprocess

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


def make_release(out, log):
    """Runs packaging/release --quick; its exit code."""
    binary = os.environ.get("COUNTERSIGN_BIN")
    if not binary or not os.access(binary, os.X_OK):
        log.write_text(f"COUNTERSIGN_BIN ({binary}) is not the countersign program; tests/run builds it and sets this")
        return 66
    with log.open("w") as output:
        command = [TOP / "packaging/release", "--quick", "--binary", binary, "--out", out]
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              timeout=PATIENCE, check=False)
    return done.returncode

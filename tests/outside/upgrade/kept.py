"""What countersign 0.1 read and wrote (tests/fixtures/config-0.1), and how this version is asked about it."""

import json
import os
import pathlib
import shutil
import subprocess

from serving import ALONE

TOP = pathlib.Path(__file__).resolve().parents[3]
KEPT = TOP / "tests/fixtures/config-0.1"
DATA = KEPT / "data"
SCHEMAS = TOP / "docs/reference/schemas"

# how a configuration that cannot be read is refused, before any file that it names is looked at
UNREADABLE = "the configuration cannot be used"
# two states of 0.1 wrote data: the last one and an earlier one
WRITERS = ["", "middle-"]


def run(*command, **environment):
    words = [*ALONE, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **environment})


def check(countersign, folder, text, *options, **environment):
    """`check` on a configuration in a folder of its own."""
    file = folder / "countersign.toml"
    file.write_text(text)
    return run(countersign, "check", "--config", file, *options, **environment)


def lay_out(folder, *names):
    """Copies of files that 0.1 wrote, with the permissions that it gave them."""
    for name in names:
        path = pathlib.Path(shutil.copy(DATA / name, folder / name))
        path.chmod(0o600)


def records(name):
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def variables(text):
    """The variables of a file for `docker run --env-file`."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def program():
    path = os.environ.get("COUNTERSIGN_BIN")
    assert path and os.access(path, os.X_OK), f"COUNTERSIGN_BIN ({path}) is not the countersign program"
    return pathlib.Path(path).resolve()
